package keys

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"whoelse/internal/disk"
)

// watched is a registry with its Watch running, and what it tells.
func watched(t *testing.T, path string) (*fixture, <-chan Change) {
	t.Helper()
	log := &logged{}
	r, err := open(path, log.handler(), disk.Store{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan Change, 10)
	r.OnChange(func(c Change) { changes <- c })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Watch(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return &fixture{Registry: r, t: t, path: path, log: log}, changes
}

func next(t *testing.T, changes <-chan Change) Change {
	t.Helper()
	select {
	case c := <-changes:
		return c
	case <-time.After(time.Minute):
		t.Fatal("nothing was noticed")
		return Change{}
	}
}

func TestWatchNoticesChanges(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "authorized_keys")
	_, changes := watched(t, path)
	a, b := newKey(t), newKey(t)

	write(t, path, keyText(a)+" alice\n") // the file appears
	if c := next(t, changes); len(c.Added) != 1 || c.Added[0].Nick != "alice" {
		t.Errorf("%+v", c)
	}
	write(t, path+"~", keyText(b)+" bob\n") // it is replaced
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
	if c := next(t, changes); len(c.Removed) != 1 || c.Removed[0].Nick != "alice" || c.Added[0].Nick != "bob" {
		t.Errorf("%+v", c)
	}
	if within := lookEvery + disk.SettleTime; within > time.Second { // on a machine that has time for it
		t.Errorf("noticed after %v", within)
	}
	write(t, path, "") // and written in place
	if c := next(t, changes); len(c.Removed) != 1 || c.Removed[0].Nick != "bob" {
		t.Errorf("%+v", c)
	}
}

func TestWatchFollowsALink(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	real := filepath.Join(elsewhere, "real")
	write(t, real, "")
	link := filepath.Join(dir, "authorized_keys")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	_, changes := watched(t, link)
	write(t, real, keyText(newKey(t))+" alice\n")
	if c := next(t, changes); len(c.Added) != 1 {
		t.Errorf("%+v", c)
	}
}

// A link that points to another file is a change, too.
func TestWatchNoticesAnotherTarget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "authorized_keys")
	for name, nick := range map[string]string{"old": "alice", "new": "bob"} {
		write(t, filepath.Join(dir, name), keyText(newKey(t))+" "+nick+"\n")
	}
	if err := os.Symlink("old", link); err != nil {
		t.Fatal(err)
	}
	_, changes := watched(t, link)
	if err := errors.Join(os.Symlink("new", link+"~"), os.Rename(link+"~", link)); err != nil {
		t.Fatal(err)
	}
	if c := next(t, changes); len(c.Added) != 1 || c.Added[0].Nick != "bob" || len(c.Removed) != 1 {
		t.Errorf("%+v", c)
	}
}
