package test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a round has at most.
const (
	linesAtMost = 150                  // said to everyone, by each of the talkers
	linesBefore = 60                   // that bob sees before the end
	linesAhead  = 10                   // typed and not seen yet
	soonAfter   = 5 * time.Millisecond // how long the server lives on after a line was seen
)

// slowDisk has each write of a server take 10 ms more, so that it is almost always
// killed between two of them. What is acknowledged too early then shows.
var slowDisk = func(testing.TB, *server) (stop func()) { return func() {} }

// crashRound is one life of the server.
type crashRound struct {
	*crasher
	t       *scope
	s       *server
	command chan struct{} // has one when a command has succeeded
	inbox   chan struct{} // the same for reading the inbox
	busy    sync.WaitGroup
}

// talk has everyone talk, and the server killed at a random moment in the middle.
func (r *crashRound) talk(kill func(*server)) {
	r.t.Helper()
	people := map[string]*person{}
	for _, nick := range talkers {
		p := plug(r.t, nick, r.s.openSSH(nick, r.keys[nick], []string{"-T"}))
		p.sees("you are "+nick, "type help for a list of commands\n")
		people[nick] = p
	}
	if r.n%5 == 1 {
		defer slowDisk(r.t, r.s)()
	}
	for i, nick := range talkers {
		r.busy.Go(func() { r.chat(people[nick], talkers[(i+1)%len(talkers)]) })
	}
	r.busy.Go(r.sendCommands)
	r.busy.Go(r.readInbox)
	if r.n%3 == 0 { // long enough for commands
		for range 1 + r.random.IntN(3) {
			r.await(r.command, "no command succeeds")
		}
		r.await(r.inbox, "nobody can read their inbox")
	}
	if last := r.text("room", "bob", r.random.IntN(linesBefore)); !people["bob"].comesTo("bob: "+last+"\n", new(int)) {
		r.t.Errorf("bob does not see %q; all of it: %s", last, people["bob"].all())
	}
	<-time.After(time.Duration(r.random.Int64N(int64(soonAfter))))
	kill(r.s)
	for nick, p := range people {
		p.leaves()
		r.told.saw(nick, p.all())
	}
	r.busy.Wait()
	r.remember()
}

func (r *crashRound) await(happened chan struct{}, orElse string) {
	r.t.Helper()
	select {
	case <-happened:
	case <-time.After(patience):
		r.t.Error(orElse)
	}
}

// remember notes what the absent ones have to be shown, and how much was going on.
func (r *crashRound) remember() {
	count := func(match func(*word) bool) int {
		return len(r.told.known(func(w *word) bool { return w.told > 0 && match(w) }))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Room += count(func(w *word) bool { return w.to == nil })
	r.count.Direct += count(func(w *word) bool { return w.to != nil })
	for _, nick := range absent {
		for _, text := range r.told.known(func(w *word) bool { return w.told > 0 && slices.Contains(w.to, nick) }) {
			if !r.seen[nick+" "+text] {
				r.waiting[nick][text] = true
			}
		}
	}
}

func (r *crashRound) text(what, nick string, i int) string {
	return fmt.Sprintf("%s %d.%s.%d", what, r.n, nick, i)
}

// chat types to everyone, to one who is here, to one who is not, and to several, not
// too far ahead of what is shown.
func (r *crashRound) chat(p *person, other string) {
	seen := 0
	for i := range linesAtMost {
		if !r.types(p, r.text("room", p.name, i)) ||
			!r.types(p, r.text("direct", p.name, i), other) ||
			!r.types(p, r.text("later", p.name, i), "dave") ||
			i%5 == 0 && !r.types(p, r.text("group", p.name, i), other, "gina", "dave") {
			return
		}
		if i >= linesAhead {
			earlier := r.text("room", p.name, i-linesAhead)
			if !p.comesTo(p.name+": "+earlier+"\n", &seen) {
				return
			}
			r.told.acked(earlier)
		}
	}
}

// types has p type text, and reports whether that is still possible.
func (r *crashRound) types(p *person, text string, to ...string) bool {
	r.told.begin(text, p.name, to...)
	typed := text + "\n"
	if len(to) > 0 {
		typed = "@" + strings.Join(to, ",") + " " + typed
	}
	_, err := io.WriteString(p.keys, typed)
	return err == nil
}

// sendCommands has frank send messages with single commands, one after the other.
// Exit status 0 is an acknowledgement.
func (r *crashRound) sendCommands() {
	for i := 0; ; i++ {
		text := r.text("command", "frank", i)
		r.told.begin(text, "frank", "gina", "bob")
		out, status := output(r.t, r.s.openSSH("frank", r.keys["frank"], nil, "send gina,bob "+text), "")
		switch status {
		case 0:
			r.told.acked(text)
			r.counts(&r.count.Commands, r.command)
		case 255:
			return // the connection is gone
		default:
			r.t.Errorf("a command ends with %d: %s", status, out)
			return
		}
	}
}

// readInbox has dave read what was kept for him, again and again.
func (r *crashRound) readInbox() {
	for {
		out, status := output(r.t, r.s.openSSH("dave", r.keys["dave"], nil, "inbox"), "")
		r.sawInbox("dave", out)
		switch status {
		case 0:
			r.counts(&r.count.Inboxes, r.inbox)
		case 255:
			return
		default:
			r.t.Errorf("the inbox ends with %d: %s", status, out)
			return
		}
	}
}

func (r *crashRound) counts(n *int, happened chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*n++
	select {
	case happened <- struct{}{}:
	default:
	}
}
