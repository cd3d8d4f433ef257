package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/room"
)

// small makes everything happen in a short scenario: journals of a few records,
// files and owners that leave memory all the time.
var small = Options{JournalBytes: 1500, OpenFiles: 2, Owners: 2}

// scenario uses a store in every way there is. It goes on whatever happens, and
// gives the disk time to recover.
func scenario(s *Store, fs *memFS, l *ledger) {
	nicks := []string{"ann", "bob", "cid", "dan"}
	n := 0
	for round := range 4 {
		var waiting []chan error
		for i, from := range nicks {
			n++
			m := direct(n, from, nicks[(i+1+round%3)%4])
			m.Text = strings.Repeat("text ", n%50)
			waiting = append(waiting, l.append(s, fs, to(m)...))
			if i == 1 {
				n++
				waiting = append(waiting, l.append(s, fs, room.Record{Owner: room.RoomHistory, Message: said(n, from)}))
			}
		}
		n++
		waiting = append(waiting, l.append(s, fs, to(direct(n, "ann", "bob", "cid", "dan"))...))
		for _, w := range waiting {
			<-w
		}
		for _, nick := range nicks {
			if got, err := s.Unread(nick); err == nil && len(got) > 1 {
				<-l.append(s, fs, read(nick, ids(got[:len(got)-1])...))
			}
			_, _ = s.Since(nick, epoch)
		}
		time.Sleep(retryAfter + time.Millisecond)
	}
}

// run opens a store, plays the scenario and closes it.
func run(t *testing.T, fs *memFS, l *ledger) {
	t.Helper()
	s, err := open(fs.folder(), small)
	if err != nil {
		return
	}
	scenario(s, fs, l)
	_ = s.Close()
}

// countSteps is how many operations a run without trouble has.
func countSteps(t *testing.T) int {
	t.Helper()
	fs := newMemFS()
	l := &ledger{}
	run(t, fs, l)
	for i, u := range l.units {
		if u.fate != acked {
			t.Fatalf("unit %d was not acknowledged without any trouble", i)
		}
	}
	if len(fs.root.names["journal"].names) > 0 {
		t.Fatal("a journal is left after Close")
	}
	return fs.steps
}

// recheck opens what a run left and compares it with what the clients know.
func recheck(t *testing.T, what string, fs *memFS, l *ledger) {
	t.Helper()
	s, err := open(fs.folder(), small)
	if err != nil {
		t.Fatalf("%s: can't be opened: %v", what, err)
	}
	defer func() { _ = s.Close() }()
	l.check(t, what, s)
}

// TestEveryFault fails each operation of the scenario in turn, in every way,
// and looks at what is there afterwards: in the running store, after Close,
// after a kill and after a power cut.
func TestEveryFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := countSteps(t)
		t.Logf("%d operations", steps)
		for name, f := range map[string]fault{
			"ENOSPC": {err: syscall.ENOSPC}, "EIO": {err: syscall.EIO}, "EINTR": {err: syscall.EINTR},
			"short":     {err: syscall.ENOSPC, part: true},
			"after all": {err: syscall.EIO, takes: true},
		} {
			for n := 1; n <= steps; n += stride(steps) {
				oneFault(t, fmt.Sprintf("%s at %d", name, n), n, f)
			}
		}
	})
}

// stride thins out long loops in short runs.
func stride(n int) int {
	if testing.Short() {
		return max(1, n/50)
	}
	return 1
}

func oneFault(t *testing.T, what string, n int, f fault) {
	t.Helper()
	fs, l := newMemFS(), &ledger{}
	fs.fault = func(step int, op string) fault {
		if step != n {
			return fault{}
		}
		what += " " + op
		return f
	}
	s, err := open(fs.folder(), small)
	if err != nil { // and the next try, without trouble, is good
		recheck(t, what, fs, l)
		return
	}
	defer func() { _ = s.Close() }()
	scenario(s, fs, l)
	if err := <-l.append(s, fs, to(direct(1000, "ann", "bob"))...); err != nil {
		time.Sleep(2 * retryAfter) // the fault was at this very append
		if err := <-l.append(s, fs, to(direct(1001, "ann", "bob"))...); err != nil {
			t.Fatalf("%s: the store did not recover: %v", what, err)
		}
	}
	fs.fail(nil)
	l.check(t, what+", running", s)
	for seed := range uint64(3) {
		recheck(t, fmt.Sprint(what, ", power cut ", seed), fs.crash(rand.New(rand.NewPCG(seed, uint64(n)))), l)
	}
	recheck(t, what+", killed", fs.killed(), l)
	_ = s.Close()
	recheck(t, what+", closed", fs, l)
}

// TestDiskFailsForLong: nothing is accepted while the disk fails, and senders
// are told at once; when it is well again so is the store, without a restart.
func TestDiskFailsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, l := newMemFS(), &ledger{}
		s, err := open(fs.folder(), small)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		scenario(s, fs, l)
		fs.fail(func(_ int, op string) fault {
			if op != "read" && op != "lstat" && op != "stat" && op != "open" {
				return fault{err: syscall.ENOSPC, part: true}
			}
			return fault{}
		})
		for n := range 30 {
			start, steps := time.Now(), fs.steps
			if err := <-l.append(s, fs, to(direct(500+n, "ann", "bob"))...); !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, room.ErrStorage) {
				t.Fatalf("append %d: %v", n, err)
			}
			if n%10 > 2 && fs.steps != steps {
				t.Errorf("append %d bothers the disk", n)
			}
			if time.Since(start) > 0 {
				t.Errorf("append %d waited", n)
			}
			time.Sleep(retryAfter / 10)
		}
		if _, err := s.Unread("bob"); err != nil {
			t.Errorf("reading while writing fails: %v", err)
		}
		fs.fail(nil)
		time.Sleep(2 * retryAfter)
		if err := <-l.append(s, fs, to(direct(900, "ann", "bob"))...); err != nil {
			t.Fatalf("the disk is well, and: %v", err)
		}
		l.check(t, "running", s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		recheck(t, "closed", fs, l)
	})
}
