package client

import (
	"errors"
	"io/fs"
	"log"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// Start is the place before the first message.
const Start = "00000000000"

// Forever runs session again and again. The pause between is a second, and grows to a minute if sessions are short.
func Forever(session func() error) {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		began := time.Now()
		log.Print("the session ended: ", session())
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		time.Sleep(pause/2 + rand.N(pause/2)) // so that not all clients reconnect at once
	}
}

// LoadPlace reads a place from a file. If there is no file, it is "", and past messages are left out.
func LoadPlace(file string) (string, error) {
	id, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(id)), err
}

// SavePlace replaces the file: after a crash, it has the old place or the new one.
func SavePlace(file, id string) error {
	f, err := os.Create(file + ".new")
	if err != nil {
		return err
	}
	_, err = f.WriteString(id + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
