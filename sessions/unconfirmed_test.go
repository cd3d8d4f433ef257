package sessions_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"whoelse/room"
)

// stalling is a log that can stop answering for a while.
type stalling struct {
	room.Log

	mu   sync.Mutex // owns the fields below
	on   bool
	held []func()
}

func (s *stalling) Append(e *room.Event, failed func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on {
		s.held = append(s.held, func() { s.Log.Append(e, failed) })
		return
	}
	s.Log.Append(e, failed)
}

// stall begins or ends a time in which nothing gets to the disk.
func (s *stalling) stall(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
	for _, append := range s.held {
		append()
	}
	s.held = nil
}

// TestNothingIsConfirmedByWaiting: what is not on disk when a command or pipe has
// waited long enough is neither done nor refused, and its exit status says so.
func TestNothingIsConfirmedByWaiting(t *testing.T) {
	t.Parallel()
	disk := &stalling{}
	r := &rig{t: t, dir: t.TempDir(), before: func(l room.Log) room.Log { disk.Log = l; return disk }}
	r.start()
	t.Cleanup(r.stop)
	connect(t, r.addr, dial{user: "bob", key: "bob", command: "nick"}).sees("(exit status 0)")
	carol := func(command string) *client {
		return connect(t, r.addr, dial{user: "carol", key: "carol", command: command})
	}
	carol("send bob one that is kept").sees("kept for bob (offline)", "(exit status 0)")
	quits, ends, refused := r.pipe("carol"), r.pipe("carol"), r.pipe("carol")

	disk.stall(true)
	const words = "! whoelse: not confirmed: the server did not finish in time; it may or may not arrive"
	quits.typed("for everybody\nquit\n")
	ends.typed("@bob two\n")
	ends.ch.CloseWrite()
	refused.typed("@nobodyatall three\n@bob three\n")
	refused.ch.CloseWrite()
	waiting := map[string]*client{
		"quit": quits, "end of input": ends, "one refused": refused,
		"send": carol("send bob four"), "broadcast": carol("broadcast five"),
	}
	inbox := connect(t, r.addr, dial{user: "bob", key: "bob", command: "inbox"})
	help := carol("help")
	for name, c := range waiting {
		rows, ok := c.await(2*patience, func(rows []string) bool {
			return slices.Contains(rows, "(exit status 75)") && slices.Contains(rows, words)
		})
		if !ok {
			t.Errorf("%s:\n%s", name, strings.Join(rows, "\n"))
		}
	}
	inbox.sees("\tdirect\tcarol\tbob\tone that is kept", "these messages may be shown as new again", "(exit status 75)")
	help.sees("(exit status 0)")

	disk.stall(false)
	carol("send bob six").sees("(exit status 0)") // what waited is on disk before it
	connect(t, r.addr, dial{user: "bob", key: "bob", command: "inbox all"}).sees("two", "three", "four", "six", "(exit status 0)")
}

// uncertain is a log of a cluster that does not answer.
type uncertain struct{ room.Log }

func (uncertain) Append(_ *room.Event, failed func(error)) { failed(room.ErrUncertain) }

// TestClusterDoesNotAnswer: the exit status of a message that may still arrive is 75, also of one to several
// people, and of a pipe, which sees the words where it sees all others.
func TestClusterDoesNotAnswer(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: t.TempDir(), before: func(l room.Log) room.Log { return uncertain{l} }}
	r.start()
	t.Cleanup(r.stop)
	const words = "not confirmed: the cluster did not answer in time; the message may still arrive"
	connect(t, r.addr, dial{user: "bob", key: "bob", command: "nick"}).sees("(exit status 0)")
	for _, command := range []string{"send bob hi", "say hi"} {
		connect(t, r.addr, dial{user: "carol", key: "carol", command: command}).sees("! whoelse: "+words, "(exit status 75)")
	}
	connect(t, r.addr, dial{user: "carol", key: "carol", command: "send bob,zoe hi"}).sees(
		"! whoelse: not confirmed to bob: ", "(exit status 75)")
	pipe := r.pipe("carol")
	pipe.typed("hi\n")
	pipe.sees("* " + words)
	pipe.ch.CloseWrite()
	pipe.sees("(exit status 75)")
	terminal := r.terminal("carol", r.addr)
	terminal.typed("hi\r")
	terminal.sees("* " + words)
	terminal.typed("quit\r")
	terminal.sees("(exit status 0)")
}
