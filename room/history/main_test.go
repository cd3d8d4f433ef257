package history

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"whoelse/room"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		talk(dir)
		return
	}
	patience = time.Second
	debug.SetGCPercent(400) // disks in memory make much garbage: a quarter of the time
	debug.SetMemoryLimit(6 << 30)
	if !full || raceDetector { // as with stride
		if err := flag.Set("rapid.checks", "10"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

var epoch = time.Date(2026, 11, 21, 6, 31, 3, 123e6, time.UTC)

// direct makes the n-th message of a test.
func direct(n int, from string, to ...string) *room.Message {
	return &room.Message{
		ID: fmt.Sprintf("id-%09d", n), Time: epoch.Add(time.Duration(n) * time.Second),
		Kind: room.KindDirect, From: from, To: to, Text: fmt.Sprintf("message %d", n),
	}
}

func said(n int, from string) *room.Message {
	m := direct(n, from)
	m.Kind, m.Room = room.KindSay, room.Lobby
	return m
}

// saidIn is said in another room.
func saidIn(name string, n int, from string) *room.Message {
	m := said(n, from)
	m.Room = name
	return m
}

// rec is one line that an event makes in a history.
type rec struct {
	Owner   string
	Message *room.Message
	Read    []string
}

// event makes an event of a message.
func event(m *room.Message) *room.Event { return &room.Event{Message: *m} }

var marks atomic.Int64

// read makes the event that owner has read messages.
func read(owner string, ids ...string) *room.Event {
	return &room.Event{
		Message: room.Message{ID: fmt.Sprintf("mark-%09d", marks.Add(1)), Time: epoch, Kind: room.KindRead, From: owner},
		Read:    ids,
	}
}

// retired makes the event that nobody holds a nick any more.
func retired(nick string, n int) *room.Event {
	m := direct(n, nick)
	m.Kind = room.KindRetired
	return event(m)
}

// recsOf are the lines that an event should make.
func recsOf(e *room.Event) (recs []rec) {
	m := e.Message
	switch e.Kind {
	case room.KindSay:
		return []rec{{Owner: "#" + m.Room, Message: &m}}
	case room.KindRead:
		recs = append(recs, rec{Owner: e.From, Read: e.Read})
		for _, r := range e.Receipts {
			recs = append(recs, rec{Owner: r.To[0], Message: r})
		}
		return recs
	}
	recs = append(recs, rec{Owner: m.From, Message: &m})
	for _, nick := range m.To {
		if nick != m.From {
			recs = append(recs, rec{Owner: nick, Message: &m})
		}
	}
	return recs
}

// follower tells tests what became of events, by their ids.
type follower struct {
	mu   sync.Mutex
	wait map[string]chan room.Entry
}

var followers sync.Map // *Store: *follower

// follow has a store's entries come back.
func follow(s *Store) *Store {
	f := &follower{wait: map[string]chan room.Entry{}}
	followers.Store(s, f)
	s.Follow(func(batch []room.Entry) {
		for _, e := range batch {
			f.mu.Lock()
			done := f.wait[e.ID]
			delete(f.wait, e.ID)
			f.mu.Unlock()
			if done != nil {
				done <- e
			}
		}
	})
	return s
}

// enter appends an event; done is called with what came back, or with an error.
func enter(s *Store, e *room.Event, done func(room.Entry, error)) { enterBy(s, s.Append, e, done) }

// putAnyway is put for an event that was on its way before the store could refuse it.
func putAnyway(t testing.TB, s *Store, events ...*room.Event) {
	t.Helper()
	for _, e := range events {
		done := make(chan error, 1)
		enterBy(s, s.Log.Append, e, func(_ room.Entry, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func enterBy(s *Store, appendTo func(*room.Event, func(error)), e *room.Event, done func(room.Entry, error)) {
	v, _ := followers.Load(s)
	f := v.(*follower)
	back := make(chan room.Entry, 1)
	f.mu.Lock()
	f.wait[e.ID] = back
	f.mu.Unlock()
	failed := make(chan error, 1)
	appendTo(e, func(err error) { failed <- err })
	go func() {
		select {
		case entry := <-back:
			done(entry, nil)
		case err := <-failed:
			done(room.Entry{}, err)
		}
	}()
}

// logs is where a store under test tells what it repaired.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func mustOpen(t testing.TB, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	follow(s)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// reopen closes s and opens the folder again.
func reopen(t testing.TB, s *Store, dir string) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, dir, Options{})
}

// put appends and waits until it is applied.
func put(s *Store, e *room.Event) error {
	_, err := putEntry(s, e)
	return err
}

func putEntry(s *Store, e *room.Event) (room.Entry, error) {
	type result struct {
		e   room.Entry
		err error
	}
	done := make(chan result, 1)
	enter(s, e, func(e room.Entry, err error) { done <- result{e, err} })
	r := <-done
	return r.e, r.err
}

func mustPut(t testing.TB, s *Store, events ...*room.Event) {
	t.Helper()
	for _, e := range events {
		if err := put(s, e); err != nil {
			t.Fatal(err)
		}
	}
}

func unreadOf(t testing.TB, s *Store, owner string) []*room.Message {
	t.Helper()
	got, err := room.Collect(s.Unread(owner))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func tail(t testing.TB, s *Store, owner string, n int) []*room.Message {
	t.Helper()
	got, err := room.Collect(s.Tail(owner, n, nil))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func same(t testing.TB, what string, got, want []*room.Message) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func ids(ms []*room.Message) []string {
	var out []string
	for _, m := range ms {
		out = append(out, m.ID)
	}
	return out
}

func sameIDs(t testing.TB, what string, got []*room.Message, want ...string) {
	t.Helper()
	if !slices.Equal(ids(got), want) {
		t.Fatalf("%s: got %v, want %v", what, ids(got), want)
	}
}

func newLog() (*logs, *slog.Logger) {
	l := &logs{}
	return l, slog.New(slog.NewTextHandler(l, nil))
}

func userFile(dir, nick string) string { return filepath.Join(dir, "users", nick+".jsonl") }

func readAll(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeAll(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantStorage(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, room.ErrStorage) {
		t.Fatalf("got %v, want an error that wraps ErrStorage", err)
	}
}
