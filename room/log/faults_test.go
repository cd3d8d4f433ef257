package log

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// scenario uses a log in every way there is. It goes on whatever happens, and gives the disk
// time to recover.
func scenario(lg *Log, fs *disktest.FS, l *ledger) {
	for round := range 6 {
		var waiting []*told
		for range 1 + round%4 {
			waiting = append(waiting, l.append(lg, fs))
		}
		for _, u := range waiting {
			select {
			case <-u.done:
			case <-time.After(time.Minute): // nobody can read it any more
			}
		}
		if round%2 == 1 {
			l.release(lg, lg.Last()-1)
		}
		_ = lg.Read(0, func(room.Entry) error { return nil })
		time.Sleep(retryAfter + time.Millisecond)
	}
}

func (l *ledger) release(lg *Log, upTo uint64) {
	l.mu.Lock()
	l.released = max(l.released, min(upTo, l.last))
	upTo = l.released
	l.mu.Unlock()
	_ = lg.Release(upTo)
}

// run opens a log, plays the scenario and closes it.
func run(t *testing.T, what func() string, fs *disktest.FS, l *ledger) {
	t.Helper()
	in, err := fs.Folder().Sub("log")
	if err != nil {
		return
	}
	lg, err := Open(in, l.options())
	if err != nil {
		return
	}
	l.follow(t, what, lg, fs)
	scenario(lg, fs, l)
	_ = lg.Close()
	l.release(lg, lg.Last())
}

// countSteps is how many operations a run without trouble has.
func countSteps(t *testing.T) int {
	t.Helper()
	fs, l := disktest.New(), newLedger()
	run(t, func() string { return "no trouble" }, fs, l)
	for _, u := range l.events {
		if u.fate != acked {
			t.Fatalf("%s was not acknowledged without any trouble", u.e.ID)
		}
	}
	if names, _ := mustSub(t, fs).Names(); len(names) > 0 {
		t.Fatalf("%v is left after all was released", names)
	}
	return fs.Steps()
}

// TestEveryFault fails each operation of the scenario in turn, in every way, and looks at
// what is there afterwards: in the running log, after Close, after a kill and after a power
// cut, also one right after the first refusal.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		steps := countSteps(t)
		t.Logf("%d operations", steps)
		for i, f := range []disktest.Fault{
			{Err: syscall.ENOSPC},
			{Err: syscall.EIO, Part: true}, {Err: syscall.EIO, Takes: true},
		} {
			for n := 1 + i%stride; n <= steps; n += stride { // each way at other operations
				oneFault(t, fmt.Sprintf("%+v at %d", f, n), n, 1, f)
			}
		}
	})
}

// TestFaultsInARow is the same for operations that fail one after the other, so that
// cleaning up fails too.
func TestFaultsInARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		steps := countSteps(t)
		for i, row := range []int{2, 3, 5, 9} {
			for n := 1 + i%stride; n <= steps; n += stride {
				oneFault(t, fmt.Sprintf("%d from %d", row, n), n, row, disktest.Fault{Err: syscall.EIO, Takes: n%2 == 0})
			}
		}
	})
}

// oneFault plays the scenario with row faults from operation n on.
func oneFault(t *testing.T, what string, n, row int, f disktest.Fault) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(n), uint64(row)))
	fs, l := disktest.New(), newLedger()
	var ops []string
	fs.Fail(func(step int, op string) disktest.Fault {
		if step < n || step >= n+row {
			return disktest.Fault{}
		}
		ops = append(ops, op)
		return f
	})
	say := func() string { return what + " " + strings.Join(ops, " ") }
	if row <= 2 { // with more, what was refused can't always be taken back at once
		l.first = func() {
			recheck(t, say()+", power cut after the refusal", fs.Crash(rng), l)
			recheck(t, say()+", killed after the refusal", fs.Killed(), l)
		}
	}
	in, err := fs.Folder().Sub("log")
	if err != nil {
		return
	}
	lg, err := Open(in, l.options())
	if err != nil {
		fs.Fail(nil)
		recheck(t, say(), fs, l) // the next try is good
		return
	}
	l.follow(t, say, lg, fs)
	defer func() { _ = lg.Close() }()
	scenario(lg, fs, l)
	for try := range 2*row + 1 { // the faults may be at this very append
		u := l.append(lg, fs)
		if <-u.done; u.fate == acked {
			break
		} else if try == 2*row {
			t.Fatalf("%s: the log did not recover: %v", say(), lg.Stats().Trouble)
		}
		time.Sleep(2 * retryAfter)
	}
	fs.Fail(nil)
	l.check(t, say()+", running", lg)
	for range 3 {
		recheck(t, say()+", power cut", fs.Crash(rng), l)
	}
	recheck(t, say()+", killed", fs.Killed(), l)
	_ = lg.Close()
	recheck(t, say()+", closed", fs, l)
}

// TestDiskFailsForLong: nothing is accepted while the disk fails, senders are told at once,
// and the disk is bothered once a second; when it is well again so is the log.
func TestDiskFailsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, l := disktest.New(), newLedger()
		logged, logger := newLogger()
		opts := l.options()
		opts.Log = logger
		lg := mustOpen(t, mustSub(t, fs), opts)
		l.follow(t, t.Name, lg, fs)
		scenario(lg, fs, l)
		fs.Fail(func(_ int, op string) disktest.Fault {
			if op == "write" || op == "sync" || op == "truncate" {
				return disktest.Fault{Err: syscall.ENOSPC, Part: true}
			}
			return disktest.Fault{}
		})
		for n := range 30 {
			start, steps := time.Now(), fs.Steps()
			failed := make(chan error, 1)
			lg.Append(direct(500+n), func(err error) { failed <- err })
			if err := <-failed; !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, room.ErrStorage) {
				t.Fatalf("append %d: %v", n, err)
			}
			if n%10 > 2 && fs.Steps() != steps {
				t.Errorf("append %d bothers the disk", n)
			}
			if time.Since(start) > 0 {
				t.Errorf("append %d waited", n)
			}
			time.Sleep(retryAfter / 10)
		}
		if err := lg.Probe(t.Context()); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the probe says %v", err)
		}
		if st := lg.Stats(); st.Refused != 30 || !errors.Is(st.Trouble, syscall.ENOSPC) {
			t.Errorf("%+v", st)
		}
		fs.Fail(nil)
		time.Sleep(2 * retryAfter)
		if err := lg.Probe(t.Context()); err != nil || lg.Stats().Trouble != nil {
			t.Fatalf("the disk is well, and: %v", err)
		}
		if u := l.append(lg, fs); true {
			if <-u.done; u.fate != acked {
				t.Fatal("refused")
			}
		}
		if b, e := logged.count("it can't be written"), logged.count("can be written again"); b != 1 || e != 1 {
			t.Errorf("the trouble is logged %d times, its end %d times", b, e)
		}
		l.check(t, "running", lg)
		_ = lg.Close()
		recheck(t, "closed", fs, l)
	})
}

// TestEveryCrash ends the process before each operation of the scenario in turn, and cuts the
// power or not. What then survives is any part of what was not synced.
func TestEveryCrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for n := 1; n <= countSteps(t); n++ {
			fs, l := dieAt(t, n)
			recheck(t, fmt.Sprint("killed at ", n), fs.Killed(), l)
			for seed := range uint64(8) {
				rng := rand.New(rand.NewPCG(seed, uint64(n)))
				recheck(t, fmt.Sprintf("power cut %d at %d", seed, n), fs.Crash(rng), l)
			}
		}
	})
}

// TestCrashInRecovery cuts the power in the middle of what follows a power cut, again and
// again, and at last lets it finish.
func TestCrashInRecovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for n := 1; n <= countSteps(t); n += 3 {
			fs, l := dieAt(t, n)
			rng := rand.New(rand.NewPCG(1, uint64(n)))
			for m := 1; m < 60; m += 1 + rng.IntN(3) {
				fs = fs.Crash(rng)
				fs.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == m, Part: true} })
				run(t, func() string { return fmt.Sprint("again at ", m) }, fs, l)
			}
			recheck(t, fmt.Sprint("after all, died at ", n), fs.Crash(rng), l)
		}
	})
}

// dieAt plays the scenario until operation n.
func dieAt(t *testing.T, n int) (*disktest.FS, *ledger) {
	t.Helper()
	fs, l := disktest.New(), newLedger()
	fs.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == n, Part: true} })
	run(t, func() string { return fmt.Sprint("dying at ", n) }, fs, l)
	return fs, l
}

// TestAnyTrouble has operations fail at random over several lives, which end in any way.
func TestAnyTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(150) {
			rng := rand.New(rand.NewPCG(seed, 3))
			fs, l := disktest.New(), newLedger()
			for life := range 4 {
				what := fmt.Sprintf("seed %d, life %d", seed, life)
				die := 1 + rng.IntN(400)
				faults := rand.New(rand.NewPCG(seed, uint64(life)))
				fs.Fail(func(step int, _ string) disktest.Fault {
					switch {
					case step == die:
						return disktest.Fault{Dead: true, Part: true}
					case faults.IntN(12) == 0:
						return disktest.Fault{Err: syscall.EIO, Part: faults.IntN(2) == 0, Takes: faults.IntN(3) == 0}
					}
					return disktest.Fault{}
				})
				run(t, func() string { return what }, fs, l)
				l.forgive()
				if rng.IntN(2) == 0 {
					fs = fs.Killed()
				} else {
					fs = fs.Crash(rng)
				}
				recheck(t, what, fs.Killed(), l)
			}
		}
	})
}

// forgive makes unknown what was refused after all that was acknowledged: it may turn up
// when the process ended before a new segment began.
func (l *ledger) forgive() {
	for i := len(l.events) - 1; i >= 0 && l.events[i].fate != acked; i-- {
		l.events[i].fate = unknown
	}
}
