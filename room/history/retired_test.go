package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// retiredNow is retired at this moment.
func retiredNow(nick string, n int) *room.Event {
	e := retired(nick, n)
	e.Time = time.Now().UTC().Truncate(time.Millisecond)
	return e
}

// TestRetire: whoever gets the nick next reads nothing of what was before, also after a
// restart and a kill.
func TestRetire(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range 4 {
		mustPut(t, s, event(direct(n, "bob", "carol")))
	}
	mustPut(t, s, read("carol", direct(1, "bob", "carol").ID), retired("nobody", 10), retired("carol", 11))
	if got := tail(t, s, "carol", 100); len(got) != 0 {
		t.Errorf("there are %d messages of whoever was carol before", len(got))
	}
	sameIDs(t, "unread", unreadOf(t, s, "carol"))
	if n, err := s.Waiting("carol"); n != 0 || err != nil {
		t.Errorf("%d wait: %v", n, err)
	}
	mustPut(t, s, event(direct(7, "bob", "carol")))
	killed := copyDir(t, dir)
	for _, s := range []*Store{s, mustOpen(t, killed, Options{}), reopen(t, s, dir)} {
		if s.isClosed() {
			continue
		}
		sameIDs(t, "unread of the next one", unreadOf(t, s, "carol"), direct(7, "bob", "carol").ID)
		sameIDs(t, "bob", tail(t, s, "bob", 10), "id-000000000", "id-000000001", "id-000000002", "id-000000003", "id-000000007")
	}
	names, err := os.ReadDir(dir + "/users/.retired")
	if err != nil || len(names) != 1 || !strings.HasPrefix(names[0].Name(), "carol-2026") {
		t.Errorf("%v %v", names, err)
	}
}

// lives has carol's nick change hands: each holder gets three messages, reads one, and is
// gone. It returns what each holder had.
func lives(s *Store, pause time.Duration, put func(*room.Event) error) (sent [][]string) {
	n := 0
	for range 3 {
		var list []string
		for range 3 {
			n++
			m := nowDirect(n, "bob", "carol")
			if put(event(m)) == nil {
				list = append(list, m.ID)
			}
		}
		_ = put(read("carol", fmt.Sprintf("id-%09d", n)))
		sent = append(sent, list)
		n++
		if put(retiredNow("carol", n)) != nil {
			break
		}
		time.Sleep(pause)
	}
	return sent
}

// TestRetireDies ends the process at each operation in turn while a nick changes hands, and has
// the power cut or not. Nobody gets what a former holder had, and none of it is lost, nor is
// it when the next start dies too.
func TestRetireDies(t *testing.T) {
	for _, opts := range []Options{
		{SegmentBytes: 700, Owners: 1}, {}, {MaxBytes: 500, Owners: 1},
	} {
		inMemory(t, func(t *testing.T, fs *disktest.FS) {
			play := func(fs *disktest.FS) (sent [][]string) {
				s, err := open(fs.Folder(), opts)
				if err != nil {
					return nil
				}
				follow(s)
				defer func() { _ = s.Close() }()
				return lives(s, 2*time.Second, func(e *room.Event) error { return put(s, e) })
			}
			play(fs)
			steps := fs.Steps()
			for n := 1; n <= steps; n += stride(steps, 1) {
				fs := disktest.New()
				fs.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == n, Part: true} })
				sent := play(fs)
				for seed := range few(5) {
					rng := rand.New(rand.NewPCG(seed, uint64(n)))
					cut := fs.Killed()
					if seed > 0 {
						cut = fs.Crash(rng)
					}
					what := fmt.Sprintf("%+v: died at %d, cut %d", opts, n, seed)
					again := cut.Crash(rng)
					at := 1 + rng.IntN(40)
					again.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == at, Part: true} })
					if s, err := open(again.Folder(), opts); err == nil {
						_ = s.Close()
					}
					checkLives(t, what, cut, opts, sent)
					checkLives(t, what+", and again", again.Crash(rng), opts, sent)
				}
			}
		})
	}
}

// checkLives sees that carol, and the files that were set aside, have what one holder had, and
// nothing of another one.
func checkLives(t *testing.T, what string, fs *disktest.FS, opts Options, sent [][]string) {
	t.Helper()
	s := openIn(t, fs, opts)
	synctest.Wait()
	here := ids(tail(t, s, "carol", 100))
	mustClose(t, s)
	texts := append(asideOf(fs, "carol"), strings.Join(here, " "))
	var holders [3]int
	for i, text := range texts {
		for holder := range 3 {
			for n := holder*4 + 1; n < holder*4+4; n++ {
				id := fmt.Sprintf("id-%09d", n)
				if c := strings.Count(text, fmt.Sprintf("%q", id)); c > 0 || strings.Contains(text, id) && i == len(texts)-1 {
					holders[holder] |= 1 << i
				}
			}
		}
	}
	for holder, in := range holders {
		if in&(in-1) != 0 {
			t.Errorf("%s: what holder %d had is in several of %q", what, holder, texts)
		}
		for other, too := range holders[:holder] {
			if in&too != 0 {
				t.Errorf("%s: holders %d and %d are in one file of %q", what, holder, other, texts)
			}
		}
	}
	if opts.MaxBytes > 0 {
		return // what was read may be gone
	}
	all := strings.Join(texts, "\n")
	for holder, list := range sent {
		for _, id := range list {
			if !strings.Contains(all, id) {
				t.Errorf("%s: %s, which holder %d had, is lost; there are %q", what, id, holder, texts)
			}
		}
	}
	if last := len(sent) - 1; last >= 0 && last < 2 && len(here) > 0 && !slices.Contains(append(sent[last], fmt.Sprintf("id-%09d", last*4+1)), here[0]) && len(sent[last]) > 0 {
		t.Errorf("%s: carol has %v, the holder got %v", what, here, sent[last])
	}
}

// TestRetireInOneSecond: a nick that changes hands twice within a second costs neither holder
// anything.
func TestRetireInOneSecond(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{})
		sent := lives(s, 0, func(e *room.Event) error { return put(s, e) })
		killed := fs.Killed()
		mustClose(t, s)
		for _, fs := range []*disktest.FS{fs, killed} {
			checkLives(t, "all at once", fs, Options{}, sent)
			if n := len(asideOf(fs, "carol")); n != 3 {
				t.Errorf("%d files", n)
			}
		}
	})
}

// TestRetireFails: the history can't be moved for a while. Nobody reads it as the next holder
// of the nick, who gets all that was sent meanwhile when it can; after a kill, too.
func TestRetireFails(t *testing.T) {
	for _, op := range []string{"rename", "sub", "sync", "syncdir", "open"} {
		inMemory(t, func(t *testing.T, fs *disktest.FS) {
			s := openIn(t, fs, Options{})
			mustPut(t, s, event(direct(1, "bob", "carol")), event(direct(2, "bob", "dan")))
			syncs := 0
			fs.Fail(func(_ int, is string) disktest.Fault {
				if is == "sync" {
					syncs++
				}
				if is == op && (op != "sync" || syncs > 1) { // the log takes the event
					return disktest.Fault{Err: syscall.EIO}
				}
				return disktest.Fault{}
			})
			mustPut(t, s, retired("carol", 3))
			fs.Fail(func(_ int, is string) disktest.Fault {
				if is == op && op != "sync" && op != "open" {
					return disktest.Fault{Err: syscall.EIO}
				}
				return disktest.Fault{}
			})
			if op != "sync" && op != "open" {
				_, err := room.Collect(s.Tail("carol", 10, nil))
				if op != "syncdir" {
					wantStorage(t, err)
					_, err = s.Waiting("carol")
					wantStorage(t, err)
				}
			}
			putAnyway(t, s, event(direct(4, "bob", "carol")))
			killed := fs.Killed()
			fs.Fail(nil)
			time.Sleep(2 * retryAfter)
			sameIDs(t, op+", the next one", tail(t, s, "carol", 10), "id-000000004")
			mustClose(t, s)
			for _, fs := range []*disktest.FS{fs, killed} {
				s = openIn(t, fs, Options{})
				sameIDs(t, op+", the next one", unreadOf(t, s, "carol"), "id-000000004")
				mustClose(t, s)
				if aside := asideOf(fs, "carol"); len(aside) != 1 || !strings.Contains(aside[0], "id-000000001") || strings.Contains(aside[0], "id-000000004") {
					t.Errorf("%s: set aside is %q", op, aside)
				}
			}
		})
	}
}

// TestRetireWhileLate: what could not be written before a nick was given up goes with it.
func TestRetireWhileLate(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{})
		mustPut(t, s, toOne(1, "carol"))
		failWrites(fs)
		putAnyway(t, s, toOne(2, "carol"), retired("carol", 3), toOne(4, "carol"), retired("carol", 5), toOne(6, "carol"))
		fs.FailWrites(nil)
		time.Sleep(2 * retryAfter)
		sameIDs(t, "the last one", tail(t, s, "carol", 10), "id-000000006")
		mustClose(t, s)
		aside := asideOf(fs, "carol")
		if len(aside) != 2 || !strings.Contains(aside[0], "id-000000002") || !strings.Contains(aside[1], "id-000000004") {
			t.Errorf("set aside are %q", aside)
		}
	})
}

// failWrites makes writes to histories fail; the log and checkpoints can be written.
func failWrites(fs *disktest.FS) {
	fs.FailWrites(func(name string) error {
		if history, ok := strings.CutSuffix(name, ".jsonl"); ok && ValidNick(history) && !strings.HasPrefix(name, "0") {
			return syscall.ENOSPC
		}
		return nil
	})
}

// TestRetireOdd: what is no regular file stays, and keeps nothing from starting.
func TestRetireOdd(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(userFile(dir, "carol"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, event(direct(1, "bob", "carol")), retired("carol", 2), event(direct(3, "bob", "dan")))
	s = mustOpen(t, copyDir(t, dir), Options{})
	sameIDs(t, "dan", unreadOf(t, s, "dan"), "id-000000003")
	if _, err := room.Collect(s.Unread("carol")); !errors.Is(err, room.ErrUnusable) {
		t.Errorf("%v", err)
	}
}

// TestRetentionOfRetired also ends what was set aside.
func TestRetentionOfRetired(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{Retention: 48 * time.Hour})
		mustPut(t, s, toOne(1, "carol"), toOne(2, "dave"), retiredNow("carol", 3))
		time.Sleep(30 * time.Hour)
		mustPut(t, s, retiredNow("dave", 4))
		time.Sleep(30 * time.Hour)
		synctest.Wait()
		if c, d := asideOf(fs, "carol"), asideOf(fs, "dave"); len(c) != 0 || len(d) != 1 {
			t.Errorf("%d and %d", len(c), len(d))
		}
		mustClose(t, s)
	})
}

// TestRetireEmpty: a history in which a power cut has left nothing is set aside as any other.
func TestRetireEmpty(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, toOne(1, "dave"))
	writeAll(t, userFile(dir, "carol"), nil)
	mustPut(t, s, retired("carol", 2), toOne(3, "carol"))
	s = reopen(t, s, dir)
	sameIDs(t, "the next one", unreadOf(t, s, "carol"), "id-000000003")
}

// TestRestoreOfSeveral: of several holders in one second the last one's history comes back, and one
// that an older program set aside is found, too.
func TestRestoreOfSeveral(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := 1; n < 24; n += 2 {
		mustPut(t, s, toOne(n, "carol"), retired("carol", n+1))
	}
	mustClose(t, s)
	h, err := Hold(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if restored, err := h.RestoreNick("carol"); !restored || err != nil {
		t.Fatal(restored, err)
	}
	aside := filepath.Join(dir, "users", retiredFolder)
	old := filepath.Join(aside, "dave-20261121T063103Z.jsonl")
	if err := os.Rename(userFile(dir, "carol"), old); err != nil {
		t.Fatal(err)
	}
	if restored, err := h.RestoreNick("dave"); !restored || err != nil {
		t.Fatal(restored, err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, Options{})
	sameIDs(t, "the last one's", tail(t, s, "dave", 9), "id-000000023")
}
