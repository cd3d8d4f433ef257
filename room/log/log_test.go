package log

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"whoelse/internal/disk"
	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// put appends an event and waits until it is durable or refused. It takes turns with nobody.
func put(l *Log, e *room.Event) error {
	failed := make(chan error, 1)
	l.Append(e, func(err error) { failed <- err })
	_ = l.Probe(context.Background()) // comes after it
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func mustPut(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := put(l, direct(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func seqs(entries []room.Entry) []uint64 {
	var s []uint64
	for _, e := range entries {
		s = append(s, e.Seq)
	}
	return s
}

func upTo(from, to uint64) []uint64 {
	var s []uint64
	for ; from <= to; from++ {
		s = append(s, from)
	}
	return s
}

func wantSeqs(t testing.TB, what string, got []room.Entry, from, to uint64) {
	t.Helper()
	if !slices.Equal(seqs(got), upTo(from, to)) {
		t.Fatalf("%s: numbers %v, want %d to %d", what, seqs(got), from, to)
	}
}

func segments(t testing.TB, in disk.Folder) []uint64 {
	t.Helper()
	s, err := Segments(in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// content is all of a file.
func content(t testing.TB, in disk.Folder, name string) []byte {
	t.Helper()
	b, err := disk.ReadFile(in, name, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, in disk.Folder, name string, b []byte) {
	t.Helper()
	f, err := in.Open(name, true)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// realDir is a folder on the real disk.
func realDir(t testing.TB) disk.Folder {
	t.Helper()
	root, err := disk.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	in, err := root.Sub("log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	return in
}

func TestAppendAndReopen(t *testing.T) {
	in := realDir(t)
	l := mustOpen(t, in, Options{})
	if l.Last() != 0 || len(all(t, l, 0)) != 0 {
		t.Error("a new log is not empty")
	}
	mustPut(t, l, 1, 3)
	e := direct(4)
	e.Kind, e.Text, e.Room = room.KindRead, "", room.Lobby
	e.Read = []string{"id-1", "id-2"}
	e.Receipts = []*room.Message{
		{ID: "r1", Time: epoch, Kind: room.KindReceipt, From: "bob", To: []string{"ann"}, Ref: "id-1", RefTime: epoch},
		{ID: "r2", Time: epoch, Kind: room.KindReceipt, From: "bob", To: []string{"ann"}, Ref: "id-2", RefTime: epoch, Text: room.ReceiptGone},
	}
	if err := put(l, e); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, in, Options{})
	mustPut(t, l, 5, 5)
	got := all(t, l, 0)
	wantSeqs(t, "reopened", got, 1, 5)
	if d := cmp.Diff(e, got[3].Event); d != "" {
		t.Error(d)
	}
	if l.Last() != 5 {
		t.Errorf("last %d", l.Last())
	}
	if st := l.Stats(); st.Segments != 2 || st.Syncs != 1 || st.Bytes == 0 || st.Damaged != 0 || st.Trouble != nil {
		t.Errorf("%+v", st)
	}
	wantSeqs(t, "after 3", all(t, l, 3), 4, 5)
	stop := fmt.Errorf("enough: %w", fs.ErrNotExist) // even one that the log's own files could have
	if err := l.Read(0, func(room.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the visitor's error comes back as %v", err)
	}
}

// TestClosed: what is appended later fails, and not in the caller's goroutine, who may hold locks.
func TestClosed(t *testing.T) {
	l := mustOpen(t, realDir(t), Options{})
	_ = l.Close()
	_ = l.Close()
	failed := make(chan error)
	l.Append(direct(1), func(err error) { failed <- err })
	if err := <-failed; !errors.Is(err, room.ErrStorage) {
		t.Error(err)
	}
	l.Append(direct(1), nil)
	if err := l.Probe(t.Context()); !errors.Is(err, room.ErrStorage) {
		t.Error(err)
	}
	l.Follow(func([]room.Entry) { t.Error("there is nothing") })
	_ = l.Close()
}

// TestProbe answers when it is asked, or when the asking is over.
func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := disktest.New()
		l := mustOpen(t, mustSub(t, m), Options{})
		hold := make(chan struct{})
		m.Watch(func(op, _ string) {
			if op == "sync" {
				<-hold
			}
		})
		l.Append(direct(1), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(hold)
		if err := l.Probe(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestGroupCommit: what waits shares one fsync, in the order of the appends, and what can't be
// encoded fails alone.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := disktest.New()
		l := mustOpen(t, mustSub(t, m), Options{})
		hold := make(chan struct{})
		m.Watch(func(op, _ string) {
			if op == "sync" {
				<-hold
			}
		})
		l.Append(direct(1), func(err error) { t.Error(err) })
		synctest.Wait()
		var refused []int
		for n := 2; n <= 101; n++ {
			e := direct(n)
			if n%25 == 0 {
				e.Text = strings.Repeat("x", 200<<10)
			}
			l.Append(e, func(err error) {
				if !errors.Is(err, room.ErrInvalid) || errors.Is(err, room.ErrStorage) {
					t.Error(err)
				}
				refused = append(refused, n)
			})
		}
		close(hold)
		if err := l.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []int{25, 50, 75, 100}; !slices.Equal(refused, want) {
			t.Errorf("%v were refused, want %v", refused, want)
		}
		got := all(t, l, 0)
		wantSeqs(t, "numbers", got, 1, 97)
		if !slices.IsSortedFunc(got, func(a, b room.Entry) int { return strings.Compare(a.ID, b.ID) }) {
			t.Error("not in the order of the appends")
		}
		if st := l.Stats(); st.Syncs != 2 || st.Refused != 4 {
			t.Errorf("%+v, want 2 syncs and 4 refused", st)
		}
	})
}

// TestFollowerHoldsBack: while a batch is applied one more is committed, and no third.
func TestFollowerHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustOpen(t, mustSub(t, disktest.New()), Options{})
		step := make(chan struct{})
		var got []room.Entry
		l.Follow(func(batch []room.Entry) {
			<-step
			got = append(got, batch...)
		})
		for n := 1; n <= 5; n++ {
			l.Append(direct(n), nil)
			synctest.Wait()
		}
		if l.Last() != 2 || l.Stats().Syncs != 2 {
			t.Errorf("%d are committed by %d syncs, want 2 by 2", l.Last(), l.Stats().Syncs)
		}
		step <- struct{}{}
		synctest.Wait()
		if l.Last() != 5 || l.Stats().Syncs != 3 {
			t.Errorf("%d are committed by %d syncs, want 5 by 3", l.Last(), l.Stats().Syncs)
		}
		l.Append(direct(6), nil)
		close(step)
		_ = l.Close()
		wantSeqs(t, "handed over", got, 1, 6)
	})
}

// TestCommitsArePaced: events that come fast, but one by one, share commits, and none waits longer than the pause. One that
// comes after a quiet time does not wait.
func TestCommitsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustOpen(t, mustSub(t, disktest.New()), Options{})
		var mu sync.Mutex
		var waits []time.Duration
		l.Follow(func(batch []room.Entry) {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range batch {
				waits = append(waits, time.Since(e.Time))
			}
		})
		say := func() {
			e := direct(1)
			e.Time = time.Now()
			l.Append(e, nil)
		}
		const events = 1000
		for range events {
			time.Sleep(time.Millisecond)
			say()
		}
		time.Sleep(time.Second)
		syncs := l.Stats().Syncs
		say()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(waits) != events+1 {
			t.Fatal(len(waits), "came")
		}
		if last := waits[events]; last != 0 {
			t.Errorf("after a quiet time an event waited %v", last)
		}
		if longest := slices.Max(waits); longest > commitPause+commitPause/4 || syncs > events/4 {
			t.Errorf("an event waited %v; %d commits for %d events, one each millisecond", longest, syncs, events)
		}
		_ = l.Close()
	})
}

// TestNoPauseForAnswers: senders who wait for each answer are not made to wait for others.
func TestNoPauseForAnswers(t *testing.T) {
	for _, senders := range []int{1, 3, 20} {
		synctest.Test(t, func(t *testing.T) {
			l := mustOpen(t, mustSub(t, disktest.New()), Options{})
			time.Sleep(time.Second)
			start := time.Now()
			var all sync.WaitGroup
			for range senders {
				all.Go(func() {
					for n := range 200 {
						_ = put(l, direct(n))
					}
				})
			}
			all.Wait()
			if took := time.Since(start); took > 2*commitPause {
				t.Errorf("%d senders waited for %v", senders, took)
			}
			_ = l.Close()
		})
	}
}

// TestReadThenFollow: from every number, over segments, while others append and segments are begun;
// everything comes once and in order.
func TestReadThenFollow(t *testing.T) {
	in := realDir(t)
	for from := range uint64(12) {
		l := mustOpen(t, in, Options{SegmentBytes: 500})
		if start := l.Last(); start < from {
			mustPut(t, l, int(start)+1, int(from))
		}
		start := l.Last()
		got := all(t, l, from)
		l.Follow(func(batch []room.Entry) { got = append(got, batch...) })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					_ = put(l, direct(1))
				}
			})
		}
		read := all(t, l, from)
		wantSeqs(t, "read meanwhile", read, from+1, max(start, uint64(len(read))+from))
		wg.Wait()
		_ = l.Close()
		wantSeqs(t, fmt.Sprint("followed from ", from), got, from+1, start+80)
	}
}

// TestRelease: segments go when all their events may, the newest one only after Close.
func TestRelease(t *testing.T) {
	m := disktest.New()
	in := mustSub(t, m)
	l := mustOpen(t, in, Options{SegmentBytes: 1}) // each event has its own
	mustPut(t, l, 1, 5)
	for _, step := range []struct{ upTo, first uint64 }{{0, 1}, {1, 2}, {1, 2}, {3, 4}, {5, 5}, {9, 5}} {
		if err := l.Release(step.upTo); err != nil {
			t.Fatal(err)
		}
		if segments(t, in)[0] != step.first {
			t.Errorf("released up to %d: there are %v", step.upTo, segments(t, in))
		}
		if got := segments(t, mustSub(t, m.Crash(rand.New(rand.NewPCG(1, 1))))); got[0] != step.first {
			t.Errorf("not durable: %v", got)
		}
	}
	_ = l.Close()
	if err := l.Release(4); err != nil || len(segments(t, in)) != 1 {
		t.Errorf("%v, %v", err, segments(t, in))
	}
	if err := l.Release(5); err != nil || len(segments(t, in)) != 0 {
		t.Errorf("%v, %v", err, segments(t, in))
	}
	l = mustOpen(t, in, Options{Next: 6})
	mustPut(t, l, 6, 6)
	wantSeqs(t, "goes on", all(t, l, 0), 6, 6)
}

// TestNewSegmentAfterFailure: the file whose write or fsync failed is never written to again,
// also where nothing was committed to it.
func TestNewSegmentAfterFailure(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		synctest.Test(t, func(t *testing.T) {
			m := disktest.New()
			in := mustSub(t, m)
			l := mustOpen(t, in, Options{})
			failOnce := func() {
				failed := false
				m.Fail(func(_ int, o string) disktest.Fault {
					if o == op && !failed {
						failed = true
						return disktest.Fault{Err: syscall.EIO}
					}
					return disktest.Fault{}
				})
			}
			inode := func(name string) uint64 {
				st, err := in.Lstat(name)
				if err != nil {
					t.Fatal(err)
				}
				return st.Ino
			}
			failOnce()
			wantStorage(t, put(l, direct(1)))
			was := inode(SegmentName(1))
			time.Sleep(retryAfter)
			mustPut(t, l, 2, 2)
			if inode(SegmentName(1)) == was {
				t.Error("the file of a failed write is used again")
			}
			failOnce()
			wantStorage(t, put(l, direct(3)))
			wantStorage(t, put(l, direct(4)))
			time.Sleep(retryAfter)
			mustPut(t, l, 5, 5)
			if got := segments(t, in); !slices.Equal(got, []uint64{1, 2}) {
				t.Errorf("segments %v", got)
			}
			var ids []string
			for _, e := range all(t, l, 0) {
				ids = append(ids, e.ID)
			}
			if want := []string{direct(2).ID, direct(5).ID}; !slices.Equal(ids, want) {
				t.Errorf("%v, want %v", ids, want)
			}
		})
	}
}

// disowned makes a log whose first segment ends with a refused event that could not be cut
// off, and is disowned by the next one, which may have its own refused one or not.
func disowned(t *testing.T, m *disktest.FS, refuseNext bool) *Log {
	t.Helper()
	l := mustOpen(t, mustSub(t, m), Options{SegmentBytes: 1 << 20})
	mustPut(t, l, 1, 1)
	fails := map[string]bool{"sync": true, "truncate": true} // once each
	m.Fail(func(_ int, op string) disktest.Fault {
		if fails[op] {
			delete(fails, op)
			return disktest.Fault{Err: syscall.EIO, Takes: op == "sync"}
		}
		return disktest.Fault{}
	})
	wantStorage(t, put(l, direct(666)))
	m.Fail(nil)
	time.Sleep(retryAfter)
	if !refuseNext {
		return l
	}
	if err := l.Probe(t.Context()); err != nil { // the next segment is there
		t.Fatal(err)
	}
	first := true
	m.Fail(func(_ int, op string) disktest.Fault {
		if op == "write" && first {
			first = false
			return disktest.Fault{Err: syscall.EIO}
		}
		return disktest.Fault{}
	})
	wantStorage(t, put(l, direct(667)))
	time.Sleep(retryAfter)
	return l
}

// TestDisowned: what a segment disowns never turns up again, while that is replaced by one
// of the same name, and while both are released, wherever a crash comes.
func TestDisowned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for die := 1; die < 40; die++ {
			for _, refuseNext := range []bool{true, false} {
				m := disktest.New()
				l := disowned(t, m, refuseNext)
				from := m.Steps()
				m.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == from+die} })
				if put(l, direct(2)) == nil {
					l.opts.SegmentBytes = 1
					_ = put(l, direct(3))
					_ = l.Release(2)
				}
				for seed := range uint64(20) {
					err := ReadSegments(mustSub(t, m.Crash(rand.New(rand.NewPCG(seed, 0)))), 0, func(e room.Entry) error {
						if strings.Contains(e.ID, "66") {
							t.Errorf("died at %d, seed %d: %s turns up as %d", die, seed, e.ID, e.Seq)
						}
						return nil
					}, func(Damage) {})
					if err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
}

// TestRefusedIsNotRead: what was refused and could not be cut off is not read, neither before a
// new segment disowns it nor after; nor is its torn end anybody's concern then.
func TestRefusedIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, part := range []bool{false, true} {
			m := disktest.New()
			logged, logger := newLogger()
			l := mustOpen(t, mustSub(t, m), Options{Log: logger})
			mustPut(t, l, 1, 2)
			m.Fail(func(_ int, op string) disktest.Fault {
				switch op {
				case "write":
					return disktest.Fault{Err: syscall.EIO, Part: part, Takes: !part}
				case "truncate":
					return disktest.Fault{Err: syscall.EIO}
				}
				return disktest.Fault{}
			})
			wantStorage(t, put(l, direct(3)))
			if logged.count("may turn up after a crash") != 1 {
				t.Error("nobody is told that it may turn up")
			}
			wantSeqs(t, "in trouble", all(t, l, 0), 1, 2)
			m.Fail(nil)
			time.Sleep(retryAfter)
			mustPut(t, l, 4, 4)
			got := all(t, l, 0)
			wantSeqs(t, "afterwards", got, 1, 3)
			if got[2].ID != direct(4).ID {
				t.Errorf("%s is there", got[2].ID)
			}
			if n := logged.count("incomplete"); n != 0 {
				t.Errorf("a torn end is reported %d times", n)
			}
		}
	})
}

// TestOpenMakesDurable: what a killed process has written and not synced is durable before
// it is handed over.
func TestOpenMakesDurable(t *testing.T) {
	line, err := AppendLine(nil, 1, direct(1))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		m := disktest.New()
		in := mustSub(t, m)
		write(t, in, SegmentName(1), line)
		l := mustOpen(t, in, Options{})
		wantSeqs(t, "opened", all(t, l, 0), 1, 1)
		again := mustOpen(t, mustSub(t, m.Crash(rand.New(rand.NewPCG(seed, 0)))), Options{})
		wantSeqs(t, "after a power cut", all(t, again, 0), 1, 1)
	}
}

// TestMoved: while the open segment is removed, replaced or changed, nothing is acknowledged.
func TestMoved(t *testing.T) {
	name := SegmentName(1)
	for what, change := range map[string]struct {
		do, undo func(t *testing.T, in disk.Folder)
	}{
		"removed": {
			func(t *testing.T, in disk.Folder) { must(t, in.Rename(name, "elsewhere")) },
			func(t *testing.T, in disk.Folder) { must(t, in.Rename("elsewhere", name)) },
		},
		"replaced": {
			func(t *testing.T, in disk.Folder) {
				b := content(t, in, name)
				must(t, in.Rename(name, "elsewhere"))
				write(t, in, name, b)
			},
			func(t *testing.T, in disk.Folder) { must(t, in.Rename("elsewhere", name)) },
		},
		"grown": {
			func(t *testing.T, in disk.Folder) { write(t, in, name, append(content(t, in, name), "x\n"...)) },
			func(t *testing.T, in disk.Folder) {
				b := content(t, in, name)
				write(t, in, name, b[:len(b)-2])
			},
		},
	} {
		for _, during := range []bool{false, true} {
			t.Run(fmt.Sprint(what, during), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := disktest.New()
					in := mustSub(t, m)
					l := mustOpen(t, in, Options{})
					mustPut(t, l, 1, 2)
					var once sync.Once
					if during { // the write, after it was looked at
						if what == "grown" {
							return // the name leads there: the next write will see it
						}
						m.Watch(func(op, _ string) {
							if op == "sync" {
								once.Do(func() { change.do(t, in) })
							}
						})
					} else {
						change.do(t, in)
					}
					for n := range 5 {
						if err := put(l, direct(100+n)); !errors.Is(err, errMoved) || !errors.Is(err, room.ErrStorage) {
							t.Errorf("got %v", err)
						}
						time.Sleep(retryAfter)
					}
					change.undo(t, in)
					mustPut(t, l, 3, 3)
					got := all(t, l, 0)
					wantSeqs(t, "put back", got, 1, 3)
					if got[2].ID != direct(3).ID {
						t.Errorf("%s is there, and was refused", got[2].ID)
					}
				})
			})
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCheck: what the owner of the folder says refuses, and then does not.
func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		cause := errors.New("another folder now")
		l := mustOpen(t, mustSub(t, disktest.New()), Options{Check: func() error {
			if gone.Load() {
				return cause
			}
			return nil
		}})
		mustPut(t, l, 1, 1)
		gone.Store(true)
		if err := put(l, direct(2)); !errors.Is(err, cause) || !errors.Is(l.Stats().Trouble, cause) {
			t.Error(err)
		}
		gone.Store(false)
		time.Sleep(retryAfter)
		mustPut(t, l, 3, 3)
		wantSeqs(t, "there", all(t, l, 0), 1, 2)
	})
}

// TestNothingSegment: what has a segment's name and is no file stops the start; other names
// are nobody's concern.
func TestNothingSegment(t *testing.T) {
	in := mustSub(t, disktest.New())
	for _, name := range []string{"1.jsonl", SegmentName(0), "x.jsonl", SegmentName(1) + ".torn", "new.tmp"} {
		write(t, in, name, []byte("rubbish\n"))
	}
	l := mustOpen(t, in, Options{})
	mustPut(t, l, 1, 1)
	wantSeqs(t, "there", all(t, l, 0), 1, 1)
	_ = l.Close()
	if _, err := in.Sub(SegmentName(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(in, Options{Log: quiet}); !errors.Is(err, disk.ErrNotRegular) {
		t.Errorf("got %v", err)
	}
	in = mustSub(t, disktest.New())
	write(t, in, SegmentName(maxSeq-1), nil)
	if _, err := Open(in, Options{Log: quiet}); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
