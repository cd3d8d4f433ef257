package history

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// TestAfterAFailedSync: the kernel has dropped what it could not write, and a second sync would
// succeed: what the histories have beyond the checkpoint is cut, and applied again from the log.
// Nothing in front of it is taken for damaged.
func TestAfterAFailedSync(t *testing.T) {
	for _, opts := range []Options{{SegmentBytes: 3000}, {SegmentBytes: 3000, MaxBytes: 20_000}} {
		inMemory(t, func(t *testing.T, fs *disktest.FS) {
			var l *logs
			l, opts.Log = newLog()
			s := openIn(t, fs, opts)
			conversation(t, s, 0, 40, func(n int) bool { return n == 3 })
			s.held.Store(1000) // tend leaves the log alone
			conversation(t, s, 40, 20, func(n int) bool { return n == 43 })
			fails := 0
			fs.Fail(func(_ int, op string) disktest.Fault {
				if op == "sync" && fails == 0 {
					fails++
					return disktest.Fault{Err: syscall.EIO}
				}
				return disktest.Fault{}
			})
			s.held.Store(0)
			wake(s.wake)
			synctest.Wait()
			if fails == 0 {
				t.Fatal("no sync failed")
			}
			time.Sleep(10 * retryAfter) // each file that was not synced tells of it once
			synctest.Wait()
			if s.Stats().Late > 0 {
				t.Errorf("%+v: it is not made good:\n%s", opts, l)
			}
			fs.Fail(nil)
			for seed := range uint64(20) {
				cut := openIn(t, fs.Crash(rand.New(rand.NewPCG(seed, 0))), Options{})
				got := ids(unreadOf(t, cut, "bob"))
				mustClose(t, cut)
				if !slices.Equal(got, []string{"id-000000003", "id-000000043"}) {
					t.Errorf("%+v: after a power cut unread are %v", opts, got)
				}
			}
			mustClose(t, s)
		})
	}
}

// TestDroppedByTheKernel: after a failed sync a file gives zeros where it was written to.
func TestDroppedByTheKernel(t *testing.T) {
	for from := range 12 {
		inMemory(t, func(t *testing.T, fs *disktest.FS) {
			s := openIn(t, fs, Options{SegmentBytes: 1000})
			conversation(t, s, 0, 30, none)
			var want []string
			s.held.Store(1000) // tend leaves the log alone
			saved := len(fileIn(fs, "users", "bob.jsonl"))
			for _, m := range conversation(t, s, 100, 12, all) {
				want = append(want, m.ID)
			}
			text := fileIn(fs, "users", "bob.jsonl")
			seq := s.saved.Seq
			hole := max(saved, bytes.Index(text, []byte(want[from])))
			clear(text[hole:min(len(text), hole+300)])
			setFile(fs, "users", "bob.jsonl", text)
			distrustAll(t, s)
			synctest.Wait()
			got := ids(unreadOf(t, s, "bob"))
			mustClose(t, s)
			if !slices.Equal(got, want) || s.saved.Seq <= seq {
				t.Errorf("a hole at %d: unread are %v", hole, got)
			}
			s = openIn(t, fs, Options{})
			sameIDs(t, "after a restart", unreadOf(t, s, "bob"), want...)
			mustClose(t, s)
		})
	}
}

// TestDroppedWhileShortened: a shorter file with zeros in it, copied from one that has been made again
// since, does not take its place.
func TestDroppedWhileShortened(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{})
		want := conversation(t, s, 0, 60, func(n int) bool { return n > 50 })[51:]
		text := fileIn(fs, "users", "bob.jsonl")
		hole := bytes.Index(text, []byte(want[5].ID))
		clear(text[hole : hole+300])
		setFile(fs, "users", "bob.jsonl", text)
		s.opts.MaxBytes = 9000
		there, goOn := stopAt(fs, "sync", "bob.jsonl.tmp")
		shortened := make(chan error, 1)
		go func() { shortened <- s.compact("bob") }()
		<-there
		distrustAll(t, s)
		synctest.Wait()
		fs.Watch(nil)
		goOn <- true
		if err := <-shortened; err != nil {
			t.Error(err)
		}
		sameIDs(t, "unread", unreadOf(t, s, "bob"), ids(want)...)
		mustClose(t, s)
		s = openIn(t, fs, Options{})
		sameIDs(t, "unread after a restart", unreadOf(t, s, "bob"), ids(want)...)
		mustClose(t, s)
	})
}

// TestFewOpenFiles: of many histories in use few are open, however large the batch in work is.
func TestFewOpenFiles(t *testing.T) {
	const most = 5 // with a segment that is written and one that is read
	fs := disktest.New()
	s := openIn(t, fs, Options{Owners: 16, SegmentBytes: 10_000})
	done := make(chan error, 300)
	for n := range 300 {
		enter(s, event(direct(n, string(rune('a'+n%26))+"x", string(rune('a'+n%26))+"y")), func(_ room.Entry, err error) { done <- err })
	}
	for range 300 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	mustClose(t, s)
	if open, worst := fs.Open(); open != 0 || worst > most {
		t.Errorf("%d files were open at once, %d still are", worst, open)
	}
}
