package history

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"whoelse/room"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	m.Kind = room.KindSay
	return m
}

// to gives the records of a message: one for its sender and each recipient.
func to(m *room.Message) []room.Record {
	recs := []room.Record{{Owner: m.From, Message: m}}
	for _, nick := range m.To {
		recs = append(recs, room.Record{Owner: nick, Message: m})
	}
	return recs
}

func read(owner string, ids ...string) room.Record { return room.Record{Owner: owner, Read: ids} }

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

// put appends and waits.
func put(s *Store, recs ...room.Record) error {
	done := make(chan error, 1)
	s.Append(func(err error) { done <- err }, recs...)
	return <-done
}

func mustPut(t testing.TB, s *Store, recs ...room.Record) {
	t.Helper()
	if err := put(s, recs...); err != nil {
		t.Fatal(err)
	}
}

func unread(t testing.TB, s *Store, owner string) []*room.Message {
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
