package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"whoelse/internal/atomicfile"
	"whoelse/keys/nick"
)

// note says which rename is under way. It is changed only while the histories are
// held.
type note struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Unfinished gives an error if a rename was interrupted in this data folder, which
// tells how to complete it. As long as it is not, keys and history can have
// different nicks, and somebody else could get at either: no server should run.
func Unfinished(data string) error {
	n, err := readNote(data)
	if err != nil || n == (note{}) {
		return err
	}
	return n.unfinished()
}

func (n note) unfinished() error {
	return fmt.Errorf("renaming %s to %s was interrupted; complete it with: whoelse keys rename %s %s", n.From, n.To, n.From, n.To)
}

func notePath(data string) string { return filepath.Join(data, "renaming.json") }

// readNote gives the zero note if there is none.
func readNote(data string) (note, error) {
	f, err := atomicfile.Store{}.Read(notePath(data))
	if err != nil {
		return note{}, err
	}
	if !f.Stamp.Exists() {
		return note{}, nil
	}
	var n note
	err = json.Unmarshal(f.Data, &n)
	_, badFrom := nick.Parse(n.From)
	_, badTo := nick.Parse(n.To)
	if err != nil || badFrom != nil || badTo != nil {
		return note{}, fmt.Errorf("%s, the note of a rename that was interrupted, can't be understood; see which nick its keys, history and settings have, and remove it", f.Path)
	}
	return n, nil
}

func (n note) write(data string) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return atomicfile.Store{}.Write(notePath(data), append(text, '\n'), 0o600)
}

func removeNote(data string) error {
	if err := os.Remove(notePath(data)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return atomicfile.Store{}.SyncDir(data)
}
