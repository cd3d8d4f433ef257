package keys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"whoelse/internal/disk"
)

func TestARemovedKeyIsOutAtOnce(t *testing.T) {
	alice, bob := newKey(t), newKey(t)
	r := registry(t, keyText(alice)+" alice", keyText(bob)+" bob")
	var changes []Change
	r.OnChange(func(c Change) {
		r.Registered("x") // must not deadlock
		changes = append(changes, c)
	})
	write(t, r.path, keyText(bob)+" robert\n")
	if _, err := r.Lookup(alice, here); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("alice: %v", err)
	}
	r.wantHolder(bob, "robert")
	if len(changes) != 1 || len(changes[0].Removed) != 2 || len(changes[0].Added) != 1 ||
		changes[0].Removed[0].Nick != "alice" || changes[0].Added[0].Nick != "robert" {
		t.Errorf("%+v", changes)
	}
	if err := r.Claim("carol", newKey(t)); err != nil {
		t.Error(err)
	}
	if len(changes) != 2 || changes[1].Added[0].Nick != "carol" || changes[1].Added[0].Line != 2 {
		t.Errorf("%+v", changes)
	}
	if err := r.Reload(); err != nil || len(changes) != 2 {
		t.Errorf("%v; nothing changed: %+v", err, changes[2:])
	}
}

func TestDisablingALineRemovesItsKey(t *testing.T) {
	key := newKey(t)
	r := registry(t, keyText(key)+" bob")
	var removed []Entry
	r.OnChange(func(c Change) { removed = append(removed, c.Removed...) })
	write(t, r.path, "bogus "+keyText(key)+" bob\n")
	if err := r.Reload(); err != nil || len(removed) != 1 || removed[0].Nick != "bob" {
		t.Errorf("%v, %+v", err, removed)
	}
}

// An editor empties the file, and writes it a moment later.
func TestAFileBeingWrittenIsNotReadYet(t *testing.T) {
	key := newKey(t)
	r := registry(t, keyText(key)+" bob")
	var ahead time.Duration
	at := time.Now()
	r.now = func() time.Time { return at.Add(ahead) }
	write(t, r.path, "")
	future := at.Add(time.Hour) // whatever the file's time says
	if err := os.Chtimes(r.path, future, future); err != nil {
		t.Fatal(err)
	}
	r.wantHolder(key, "bob")
	ahead = disk.SettleTime / 2
	r.wantHolder(key, "bob")
	ahead = time.Minute
	if _, err := r.Lookup(key, here); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("an empty file that stays is empty: %v", err)
	}
}

func TestTheLastGoodVersionStays(t *testing.T) {
	key := newKey(t)
	for name, spoil := range map[string]func(path string) error{
		"gone":           os.Remove,
		"folder":         func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) },
		"pipe":           func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) },
		"dangling link":  func(p string) error { return errors.Join(os.Remove(p), os.Symlink("nowhere", p)) },
		"loop":           func(p string) error { return errors.Join(os.Remove(p), os.Symlink(p, p)) },
		"world-writable": func(p string) error { return os.Chmod(p, 0o606) },
		"huge":           func(p string) error { return os.Truncate(p, disk.MaxSize+1) },
		"folder gone":    func(p string) error { return os.RemoveAll(filepath.Dir(p)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := registry(t, keyText(key)+" bob")
			if err := spoil(r.path); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r.wantHolder(key, "bob")
			}
			if n := strings.Count(r.log.String(), "level=ERROR"); n != 1 {
				t.Errorf("%d errors in the log: %s", n, r.log)
			}
			if err := r.Reload(); err == nil {
				t.Error("Reload says nothing")
			} else {
				t.Log(err)
			}
			if err := r.Claim("carol", newKey(t)); err == nil {
				t.Error("a claim was taken")
			}
			if err := os.RemoveAll(r.path); err != nil {
				t.Fatal(err)
			}
			if os.MkdirAll(filepath.Dir(r.path), 0o700) != nil {
				t.Fatal("folder")
			}
			write(t, r.path, keyText(key)+" robert\n")
			r.wantHolder(key, "robert")
		})
	}
}

// What is in the way of reading need not be the file: it is tried again.
func TestAFailedReadIsTriedAgain(t *testing.T) {
	key := newKey(t)
	path := filepath.Join(t.TempDir(), "authorized_keys")
	write(t, path, keyText(key)+" bob\n")
	var fail atomic.Bool
	r := reopen(t, path, disk.Store{Fault: func(op, _ string) error {
		if op == "read" && fail.Load() {
			return syscall.EMFILE
		}
		return nil
	}})
	ahead := time.Hour
	r.now = func() time.Time { return time.Now().Add(ahead) }
	fail.Store(true)
	write(t, path, "# nobody\n")
	r.wantHolder(key, "bob")
	fail.Store(false)
	ahead += 2 * time.Second // it is tried again after one
	if _, err := r.Lookup(key, here); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("%v", err)
	}
}

// The file is replaced all the time while many look things up and some claim.
func TestLookupsDuringChanges(t *testing.T) {
	t.Parallel()
	fixed := newKey(t)
	r := registry(t, keyText(fixed)+" bob")
	r.OnChange(func(Change) { r.NicksAround("", 1, 1) })
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r.wantHolder(fixed, "bob")
				r.Registered("carol")
				r.Keys("bob")
			}
		})
	}
	for i := range 30 {
		other := newKey(t)
		write(t, r.path+"~", fmt.Sprintf("%s bob\n%s p%d\n", keyText(fixed), keyText(other), i))
		if err := os.Rename(r.path+"~", r.path); err != nil {
			t.Fatal(err)
		}
		if err := r.Claim(fmt.Sprintf("q%d", i), newKey(t)); err != nil {
			t.Error(err)
		}
		if err := r.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// A callback may bring about changes, which it is told of.
func TestChangesMadeByACallback(t *testing.T) {
	r := registry(t)
	var told []string
	r.OnChange(func(c Change) {
		told = append(told, c.Added[0].Nick)
		if len(told) == 1 {
			if err := r.Claim("carol", newKey(t)); err != nil {
				t.Error(err)
			}
		}
	})
	if err := r.Claim("bob", newKey(t)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(told, " "); got != "bob carol" {
		t.Errorf("%q", got)
	}
}

// However long the disk takes over a step of a claim, lookups go by what was read before.
func TestLookupsDoNotWaitForTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authorized_keys")
	alice := newKey(t)
	write(t, path, keyText(alice)+" alice\n")
	var r *fixture
	steps := 0
	r = reopen(t, path, disk.Store{Fault: func(op, _ string) error {
		if r == nil { // it is being opened
			return nil
		}
		steps++
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			r.wantHolder(alice, "alice")
		}()
		select {
		case <-answered:
		case <-time.After(time.Minute):
			t.Errorf("a lookup waits for %q", op)
		}
		return nil
	}})
	if err := r.Claim("bob", newKey(t)); err != nil {
		t.Fatal(err)
	}
	if steps < 5 {
		t.Errorf("only %d steps", steps)
	}
}
