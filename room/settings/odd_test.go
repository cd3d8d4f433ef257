package settings

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"whoelse/room/regular"
)

// Something else in the place of a file holds up nobody: neither whose it is, nor all others.
func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for nick, place := range map[string]func(string) error{
		"pipe":   func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"folder": func(p string) error { return os.Mkdir(p, 0o700) },
		"piped":  func(p string) error { return os.Symlink("pipe.json", p) },
	} {
		file := filepath.Join(dir, nick+".json")
		if err := place(file); err != nil {
			t.Fatal(err)
		}
		asked := make(chan error, 1)
		go func() {
			_, err := s.Blocked(nick)
			asked <- err
		}()
		select {
		case err := <-asked:
			if !errors.Is(err, regular.ErrNot) {
				t.Errorf("%s: %v", nick, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: it waits", nick)
			if f, err := os.OpenFile(file, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				f.Close() // lets it go
			}
		}
		if list, err := s.Blocked("carol"); err != nil || len(list) > 0 {
			t.Errorf("carol blocks %q, %v", list, err)
		}
	}
}
