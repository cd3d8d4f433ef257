package log

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"whoelse/internal/disk"
	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// stride thins out long loops, unless WHOELSE_TEST=full is in the environment.
var stride = 3

func TestMain(m *testing.M) {
	if os.Getenv("WHOELSE_TEST") == "full" {
		stride = 1
	}
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

var epoch = time.Date(2026, 11, 21, 6, 31, 3, 123e6, time.UTC)

// direct makes the n-th event of a test.
func direct(n int) *room.Event {
	return &room.Event{Message: room.Message{
		ID: fmt.Sprintf("id-%06d", n), Time: epoch.Add(time.Duration(n) * time.Second),
		Kind: room.KindDirect, From: "bob", To: []string{"carol"}, Text: fmt.Sprintf("message %d", n),
	}, Max: 1000}
}

// logs is where a log under test tells what it found.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.b.Bytes(), []byte(what))
}

func newLogger() (*logs, *slog.Logger) {
	l := &logs{}
	return l, slog.New(slog.NewTextHandler(l, nil))
}

func mustOpen(t testing.TB, in disk.Folder, opts Options) *Log {
	t.Helper()
	opts.Log = cmp.Or(opts.Log, quiet)
	l, err := Open(in, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// all is what a log has.
func all(t testing.TB, l *Log, after uint64) []room.Entry {
	t.Helper()
	var got []room.Entry
	if err := l.Read(after, func(e room.Entry) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

type fate int

const (
	unknown fate = iota // nobody was told anything certain
	acked
	refused
)

// told is an event and what became of it, as its sender knows.
type told struct {
	e    *room.Event
	fate fate
	seq  uint64
	done chan struct{}
	once sync.Once
}

func (u *told) finish() { u.once.Do(func() { close(u.done) }) }

// ledger is what the clients of a log were told.
type ledger struct {
	mu       sync.Mutex
	events   []*told // in the order of the appends
	byID     map[string]*told
	last     uint64 // that was handed over
	released uint64 // events up to that may be gone

	first func() // if set, is called when the first event is refused
}

func newLedger() *ledger { return &ledger{byID: map[string]*told{}} }

// options are small, so that everything happens in a short scenario.
func (l *ledger) options() Options {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Options{Log: quiet, SegmentBytes: 600, Next: l.released + 1}
}

// soFar is what the clients know now.
func (l *ledger) soFar() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := newLedger()
	c.last, c.released = l.last, l.released
	for _, u := range l.events {
		cu := &told{e: u.e, fate: u.fate, seq: u.seq, done: u.done}
		cu.once.Do(func() {}) // the other one's
		c.events = append(c.events, cu)
		c.byID[cu.e.ID] = cu
	}
	return c
}

// append appends one more event and notes the outcome. A refusal while the disk is dead
// counts as unknown: nobody is left to hear it.
func (l *ledger) append(lg *Log, fs *disktest.FS) *told {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := &told{e: direct(len(l.events) + 1), done: make(chan struct{})}
	l.events = append(l.events, u)
	l.byID[u.e.ID] = u
	lg.Append(u.e, func(error) {
		if !fs.IsDead() {
			l.mu.Lock()
			u.fate = refused
			first := l.first
			l.first = nil
			l.mu.Unlock()
			if first != nil {
				first()
			}
		}
		u.finish()
	})
	return u
}

// follow notes what was committed and is handed over, and makes sure that all of it would survive a
// power cut right then.
func (l *ledger) follow(t *testing.T, what func() string, lg *Log, fs *disktest.FS) {
	t.Helper()
	l.mu.Lock()
	after := l.released
	l.mu.Unlock()
	rng := rand.New(rand.NewPCG(7, 7))
	apply := func(batch []room.Entry) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, e := range batch {
			u := l.byID[e.ID]
			switch {
			case u == nil:
				t.Errorf("%s: %s was never sent", what(), e.ID)
				continue
			case u.fate == refused:
				t.Errorf("%s: %s was refused and is handed over", what(), e.ID)
			case u.fate == acked:
				if u.seq != e.Seq {
					t.Errorf("%s: %s has number %d, and had %d", what(), e.ID, e.Seq, u.seq)
				}
				continue
			case e.Seq <= l.last:
				t.Errorf("%s: %s has number %d, after %d", what(), e.ID, e.Seq, l.last)
			}
			u.fate, u.seq, l.last = acked, e.Seq, e.Seq
			u.finish()
		}
		if fs.IsDead() {
			return
		}
		left := mustSub(t, fs.Crash(rng))
		there := map[uint64]bool{}
		if err := ReadSegments(left, 0, func(e room.Entry) error { there[e.Seq] = true; return nil }, func(Damage) {}); err != nil {
			t.Error(err)
		}
		for _, e := range batch {
			if !there[e.Seq] && e.Seq > l.released {
				t.Errorf("%s: %d is handed over and not durable", what(), e.Seq)
			}
		}
	}
	var found []room.Entry
	for lg.Read(after, func(e room.Entry) error { found = append(found, e); return nil }) != nil && !fs.IsDead() {
		found = nil // it could not be read
	}
	apply(found)
	lg.Follow(apply)
}

func mustSub(t testing.TB, fs *disktest.FS) disk.Folder {
	t.Helper()
	in, err := fs.Folder().Sub("log")
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// check compares all with what a log says.
func (l *ledger) check(t *testing.T, what string, lg *Log) {
	t.Helper()
	got := all(t, lg, 0)
	l.mu.Lock()
	defer l.mu.Unlock()
	there := map[string]uint64{}
	at, order := uint64(0), -1
	for _, e := range got {
		if e.Seq <= at {
			t.Errorf("%s: number %d after %d", what, e.Seq, at)
		}
		at = e.Seq
		there[e.ID] = e.Seq
		for i, u := range l.events {
			if u.e.ID == e.ID {
				if i <= order {
					t.Errorf("%s: %s is not in the order of the appends", what, e.ID)
				}
				order = i
			}
		}
	}
	for _, u := range l.events {
		seq, ok := there[u.e.ID]
		switch {
		case u.fate == acked && u.seq > l.released && seq != u.seq:
			t.Errorf("%s: %s was acknowledged as %d and is %d", what, u.e.ID, u.seq, seq)
		case u.fate == refused && ok:
			t.Errorf("%s: %s was refused, and is there as %d", what, u.e.ID, seq)
		}
	}
	if lg.Last() < l.last {
		t.Errorf("%s: the last number is %d, and %d was acknowledged", what, lg.Last(), l.last)
	}
}

// recheck opens what a run left and compares it with what the clients know, appends to
// it, and once more after the power was cut.
func recheck(t *testing.T, what string, fs *disktest.FS, l *ledger) {
	t.Helper()
	l = l.soFar()
	for try := range 2 {
		lg, err := Open(mustSub(t, fs), l.options())
		if err != nil {
			t.Errorf("%s: can't be opened: %v", what, err)
			return
		}
		l.check(t, what, lg)
		l.settle(t, lg)
		l.follow(t, func() string { return what }, lg, fs)
		u := l.append(lg, fs)
		<-u.done
		if u.fate != acked {
			t.Errorf("%s: the next event was refused", what)
		}
		l.check(t, what+", and one more", lg)
		_ = lg.Close()
		if n, _ := fs.Open(); n != 0 {
			t.Errorf("%s: %d files stay open", what, n)
		}
		what = fmt.Sprint(what, ", and cut again ", try)
		fs = fs.Crash(rand.New(rand.NewPCG(uint64(len(what)), 0)))
	}
}

// settle decides what is unknown: once it was read it stays, and else it never comes.
func (l *ledger) settle(t *testing.T, lg *Log) {
	t.Helper()
	got := all(t, lg, 0)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range l.events {
		if u.fate == unknown {
			u.fate = refused
		}
	}
	for _, e := range got {
		if u := l.byID[e.ID]; u != nil && u.fate == refused {
			u.fate, u.seq = acked, e.Seq
			l.last = max(l.last, e.Seq)
		}
	}
}

func wantStorage(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, room.ErrStorage) {
		t.Fatalf("got %v, want an error that wraps ErrStorage", err)
	}
}
