package history

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/room"
)

// behind opens a store in which ann's and bob's second message is in the journal alone.
func behind(t *testing.T, fs *memFS) *Store {
	t.Helper()
	s := mustOpenIn(t, fs, Options{})
	mustPut(t, s, to(direct(1, "ann", "bob"))...)
	full := false
	fs.fail(func(_ int, op string) fault {
		if op == "write" && full {
			return fault{err: syscall.ENOSPC}
		}
		full = full || op == "write" // the journal takes it
		return fault{}
	})
	mustPut(t, s, to(direct(2, "ann", "bob"))...)
	return s
}

// wantIDs is sameIDs for a store that is still to be closed.
func wantIDs(t *testing.T, what string, s *Store, owner string, want ...string) {
	t.Helper()
	got, err := room.Collect(s.Tail(owner, 100, nil))
	if err != nil || !slices.Equal(ids(got), want) {
		t.Errorf("%s: %s has %v, %v, want %v", what, owner, ids(got), err, want)
	}
}

// TestCarriedOverOnce: the other folder is a copy of the one before, with its journals,
// as one makes when a disk is full.
func TestCarriedOverOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := behind(t, fs)
		next := fs.killed()
		fs.fail(gone)
		wantStorage(t, put(s, to(direct(3, "cid", "bob"))...))
		fs.next = next
		time.Sleep(2 * retryAfter)
		mustPut(t, s, to(direct(4, "cid", "bob"))...)
		synctest.Wait()
		wantIDs(t, "after", s, "bob", "id-000000001", "id-000000002", "id-000000004")
		wantIDs(t, "after", s, "ann", "id-000000001", "id-000000002")
		mustClose(t, s)
		s = mustOpenIn(t, next, Options{})
		wantIDs(t, "after a restart", s, "bob", "id-000000001", "id-000000002", "id-000000004")
		mustClose(t, s)
	})
}

// TestCarriedOverAtLast: the other folder has trouble of its own at first.
func TestCarriedOverAtLast(t *testing.T) {
	for _, more := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			fs := newMemFS()
			s := behind(t, fs)
			fs.fail(gone)
			wantStorage(t, put(s, to(direct(3, "cid", "bob"))...))
			next := newMemFS()
			fs.next = next
			next.watch(func(op, name string) {
				if op == "sync" && name == "000001.log" { // the journal can be made, and not be written
					next.fail(func(step int, op string) fault {
						if op == "write" {
							return fault{err: syscall.ENOSPC}
						}
						return fault{}
					})
				}
			})
			time.Sleep(2 * retryAfter)
			wantStorage(t, put(s, to(direct(4, "cid", "bob"))...))
			synctest.Wait()
			next.watch(nil)
			next.fail(nil)
			time.Sleep(2 * retryAfter)
			if more {
				mustPut(t, s, to(direct(5, "cid", "dan"))...)
				synctest.Wait()
				wantIDs(t, "after", s, "bob", "id-000000002")
			}
			mustClose(t, s)
			s = mustOpenIn(t, next, Options{})
			wantIDs(t, "after a restart", s, "bob", "id-000000002")
			wantIDs(t, "after a restart", s, "ann", "id-000000002")
			mustClose(t, s)
		})
	}
}

// TestCarriedOverNever: what could be written nowhere is told by Close.
func TestCarriedOverNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := behind(t, fs)
		fs.fail(gone)
		wantStorage(t, put(s, to(direct(3, "cid", "bob"))...))
		next := newMemFS()
		fs.next = next
		next.watch(func(op, name string) {
			if op == "sync" && name == "000001.log" {
				next.fail(func(int, string) fault { return fault{err: syscall.EIO} })
			}
		})
		time.Sleep(2 * retryAfter)
		wantStorage(t, put(s, to(direct(4, "cid", "bob"))...))
		if err := s.Close(); err == nil {
			t.Error("nothing is wrong")
		}
	})
}

// TestReplacedWhileBehind: somebody removes, replaces or cuts a file of which lines are
// in the journal alone, as one does when a disk is full. The nick can be written to
// again, nothing that was acknowledged and not removed is lost, and journals do not pile up.
func TestReplacedWhileBehind(t *testing.T) {
	for name, change := range map[string]func(fs *memFS, users memDir){
		"removed": func(fs *memFS, users memDir) { _ = users.remove("bob.jsonl") },
		"emptied": func(fs *memFS, users memDir) {
			f, _ := users.open("bob.jsonl", false)
			_ = f.truncate(0)
		},
		"replaced": func(fs *memFS, users memDir) { _ = writeFile(users, "bob.jsonl", byHand("other")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := newMemFS()
				s := behind(t, fs)
				fs.fail(nil)
				change(fs, memDir{fs, fs.root.names["users"]})
				want := append(left(t, fs), "id-000000002")
				for n := range 10 {
					m := direct(10+n, "cid", "bob")
					if put(s, to(m)...) == nil {
						want = append(want, m.ID)
					}
					time.Sleep(2 * retryAfter)
				}
				synctest.Wait()
				if len(want) < 9 {
					t.Errorf("only %d were accepted", len(want))
				}
				got := ids(tail(t, s, "bob", 100))
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("bob has %v, want %v", got, want)
				}
				if n := len(fs.root.names["journal"].names); n > 2 {
					t.Errorf("%d journals", n)
				}
				killed := fs.killed()
				mustClose(t, s)
				for _, fs := range []*memFS{fs, killed} {
					s = mustOpenIn(t, fs, Options{})
					again := ids(tail(t, s, "bob", 100))
					slices.Sort(again)
					if !slices.Equal(again, want) || s.Damaged() > 0 {
						t.Errorf("after a restart bob has %v, want %v, and %d damaged", again, want, s.Damaged())
					}
					mustClose(t, s)
				}
			})
		})
	}
}

// TestMovingInDies ends the process at each step of going on in another folder. What was
// acknowledged there is there, once.
func TestMovingInDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backup := newMemFS()
		s := mustOpenIn(t, backup, Options{})
		for n := range 5 {
			mustPut(t, s, to(direct(20+n, "ann", "bob"))...)
		}
		backup, _ = backup.killed(), s.Close()
		for n, dead := 1, true; dead; n++ {
			for _, err := range []error{nil, syscall.EIO} {
				fs, next := newMemFS(), backup.killed()
				s := behind(t, fs)
				fs.fail(gone)
				wantStorage(t, put(s, to(direct(7, "cid", "bob"))...))
				next.fault = func(step int, _ string) fault {
					return fault{dead: step == n && err == nil, err: map[bool]error{true: err}[step == n], takes: true}
				}
				fs.next = next
				time.Sleep(2 * retryAfter)
				l := &ledger{}
				for try := range 5 {
					<-l.append(s, next, to(direct(8+try, "cid", "dan"))...)
					time.Sleep(2 * retryAfter)
				}
				_ = s.Close()
				if err == nil {
					dead = next.isDead()
				} else if l.units[3].fate != acked && l.units[4].fate != acked {
					t.Errorf("failed at %d: not accepted again", n)
				}
				s = mustOpenIn(t, next.killed(), Options{})
				l.check(t, fmt.Sprint("at ", n, err), s)
				want := []string{"id-000000020", "id-000000021", "id-000000022", "id-000000023", "id-000000024"}
				if got := ids(tail(t, s, "bob", 100)); len(got) < 5 || !slices.Equal(got[:5], want) || err != nil && len(got) != 6 {
					t.Errorf("at %d, %v: bob has %v", n, err, got)
				}
				mustClose(t, s)
			}
		}
	})
}

// TestAnotherFolderOfNoUse: a folder that can't be used is not taken, and can be when it
// was mended.
func TestAnotherFolderOfNoUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	s := mustOpen(t, path, Options{})
	mustPut(t, s, to(direct(1, "ann", "bob"))...)
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	writeAll(t, path+"/version", []byte("99\n"))
	wantStorage(t, put(s, to(direct(2, "ann", "bob"))...))
	fds := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc here")
		}
		return len(list)
	}
	before := fds()
	for n := range 5 {
		s.onWriter(func() error { s.journal.tried = time.Time{}; return nil }) // the next try is due
		wantStorage(t, put(s, to(direct(n+3, "ann", "bob"))...))
	}
	if now := fds(); now > before {
		t.Errorf("%d files are open, before %d", now, before)
	}
	if err := os.RemoveAll(path + "/version"); err != nil {
		t.Fatal(err)
	}
	s.onWriter(func() error { s.journal.tried = time.Time{}; return nil })
	mustPut(t, s, to(direct(9, "ann", "bob"))...)
}
