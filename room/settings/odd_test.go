package settings

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"whoelse/internal/disk"
)

// Something else in the place of a file holds up nobody: neither whose it is, nor all others.
func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := func(nick string) string { return filepath.Join(dir, nick+".json") }
	for _, err := range []error{syscall.Mkfifo(file("pipe"), 0o600), os.Mkdir(file("folder"), 0o700), os.Symlink("pipe.json", file("piped"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, nick := range []string{"pipe", "folder", "piped"} {
		asked := make(chan error, 1)
		go func() {
			_, err := s.Load(nick)
			asked <- err
		}()
		select {
		case err := <-asked:
			if !errors.Is(err, disk.ErrNotRegular) {
				t.Errorf("%s: %v", nick, err)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: it waits", nick)
			if f, err := os.OpenFile(file(nick), os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				f.Close() // lets it go
			}
		}
		if p, err := s.Load("carol"); err != nil || len(p.Blocked) > 0 {
			t.Errorf("carol blocks %q, %v", p.Blocked, err)
		}
	}
	if nicks, err := s.Nicks(); err != nil || len(nicks) > 0 {
		t.Errorf("these have set something: %q, %v", nicks, err)
	}
}
