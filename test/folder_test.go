package test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The folder is removed under the running server. Nothing is said to be kept, also when
// there is another folder in its place; a new server uses that.
func TestRemovedFolder(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"history", "."} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			needClient(t, "ssh")
			h := newHousehold(t, filepath.Join(t.TempDir(), "data"))
			h.all(true)
			removeAll(t, filepath.Join(h.data, folder))
			h.told.forget() // all of it is gone
			h.flood()
			h.until(false)
			h.all(false)
			h.all(false)
			h.isLogged()
			if log := h.s.log(); !strings.Contains(log, "put the folder back, and start it again") || !strings.Contains(log, h.data) {
				t.Errorf("the log does not say what helps: %s", h.log())
			}
			if folder == "history" {
				if err := os.Mkdir(filepath.Join(h.data, folder), 0o700); err != nil {
					t.Fatal(err)
				}
				h.flood()
				h.all(false)
			}
			h.stop(syscall.SIGKILL)
			h.start()
			h.leavesAllBehind()
		})
	}
}

// removeAll removes what somebody else may still be writing to.
func removeAll(t *testing.T, folder string) {
	t.Helper()
	var err error
	for late := time.Now().Add(patience); time.Now().Before(late); {
		if err = os.RemoveAll(folder); err == nil || !errors.Is(err, syscall.ENOTEMPTY) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The folder is moved away under the running server, and back.
func TestMovedFolder(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	for _, folder := range []string{"history", "."} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			needClient(t, "ssh")
			h := newHousehold(t, filepath.Join(t.TempDir(), "data"))
			here, there := filepath.Join(h.data, folder), filepath.Join(t.TempDir(), "elsewhere")
			move := func(from, to string) {
				if err := os.Rename(from, to); err != nil {
					t.Fatal(err)
				}
			}
			h.all(true)
			for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
				move(here, there)
				h.flood() // refused or kept, but never only promised
				h.say()
				h.send("carol", "dave")
				h.command("dave")
				move(there, here)
				h.flood()
				h.until(true)
				h.all(true)
				h.reads()
				h.stop(sig)
				h.start()
				h.reads()
				h.all(true)
			}
			h.leavesAllBehind()
		})
	}
}
