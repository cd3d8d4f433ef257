package jsonfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"whoelse/internal/atomicfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// entry is what the tests keep.
type entry struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until"`
}

func (e *entry) check() error {
	if e.Name == "" {
		return errors.New("has no name")
	}
	e.Name = strings.ToLower(e.Name)
	return nil
}

func (e entry) expired(now time.Time) bool { return !now.Before(e.Until) }

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// named is an entry that lasts for an hour.
func named(name string) entry { return entry{name, start.Add(time.Hour)} }

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func file(path string, c *clock, disk atomicfile.Store) File[entry] {
	return File[entry]{Path: path, What: "names", Check: (*entry).check, Expired: entry.expired, Now: c.now, Disk: disk}
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "names.json") }

func open(t *testing.T, f File[entry]) *List[string, entry] {
	t.Helper()
	l, err := Open(f, func(e entry) string { return e.Name })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var errFull = errors.New("full")

func set(t *testing.T, l *List[string, entry], names ...string) {
	t.Helper()
	for _, name := range names {
		if err := l.Set(named(name), 100, errFull); err != nil {
			t.Fatal(err)
		}
	}
}

func wantNames(t *testing.T, l *List[string, entry], want ...string) {
	t.Helper()
	var got []string
	for _, e := range l.All() {
		got = append(got, e.Name)
		if found, ok := l.Find(e.Name); !ok || found != e {
			t.Errorf("%s: found %+v, %v", e.Name, found, ok)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s has %q, %v; want %q", path, got, err, want)
	}
}

func TestList(t *testing.T) {
	c, path := &clock{start}, newPath(t)
	l := open(t, file(path, c, atomicfile.Store{}))
	wantNames(t, l)
	set(t, l, "a", "b", "c", "a")
	wantNames(t, l, "b", "c", "a")
	wantNames(t, open(t, file(path, c, atomicfile.Store{})), "b", "c", "a")
	if err := l.Set(named("d"), 3, errFull); err != errFull {
		t.Errorf("one more than there may be: %v", err)
	}
	if err := l.Set(named("b"), 3, errFull); err != nil {
		t.Errorf("replacing one of the most: %v", err)
	}
	for name, want := range map[string]bool{"b": true, "x": false} {
		if was, err := l.Remove(name); was != want || err != nil {
			t.Errorf("removing %s: %v, %v", name, was, err)
		}
	}
	wantNames(t, l, "c", "a")
	wantText(t, path, `[
  {
    "name": "c",
    "until": "2026-11-25T13:00:00Z"
  },
  {
    "name": "a",
    "until": "2026-11-25T13:00:00Z"
  }
]
`)
	c.t = start.Add(time.Hour)
	wantNames(t, l)
	if _, ok := l.Find("a"); ok {
		t.Error("it does not expire")
	}
	if was, err := l.Remove("a"); was || err != nil {
		t.Errorf("removing what has expired: %v, %v", was, err)
	}
	if err := l.Set(entry{"e", c.t.Add(time.Hour)}, 1, errFull); err != nil {
		t.Errorf("expired ones count: %v", err)
	}
	if text, _ := os.ReadFile(path); strings.Contains(string(text), `"a"`) {
		t.Errorf("what has expired is written: %s", text)
	}
	if was, err := l.Remove("e"); !was || err != nil {
		t.Errorf("%v, %v", was, err)
	}
	wantText(t, path, "[]\n")
}

// What is edited by hand counts once it is read again, and what cannot be read changes
// nothing and is left alone.
func TestReload(t *testing.T) {
	c, path := &clock{start}, newPath(t)
	l := open(t, file(path, c, atomicfile.Store{}))
	set(t, l, "a")
	for text, words := range map[string]string{
		"[": "cannot be read, and is left alone", "\x00": "left alone", `{"a":1}`: "left alone", `[{"name":"b"},{}]`: "number 2 has no name",
	} {
		write(t, path, text)
		if err := l.Reload(); err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := Open(l.file, l.key); err == nil {
			t.Errorf("%q is opened", text)
		}
		s := &Shared[entry]{File: l.file}
		if err := s.Change(func(all []entry) ([]entry, error) { return all, nil }); err == nil {
			t.Errorf("%q is changed", text)
		}
		wantNames(t, l, "a")
		wantText(t, path, text)
	}
	write(t, path, `[{"name":"B","until":"2026-11-25T13:00:00Z"},{"name":"old","until":"2026-11-25T12:00:00Z"}]`)
	if err := l.Reload(); err != nil {
		t.Fatal(err)
	}
	wantNames(t, l, "b")
	set(t, l, "c")
	wantNames(t, open(t, l.file), "b", "c")
	write(t, path, "")
	if err := l.Reload(); err != nil {
		t.Fatal(err)
	}
	wantNames(t, l)
}

// Something else in the place of the file holds up nobody.
func TestPipe(t *testing.T) {
	path := newPath(t)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file(path, &clock{start}, atomicfile.Store{}), func(e entry) string { return e.Name }); err == nil {
		t.Error("a pipe is read")
	}
}

// What is not on disk is not in force.
func TestFaults(t *testing.T) {
	full, failing := errors.New("no space left"), ""
	disk := atomicfile.Store{Fault: func(op, _ string) error {
		if op == failing {
			return full
		}
		return nil
	}}
	path := newPath(t)
	l := open(t, file(path, &clock{start}, disk))
	s := &Shared[entry]{File: l.file}
	set(t, l, "a")
	text, _ := os.ReadFile(path)
	for _, failing = range []string{"temp", "write", "sync", "rename"} {
		if err := l.Set(named("b"), 100, errFull); !errors.Is(err, full) {
			t.Errorf("%s: %v", failing, err)
		}
		if _, err := l.Remove("a"); !errors.Is(err, full) {
			t.Errorf("%s: %v", failing, err)
		}
		if err := s.Change(func([]entry) ([]entry, error) { return nil, nil }); !errors.Is(err, full) {
			t.Errorf("%s: %v", failing, err)
		}
		wantNames(t, l, "a")
		wantText(t, path, string(text))
	}
	failing = "lock"
	if err := s.Change(func([]entry) ([]entry, error) { return nil, nil }); !errors.Is(err, full) {
		t.Errorf("without the lock: %v", err)
	}
	failing = "syncdir" // it is in place, but may not outlast a power cut
	if err := l.Set(named("b"), 100, errFull); !errors.Is(err, atomicfile.ErrUnsynced) {
		t.Errorf("%v", err)
	}
	wantNames(t, l, "a", "b")
}

// A list that would be too large to be read again is not written.
func TestTooLargeIsNotWritten(t *testing.T) {
	f := file(newPath(t), &clock{start}, atomicfile.Store{Limit: 2000})
	l := open(t, f)
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = l.Set(named(fmt.Sprint("p", i)), 1000, errFull)
	}
	if !errors.Is(err, atomicfile.ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if again := open(t, f); len(again.All()) < 10 || len(again.All()) != len(l.All()) {
		t.Errorf("%d of %d", len(again.All()), len(l.All()))
	}
	if err := os.Truncate(f.Path, 2001); err != nil {
		t.Fatal(err)
	}
	if err := l.Reload(); err == nil {
		t.Error("a file that is too large is read")
	}
}

func TestConcurrentUse(t *testing.T) {
	path := newPath(t)
	l := open(t, file(path, &clock{start}, atomicfile.Store{}))
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			name := fmt.Sprint("n", i)
			if err := l.Set(named(name), 100, errFull); err != nil {
				t.Error(err)
			}
			l.Find("n0")
			if i%2 == 0 {
				if was, err := l.Remove(name); !was || err != nil {
					t.Errorf("%v, %v", was, err)
				}
			}
		})
	}
	all.Wait()
	if again := open(t, l.file); len(l.All()) != 10 || len(again.All()) != 10 {
		t.Errorf("%d, and %d in the file", len(l.All()), len(again.All()))
	}
}

// Two processes that change a file lose nothing of each other's.
func TestShared(t *testing.T) {
	c, path := &clock{start}, newPath(t)
	one, other := &Shared[entry]{File: file(path, c, atomicfile.Store{})}, &Shared[entry]{File: file(path, c, atomicfile.Store{})}
	var all sync.WaitGroup
	for i := range 20 {
		s := []*Shared[entry]{one, other}[i%2]
		all.Go(func() {
			err := s.Change(func(all []entry) ([]entry, error) { return append(all, named(fmt.Sprint("n", i))), nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := one.Read(); err != nil || len(list) != 20 {
		t.Errorf("%d, %v", len(list), err)
	}
	if err := one.Change(func([]entry) ([]entry, error) { return nil, errFull }); err != errFull {
		t.Errorf("%v", err)
	}
	c.t = start.Add(time.Hour)
	if list, err := other.Read(); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}
