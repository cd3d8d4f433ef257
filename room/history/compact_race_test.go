package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// stopAt has the goroutine that does an operation for the first time wait; the second
// channel lets it go on.
func stopAt(fs *disktest.FS, op, name string) (there, goOn chan bool) {
	there, goOn = make(chan bool), make(chan bool)
	var once sync.Once
	fs.Watch(func(is, of string) {
		if is == op && of == name {
			once.Do(func() {
				there <- true
				<-goOn
			})
		}
	})
	return there, goOn
}

// tooLarge opens a store in which bob's history is being shortened, and has that wait
// before an operation.
func tooLarge(t *testing.T, fs *disktest.FS, opts Options, op, name string) (s *Store, all []*room.Message, goOn chan bool) {
	t.Helper()
	limit := opts.MaxBytes
	opts.MaxBytes = 0
	s = openIn(t, fs, opts)
	all = conversation(t, s, 0, 60, func(n int) bool { return n > 57 })
	mustClose(t, s)
	opts.MaxBytes = limit
	there, goOn := stopAt(fs, op, name)
	s = openIn(t, fs, opts)
	<-there
	return s, all, goOn
}

// TestRetiredWhileShortened: nobody gets back what the former holder of the nick had.
func TestRetiredWhileShortened(t *testing.T) {
	for _, op := range []string{"rename", "sync", "create"} {
		inMemory(t, func(t *testing.T, fs *disktest.FS) {
			name := "bob.jsonl.tmp"
			s, all, goOn := tooLarge(t, fs, Options{MaxBytes: 6000}, op, name)
			moved := make(chan error, 1)
			go func() { moved <- put(s, retired("bob", 500)) }()
			if op != "rename" { // else it waits for that
				synctest.Wait()
			}
			fs.Watch(nil)
			goOn <- true
			if err := <-moved; err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			mustPut(t, s, event(direct(501, "ann", "bob")))
			sameIDs(t, op+", the next one", tail(t, s, "bob", 100), "id-000000501")
			mustClose(t, s)
			s = openIn(t, fs, Options{})
			sameIDs(t, op+", the next one after a restart", tail(t, s, "bob", 100), "id-000000501")
			mustClose(t, s)
			if aside := asideOf(fs, "bob"); len(aside) != 1 || !strings.Contains(aside[0], all[59].ID) || !strings.Contains(aside[0], all[58].ID) {
				t.Errorf("%s: set aside are %d files", op, len(aside))
			}
		})
	}
}

// TestShortenedWhileOthersTalk: a history is shortened also if many others are used meanwhile, more than are
// kept in memory.
func TestShortenedWhileOthersTalk(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s, all, goOn := tooLarge(t, fs, Options{MaxBytes: 6000, Owners: 1}, "sync", "bob.jsonl.tmp")
		for n := range 5 {
			mustPut(t, s, event(direct(500+n, fmt.Sprint("a", n), fmt.Sprint("b", n))))
		}
		fs.Watch(nil)
		goOn <- true
		synctest.Wait()
		if size := len(fileIn(fs, "users", "bob.jsonl")); size > 6000 {
			t.Errorf("%d bytes", size)
		}
		sameIDs(t, "unread", unreadOf(t, s, "bob"), all[58].ID, all[59].ID)
		mustClose(t, s)
	})
}

// TestShortenedWhileLate: a history of which only the log has all lines is not taken for a whole one.
func TestShortenedWhileLate(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{})
		all := conversation(t, s, 0, 60, func(n int) bool { return n > 57 })
		synctest.Wait()
		s.opts.MaxBytes = 6000
		s.forget("bob")
		fs.Fail(func(_ int, op string) disktest.Fault {
			if op == "read" {
				return disktest.Fault{Err: syscall.EIO}
			}
			return disktest.Fault{}
		})
		mustPut(t, s, read("bob", all[58].ID))
		synctest.Wait() // else bob's history may be read after this
		fs.Fail(nil)
		if err := s.compact("bob"); !errors.Is(err, syscall.EIO) {
			t.Errorf("got %v", err)
		}
		sameIDs(t, "unread", unreadOf(t, s, "bob"), all[59].ID)
		mustClose(t, s)
	})
}

// asideOf is what the files hold that were set aside for a nick, oldest first.
func asideOf(fs *disktest.FS, nick string) (list []string) {
	users, _ := fs.Folder().Sub("users")
	aside, _ := users.Sub(retiredFolder)
	names, _ := aside.Names()
	slices.Sort(names)
	for _, name := range names {
		f, err := aside.Open(name, false)
		if err != nil || !strings.HasPrefix(name, nick+"-") || !strings.HasSuffix(name, ".jsonl") {
			continue
		}
		st, _ := f.Stat()
		b, _ := io.ReadAll(io.NewSectionReader(f, 0, st.Size))
		list = append(list, string(b))
		_ = f.Close()
	}
	return list
}

// TestCutBackWhileShortened: a failed sync has bob's history cut and written again from the
// log, while it is being shortened. Nothing is lost.
func TestCutBackWhileShortened(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s, all, goOn := tooLarge(t, fs, Options{MaxBytes: 6000, SegmentBytes: 3000}, "sync", "bob.jsonl.tmp")
		synctest.Wait()
		s.held.Store(1000) // tend leaves the log alone
		all = append(all, conversationBeside(t, s, 60, 40)...)
		distrustAll(t, s)
		time.Sleep(3 * retryAfter)
		fs.Watch(nil)
		goOn <- true
		synctest.Wait()
		time.Sleep(3 * retryAfter)
		all = append(all, conversationBeside(t, s, 100, 5)...)
		check := func(what string) {
			got := ids(unreadOf(t, s, "bob"))
			if want := ids(all[58:]); !slices.Equal(got, want) {
				t.Errorf("%s: unread are %v, want %v", what, got, want)
			}
		}
		check("running")
		killed := fs.Killed()
		mustClose(t, s)
		s = openIn(t, killed, Options{})
		check("killed")
		mustClose(t, s)
	})
}

// distrustAll does what a failed sync does, and lets tend go on, which has to have left the log alone:
// it makes checkpoints one at a time.
func distrustAll(t *testing.T, s *Store) {
	t.Helper()
	synctest.Wait()
	s.applying.Lock()
	dirty := maps.Clone(s.dirty)
	s.applying.Unlock()
	if len(dirty) == 0 {
		t.Error("everything is synced")
	}
	s.distrust(dirty, syscall.EIO)
	s.held.Store(0)
	wake(s.wake)
}

// conversationBeside has ann write to bob while something else waits.
func conversationBeside(t *testing.T, s *Store, from, n int) (all []*room.Message) {
	t.Helper()
	for i := from; i < from+n; i++ {
		m := nowDirect(i, "ann", "bob")
		all = append(all, m)
		mustPut(t, s, event(m))
	}
	return all
}

// TestShortenedDuringACheckpoint: a shorter file that just took a history's place is not taken
// for a foreign one; and a foreign one is not taken for that.
func TestShortenedDuringACheckpoint(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		fs := disktest.New()
		s := openIn(t, fs, Options{})
		mustPut(t, s, event(direct(1, "ann", "bob")))
		was, _ := s.dirs.users.Lstat("bob.jsonl")
		s.applying.Lock()
		replace(t, fs, "bob", bytes.Clone)
		is, _ := s.dirs.users.Lstat("bob.jsonl")
		synced := make(chan error, 1)
		go func() { synced <- s.syncFile("bob", []uint64{was.Ino}) }()
		if !foreign {
			s.dirty["bob"] = []uint64{is.Ino}
		}
		s.applying.Unlock()
		if err := <-synced; errors.Is(err, errReplaced) != foreign {
			t.Errorf("foreign %v: %v", foreign, err)
		}
		_ = s.Close()
	}
}

// TestShorteningOfAReplacedFile: somebody has put another file in the place of one, and nobody
// writes to that nick. It is not overwritten, and not tried again and again.
func TestShorteningOfAReplacedFile(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		l, log := newLog()
		s, _, goOn := tooLarge(t, fs, Options{MaxBytes: 6000, Log: log}, "sync", "bob.jsonl.tmp")
		replace(t, fs, "bob", bytes.ToUpper)
		want := fileIn(fs, "users", "bob.jsonl")
		fs.Watch(nil)
		goOn <- true
		synctest.Wait()
		steps := fs.Steps()
		time.Sleep(time.Hour)
		if !bytes.Equal(fileIn(fs, "users", "bob.jsonl"), want) {
			t.Error("it was overwritten")
		}
		if fs.Steps()-steps > 50 {
			t.Errorf("%d operations", fs.Steps()-steps)
		}
		if !strings.Contains(l.String(), errReplaced.Error()) {
			t.Errorf("the log says\n%s", l)
		}
		_ = s.Close()
	})
}

// replace does what an editor does to a nick's file: it writes another one and puts that
// in its place, without an fsync.
func replace(t *testing.T, fs *disktest.FS, nick string, change func([]byte) []byte) {
	t.Helper()
	text := change(fileIn(fs, "users", nick+".jsonl"))
	users, err := fs.Folder().Sub("users")
	if err != nil {
		t.Fatal(err)
	}
	f, err := users.Open(nick+".jsonl.swp", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(text, 0); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if err := users.Rename(nick+".jsonl.swp", nick+".jsonl"); err != nil {
		t.Fatal(err)
	}
}

// TestCloseDuringShortening does not wait until a large history was read.
func TestCloseDuringShortening(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{})
		conversation(t, s, 0, 2000, none)
		mustClose(t, s)
		there, goOn := stopAt(fs, "open", "bob.jsonl")
		s = openIn(t, fs, Options{MaxBytes: 20_000})
		<-there
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		synctest.Wait()
		reads := 0
		fs.Fail(func(_ int, op string) disktest.Fault {
			if op == "read" {
				reads++
			}
			return disktest.Fault{}
		})
		goOn <- true
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if reads > 10 {
			t.Errorf("%d reads after Close", reads)
		}
	})
}

// TestShorteningFails: a disk that is full keeps the old file, and nothing is left of the
// new one.
func TestShorteningFails(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{})
		all := conversation(t, s, 0, 60, none)
		mustClose(t, s)
		fs.Fail(func(_ int, op string) disktest.Fault {
			if op == "write" {
				return disktest.Fault{Err: syscall.ENOSPC, Part: true}
			}
			return disktest.Fault{}
		})
		s = openIn(t, fs, Options{MaxBytes: 5000})
		synctest.Wait()
		same(t, "bob", tail(t, s, "bob", 100), all)
		fs.Fail(nil)
		mustClose(t, s)
		if names := namesIn(fs, "users"); len(names) != 2 {
			t.Errorf("there are %v", names)
		}
	})
}

// TestShorteningUnderLoad has people write and read while histories are shortened.
func TestShorteningUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{MaxBytes: 8000, RoomMaxBytes: 20_000, Owners: 3, SegmentBytes: 20_000})
	const writers = 4
	each := 42
	if full {
		each = 140
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			from, reader := fmt.Sprint("w", w), fmt.Sprint("r", w)
			for i := range each {
				m := direct(w*each+i, from, reader)
				if err := put(s, event(m)); err != nil {
					t.Error(err)
				}
				if err := put(s, event(said(10_000+w*each+i, from))); err != nil {
					t.Error(err)
				}
				got, err := room.Collect(s.Unread(reader))
				if err != nil || len(got) == 0 || got[len(got)-1].ID != m.ID {
					t.Errorf("%s is not the last unread of %v: %v", m.ID, ids(got), err)
				}
				if i%7 != 0 {
					if err := put(s, read(reader, m.ID)); err != nil {
						t.Error(err)
					}
				}
				if last, err := room.Collect(s.Tail(room.RoomHistory, 50, nil)); err != nil || len(last) == 0 {
					t.Errorf("the room: %d messages: %v", len(last), err)
				}
			}
		})
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := room.Collect(s.Tail("w0", 1, nil)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
	close(done)
	readers.Wait()
	s = reopen(t, s, dir)
	for w := range writers {
		var want []string
		for i := 0; i < each; i += 7 {
			want = append(want, fmt.Sprintf("id-%09d", w*each+i))
		}
		sameIDs(t, "unread", unreadOf(t, s, fmt.Sprint("r", w)), want...)
		if size := len(readAll(t, userFile(dir, fmt.Sprint("w", w)))); size > 20_000 {
			t.Errorf("w%d has %d bytes", w, size)
		}
	}
	if n := s.Stats().Damaged; n > 0 {
		t.Errorf("%d damaged", n)
	}
	if left, err := os.ReadDir(dir + "/log"); err != nil || len(left) > 1 {
		t.Errorf("%d segments are left: %v", len(left), err)
	}
}
