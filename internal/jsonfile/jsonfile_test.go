package jsonfile

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"whoelse/internal/disk"
)

func TestMain(m *testing.M) {
	if os.Getenv("WHOELSE_TEST") != "full" { // each check syncs many files
		if err := flag.Set("rapid.checks", "15"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

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

func (e entry) Key() string { return e.Name }

func (e entry) Expired(now time.Time) bool { return !now.Before(e.Until) }

// named is an entry that lasts for an hour.
func named(name string) entry { return entry{name, time.Now().Add(time.Hour).Truncate(0).UTC()} }

type list = List[string, entry]

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "names.json") }

func open(t *testing.T, path string) *list {
	t.Helper()
	l := New[string](path, "names", (*entry).check)
	if err := l.Reload(); err != nil {
		t.Fatal(err)
	}
	return l
}

var errFull = errors.New("full")

func set(t *testing.T, l *list, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := l.Set(named(name), 100, errFull); err != nil {
			t.Fatal(err)
		}
	}
}

func wantNames(t *testing.T, l *list, want ...string) {
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
	synctest.Test(t, func(t *testing.T) {
		path := newPath(t)
		l := open(t, path)
		wantNames(t, l)
		set(t, l, "a", "b", "c", "a")
		wantNames(t, l, "b", "c", "a")
		wantNames(t, open(t, path), "b", "c", "a")
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
    "until": "2000-01-01T01:00:00Z"
  },
  {
    "name": "a",
    "until": "2000-01-01T01:00:00Z"
  }
]
`)
		time.Sleep(time.Hour)
		wantNames(t, l)
		if _, ok := l.Find("a"); ok {
			t.Error("it does not expire")
		}
		if was, err := l.Remove("a"); was || err != nil {
			t.Errorf("removing what has expired: %v, %v", was, err)
		}
		if err := l.Set(named("e"), 1, errFull); err != nil {
			t.Errorf("expired ones count: %v", err)
		}
		if text, _ := os.ReadFile(path); strings.Contains(string(text), `"a"`) {
			t.Errorf("what has expired is written: %s", text)
		}
		if was, err := l.Remove("e"); !was || err != nil {
			t.Errorf("%v, %v", was, err)
		}
		wantText(t, path, "[]\n")
	})
}

// What is edited by hand counts once it is read again, be it for a change. What cannot be
// read changes nothing and is left alone.
func TestReload(t *testing.T) {
	path := newPath(t)
	l := open(t, path)
	set(t, l, "a")
	for text, words := range map[string]string{
		"[": "cannot be read, and is left alone", "\x00": "left alone", `{"a":1}`: "left alone", `[{"name":"b"},{}]`: "number 2 has no name",
	} {
		write(t, path, text)
		for _, err := range []error{
			l.Reload(), l.Set(named("b"), 100, errFull), l.Change(func(all []entry) ([]entry, error) { return all, nil }),
		} {
			if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), path) {
				t.Errorf("%q: %v", text, err)
			}
		}
		wantNames(t, l, "a")
		wantText(t, path, text)
	}
	write(t, path, `[{"name":"B","until":"2999-11-25T13:00:00Z"},{"name":"old","until":"2000-11-25T12:00:00Z"}]`)
	wantNames(t, l, "a")
	set(t, l, "c")
	wantNames(t, l, "b", "c")
	wantNames(t, open(t, path), "b", "c")
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
	if err := New[string](path, "names", (*entry).check).Reload(); err == nil {
		t.Error("a pipe is read")
	}
}

// What is not on disk is not in force.
func TestFaults(t *testing.T) {
	full, failing := errors.New("no space left"), ""
	path := newPath(t)
	l := open(t, path)
	set(t, l, "a")
	l.Disk = disk.Store{Fault: func(op, _ string) error {
		if op == failing {
			return full
		}
		return nil
	}}
	text, _ := os.ReadFile(path)
	for _, failing = range []string{"lock", "read", "create", "write", "truncate", "sync", "rename"} {
		if err := l.Set(named("b"), 100, errFull); !errors.Is(err, full) {
			t.Errorf("%s: %v", failing, err)
		}
		if _, err := l.Remove("a"); !errors.Is(err, full) {
			t.Errorf("%s: %v", failing, err)
		}
		wantNames(t, l, "a")
		wantText(t, path, string(text))
	}
	failing = "syncdir" // it is in place, but may not outlast a power cut
	if err := l.Set(named("b"), 100, errFull); !errors.Is(err, disk.ErrUnsynced) {
		t.Errorf("%v", err)
	}
	wantNames(t, l, "a", "b")
}

// A list that would be too large to be read again is not written.
func TestTooLargeIsNotWritten(t *testing.T) {
	path := newPath(t)
	l := open(t, path)
	l.Disk.Limit = 2000
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = l.Set(named(fmt.Sprint("p", i)), 1000, errFull)
	}
	if !errors.Is(err, disk.ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if again := open(t, path); len(again.All()) < 10 || len(again.All()) != len(l.All()) {
		t.Errorf("%d of %d", len(again.All()), len(l.All()))
	}
	if err := os.Truncate(path, 2001); err != nil {
		t.Fatal(err)
	}
	if err := l.Reload(); err == nil {
		t.Error("a file that is too large is read")
	}
}

func TestConcurrentUse(t *testing.T) {
	path := newPath(t)
	l := open(t, path)
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
	if again := open(t, path); len(l.All()) != 10 || len(again.All()) != 10 {
		t.Errorf("%d, and %d in the file", len(l.All()), len(again.All()))
	}
}

// Two processes that change a file lose nothing of each other's.
func TestTwoProcesses(t *testing.T) {
	path := newPath(t)
	one, other := open(t, path), open(t, path)
	var all sync.WaitGroup
	for i := range 20 {
		l := []*list{one, other}[i%2]
		all.Go(func() {
			if err := l.Set(named(fmt.Sprint("n", i)), 100, errFull); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(open(t, path).All()); n != 20 {
		t.Errorf("%d", n)
	}
	if err := one.Change(func([]entry) ([]entry, error) { return nil, errFull }); err != errFull {
		t.Errorf("%v", err)
	}
	if err := one.Reload(); err != nil {
		t.Fatal(err)
	}
	if was, err := one.Remove("n0"); !was || err != nil {
		t.Errorf("%v, %v", was, err)
	}
	if was, err := other.Remove("n0"); was || err != nil {
		t.Errorf("removed twice: %v, %v", was, err)
	}
}
