package cluster

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"whoelse/room"
	"whoelse/room/cluster/natstest"
	"whoelse/room/history"
)

// TestMain lets tests wait side by side on few cores, too.
func TestMain(m *testing.M) {
	staleFor = time.Second
	flag.Parse()
	flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}

var full = os.Getenv("WHOELSE_TEST") == "full"

// long is how long something may take on a busy machine. A test that waits until the patience with the engine is over sets it to
// impatient for that server.
const (
	long      = time.Minute
	impatient = patience / 3
)

// logs is what a server told its operator.
type logs struct {
	told  func(line string) // may be nil
	mu    sync.Mutex
	lines []string
}

func (l *logs) Write(p []byte) (int, error) {
	if l.told != nil {
		l.told(string(p))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

// server is one server's part: its cluster, and its log and histories on a real disk.
type server struct {
	*Cluster
	t     testing.TB
	dir   string
	opts  Options
	logs  *logs
	store *history.Store
	wrap  func(Local) Local // for trouble with the disk; may be nil

	states map[string]Receive

	mu  sync.Mutex // guards what follows
	got []room.Entry
}

// options are those of a server called name.
func options(urls []string, name string, l *logs) Options {
	return Options{
		URLs: urls, Name: "whoelse", Node: name, Replicas: 1, Keep: 7 * 24 * time.Hour, patience: long,
		Log: slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// newServer returns a server that does not run yet.
func newServer(t testing.TB, name string, urls ...string) *server {
	s := &server{t: t, dir: t.TempDir(), logs: &logs{}, states: map[string]Receive{}}
	s.opts = options(urls, name, s.logs)
	s.opts.Bound = filepath.Join(s.dir, "cluster.json")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %s", name, s.logs)
		}
	})
	return s
}

// joinImpatient starts a server that does not wait long for the engine.
func joinImpatient(t testing.TB, name string, urls ...string) *server {
	t.Helper()
	s := newServer(t, name, urls...)
	s.opts.patience = impatient
	s.start()
	return s
}

// join starts a server.
func join(t testing.TB, name string, urls ...string) *server {
	t.Helper()
	s := newServer(t, name, urls...)
	s.start()
	return s
}

func (s *server) start() {
	s.t.Helper()
	if err := s.try(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.stop)
}

// try starts a server that may refuse to.
func (s *server) try() (err error) {
	if s.Cluster, err = Connect(s.t.Context(), s.opts); err != nil {
		return err
	}
	if s.store, err = history.Open(filepath.Join(s.dir, "history"), history.Options{Given: true}); err != nil {
		s.t.Fatal(err)
	}
	s.store.Follow(func(batch []room.Entry) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, batch...)
	})
	var local Local = s.store
	if s.wrap != nil {
		local = s.wrap(local)
	}
	if err = s.Follow(s.t.Context(), local, s.states); err != nil {
		s.stop()
	}
	return err
}

// stop ends a server in good order. Another time it does nothing.
func (s *server) stop() {
	if s.store == nil {
		return
	}
	if err := s.Close(); err != nil {
		s.t.Error(err)
	}
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
	s.store = nil
}

func said(id, text string) *room.Event {
	return &room.Event{Message: room.Message{
		ID: id, Time: time.Now().UTC().Truncate(time.Millisecond), Kind: room.KindSay, From: "ann", Room: room.Lobby, Text: text,
	}}
}

var ids = struct {
	sync.Mutex
	last string
}{}

// newID is an ID as a room gives them.
func newID() string {
	ids.Lock()
	defer ids.Unlock()
	ids.last = room.NextID(ids.last, time.Now())
	return ids.last
}

// say appends a message and does not wait. The channel gets why it failed.
func (s *server) say(text string) chan error {
	failed := make(chan error, 1)
	s.Append(said(newID(), text), func(err error) { failed <- err })
	return failed
}

// entries are the first n that s got, for which it waits.
func (s *server) entries(n int) (got []room.Entry) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%s gets %d events", s.opts.Node, n), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.got) >= n {
			got = append(got[:0], s.got...)
		}
		return len(s.got) >= n
	})
	return got
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(long)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not so in time: %s", what)
		}
		<-tick.C
	}
}

// fails waits for an append to fail, and returns why.
func fails(t testing.TB, failed chan error) error {
	t.Helper()
	select {
	case err := <-failed:
		return err
	case <-time.After(long): // on a busy machine, too
		t.Fatal("the sender is not told in time")
		return nil
	}
}

func engine(t testing.TB) *natstest.Engine {
	t.Helper()
	return natstest.New(t, 1, nil)
}

func withTimeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), long)
	t.Cleanup(cancel)
	return ctx
}
