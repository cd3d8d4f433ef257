package history

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// small makes everything happen in a short scenario: journals of a few records,
// files and owners that leave memory all the time.
var small = Options{SegmentBytes: 1500, Owners: 2}

// tight shortens the histories all the time, too, and takes few files for many.
var tight = Options{SegmentBytes: 1500, Owners: 2, MaxBytes: 1500, RoomMaxBytes: 800}

// aged has what is read go after a moment.
var aged = Options{SegmentBytes: 1500, Owners: 2, Retention: 1500 * time.Millisecond}

// each runs a test with any of them.
func each(t *testing.T, test func(*testing.T, Options)) {
	for name, opts := range map[string]Options{"small": small, "tight": tight, "aged": aged} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, opts) })
		})
	}
}

// scenario uses a store in every way there is. It goes on whatever happens, and
// gives the disk time to recover.
func scenario(s *Store, fs *disktest.FS, l *ledger) {
	nicks := []string{"ann", "bob", "cid", "dan"}
	n := 0
	direct, said := direct, said
	if l.opts.Retention > 0 {
		direct, said = nowDirect, nowSaid
	}
	backup := io.Closer(io.NopCloser(nil))
	for round := range 4 {
		var waiting []chan error
		if lock, err := fs.Folder().Lock(backupLock); err == nil && round == 1 {
			backup = lock
		} else if _ = backup.Close(); err == nil {
			_ = lock.Close()
		}
		for i, from := range nicks {
			n++
			m := direct(n, from, nicks[(i+1+round%3)%4])
			m.Text = strings.Repeat("text ", n%50)
			waiting = append(waiting, l.append(s, fs, event(m)))
			if i == 1 {
				n++
				waiting = append(waiting, l.append(s, fs, event(said(n, from))))
			}
		}
		n++
		waiting = append(waiting, l.append(s, fs, event(direct(n, "ann", "bob", "cid", "dan"))))
		for _, w := range waiting {
			<-w
		}
		for _, nick := range nicks {
			if got, err := room.Collect(s.Unread(nick)); err == nil && len(got) > 1 {
				<-l.append(s, fs, read(nick, ids(got[:len(got)-1])...))
			}
			_, _ = room.Since(s, nick, epoch)
		}
		time.Sleep(retryAfter + time.Millisecond)
	}
}

// nowDirect is direct for a message of this moment.
func nowDirect(n int, from string, to ...string) *room.Message {
	m := direct(n, from, to...)
	m.Time = time.Now().UTC().Truncate(time.Millisecond)
	return m
}

func nowSaid(n int, from string) *room.Message {
	m := nowDirect(n, from)
	m.Kind, m.Room = room.KindSay, room.Lobby
	return m
}

// run opens a store, plays the scenario and closes it.
func run(t *testing.T, fs *disktest.FS, l *ledger) {
	t.Helper()
	s, err := open(fs.Folder(), l.opts)
	if err != nil {
		return
	}
	follow(s)
	scenario(s, fs, l)
	_ = s.Close()
}

// countSteps is how many operations a run without trouble has.
func countSteps(t *testing.T, opts Options) int {
	t.Helper()
	fs := disktest.New()
	l := &ledger{opts: opts}
	run(t, fs, l)
	for i, u := range l.units {
		if u.fate != acked {
			t.Fatalf("unit %d was not acknowledged without any trouble", i)
		}
	}
	if left := namesIn(fs, logFolder); len(left) > 0 {
		t.Fatal("a segment is left after Close")
	}
	return fs.Steps()
}

// recheck opens what a run left and compares it with what the clients know, and
// once more after the power was cut right then.
func recheck(t *testing.T, what string, fs *disktest.FS, l *ledger) {
	t.Helper()
	s, err := open(fs.Folder(), l.opts)
	if err != nil {
		t.Errorf("%s: can't be opened: %v", what, err)
		return
	}
	again := fs.Crash(rand.New(rand.NewPCG(uint64(len(what)), 0)))
	l.check(t, what, s)
	_ = s.Close()
	if n, _ := fs.Open(); n != 0 {
		t.Errorf("%s: %d files stay open", what, n)
	}
	if s, err = open(again.Folder(), l.opts); err != nil {
		t.Errorf("%s, and cut again: can't be opened: %v", what, err)
		return
	}
	l.check(t, what+", and cut again", s)
	_ = s.Close()
}

// TestEveryFault fails each operation of the scenario in turn, in every way,
// and looks at what is there afterwards: in the running store, after Close,
// after a kill and after a power cut, also one right after the first refusal.
func TestEveryFault(t *testing.T) {
	each(t, func(t *testing.T, opts Options) {
		steps := countSteps(t, opts)
		t.Logf("%d operations", steps)
		faults := []disktest.Fault{
			{Err: syscall.ENOSPC}, {Err: syscall.EIO}, {Err: syscall.EINTR},
			{Err: syscall.ENOSPC, Part: true}, {Err: syscall.EIO, Takes: true},
		}
		by := stride(steps, len(faults))
		for i, f := range faults {
			for n := 1 + i*by/len(faults); n <= steps; n += by { // each way at other operations
				oneFault(t, opts, fmt.Sprintf("%+v at %d", f, n), n, 1, f)
			}
		}
	})
}

// TestFaultsInARow is the same for operations that fail one after the other, so
// that cleaning up fails too.
func TestFaultsInARow(t *testing.T) {
	each(t, func(t *testing.T, opts Options) {
		steps := countSteps(t, opts)
		rows := []int{2, 3, 5}
		by := stride(steps, len(rows))
		for i, row := range rows {
			for n := 1 + i*by/len(rows); n <= steps; n += by {
				oneFault(t, opts, fmt.Sprintf("%d from %d", row, n), n, row, disktest.Fault{Err: syscall.EIO, Takes: true})
			}
		}
	})
}

// full has the tests do all that they can, however long that takes.
var full = os.Getenv("WHOELSE_TEST") == "full"

// stride thins out long loops: without WHOELSE_TEST=full in the environment, and under
// the race detector, which finds what it does in any of them, few operations fail, about
// as many for several ways as for one.
func stride(steps, ways int) int {
	if full && !raceDetector {
		return 1
	}
	return max(1, steps*ways/10)
}

// byteStride is stride for every byte of a file in memory, each of which takes little time.
func byteStride(size int) int { return stride(size/4, 1) }

// few is n, or a third of it where stride thins out: for different things that a crash may leave.
func few(n uint64) uint64 {
	if full && !raceDetector {
		return n
	}
	return max(2, n/3)
}

// oneFault plays the scenario with row faults from operation n on.
func oneFault(t *testing.T, opts Options, what string, n, row int, f disktest.Fault) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(n), uint64(row)))
	fs, l := disktest.New(), &ledger{opts: opts}
	fs.Fail(func(step int, op string) disktest.Fault {
		if step < n || step >= n+row {
			return disktest.Fault{}
		}
		what += " " + op
		return f
	})
	if row == 1 { // with more, what was refused can't always be taken back at once
		l.first = func() {
			recheck(t, what+", power cut after the refusal", fs.Crash(rng), l.soFar())
			recheck(t, what+", killed after the refusal", fs.Killed(), l.soFar())
		}
	}
	s, err := open(fs.Folder(), l.opts)
	if err != nil { // and the next try, without trouble, is good
		fs.Fail(nil)
		recheck(t, what, fs, l)
		return
	}
	follow(s)
	defer func() { _ = s.Close() }()
	scenario(s, fs, l)
	for try := range 2 * row { // the faults may be at this very append
		time.Sleep(2 * retryAfter)
		if err := <-l.append(s, fs, event(direct(1000+try, "ann", "bob"))); err == nil {
			break
		} else if try == 2*row-1 {
			t.Fatalf("%s: the store did not recover: %v", what, err)
		}
	}
	fs.Fail(nil)
	l.check(t, what+", running", s)
	for range few(3) {
		recheck(t, what+", power cut", fs.Crash(rng), l)
	}
	recheck(t, what+", killed", fs.Killed(), l)
	_ = s.Close()
	recheck(t, what+", closed", fs, l)
}

// TestDiskFailsForLong: nothing is accepted while the disk fails, and senders
// are told at once; when it is well again so is the store, without a restart.
func TestDiskFailsForLong(t *testing.T) {
	each(t, func(t *testing.T, opts Options) {
		fs, l := disktest.New(), &ledger{opts: opts}
		s, err := open(fs.Folder(), l.opts)
		if err != nil {
			t.Fatal(err)
		}
		follow(s)
		defer func() { _ = s.Close() }()
		scenario(s, fs, l)
		fs.Fail(func(_ int, op string) disktest.Fault {
			if op != "read" && op != "lstat" && op != "stat" && op != "open" {
				return disktest.Fault{Err: syscall.ENOSPC, Part: true}
			}
			return disktest.Fault{}
		})
		for n := range 30 {
			start, steps := time.Now(), fs.Steps()
			if err := <-l.append(s, fs, event(direct(500+n, "ann", "bob"))); !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, room.ErrStorage) {
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
		if _, err := room.Collect(s.Unread("bob")); err != nil {
			t.Errorf("reading while writing fails: %v", err)
		}
		fs.Fail(nil)
		time.Sleep(2 * retryAfter)
		if err := <-l.append(s, fs, event(direct(900, "ann", "bob"))); err != nil {
			t.Fatalf("the disk is well, and: %v", err)
		}
		l.check(t, "running", s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		recheck(t, "closed", fs, l)
	})
}

// namesIn lists what is in a folder.
func namesIn(fs *disktest.FS, folder string) []string {
	in, err := fs.Folder().Sub(folder)
	if err != nil {
		return nil
	}
	names, _ := in.Names()
	return names
}
