package main_test

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Rounds of a conversation that each end with the server being killed, and how
// many of one's own lines somebody has to have seen before that.
const (
	crashes    = 3
	seenBefore = 60

	linesAtMost = 1000 // so that all rounds' lines can be looked at with one command
)

// ledger is all that the clients were shown, which the server has to know for ever.
type ledger struct {
	room   []string            // "bob: text"
	direct map[string][]string // by nick: "[you -> carol] text"
	kept   int                 // how often it was said that something is kept for dave
}

var shown = regexp.MustCompile(`(?m)^\d\d:\d\d (\[.*|\w+: .*)$`)

// add notes what a client was shown.
func (l *ledger) add(nick, output string) {
	whole := output[:strings.LastIndexByte(output, '\n')+1]
	for _, m := range shown.FindAllStringSubmatch(whole, -1) {
		if strings.HasPrefix(m[1], "[") {
			l.direct[nick] = append(l.direct[nick], m[1])
		} else {
			l.room = append(l.room, m[1])
		}
	}
	l.kept += strings.Count(whole, " * kept for dave (offline)\n")
}

// The server is killed in the middle of it, again and again. Nothing that anybody
// was shown is missing afterwards.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	keys := map[string][]string{"bob": {newKey(t)}, "carol": {newKey(t)}, "dave": {newKey(t)}}
	said := &ledger{direct: map[string][]string{}}
	s := startServer(t, data, "--message-rate", "0")
	output(t, s.openSSH("dave", keys["dave"], nil, "nick"), "") // who is known is written to
	for round := range crashes {
		talkAndCrash(t, s, keys, said, round)
		s = startServer(t, data, "--message-rate", "0")
	}
	if len(said.room) < crashes*seenBefore/3 || said.kept == 0 || len(said.direct["carol"]) == 0 {
		t.Fatalf("hardly anything was said: %d lines, %v", len(said.room), said.direct)
	}
	ask := func(nick string, command ...string) string {
		out, status := output(t, s.openSSH(nick, keys[nick], nil, command...), "")
		if status != 0 {
			t.Errorf("%s %v: exit status %d: %s", nick, command, status, out)
		}
		return out
	}
	wantAll(t, "the room", ask("bob", "history", "10000"), said.room)
	inbox := ask("dave", "inbox")
	if n := strings.Count(inbox, " -> you] for later "); n < said.kept {
		t.Errorf("%d messages were kept for dave, and his inbox has %d", said.kept, n)
	}
	for nick := range keys {
		wantAll(t, nick, ask(nick, "inbox", "all", "10000"), said.direct[nick])
	}
	for _, line := range slices.Concat(said.direct["bob"], said.direct["carol"]) {
		if text, ok := strings.CutPrefix(line, "[you -> dave] "); ok && !strings.Contains(inbox, "] "+text+"\n") {
			t.Errorf("dave's inbox lacks %q", text)
		}
	}
	if strings.Contains(s.log(), "DATA RACE") {
		t.Error(s.log())
	}
}

// wantAll asserts that every line of want is in text.
func wantAll(t *testing.T, whose, text string, want []string) {
	t.Helper()
	have := map[string]bool{}
	for _, m := range shown.FindAllStringSubmatch(text, -1) {
		have[m[1]] = true
	}
	missing := 0
	for _, line := range want {
		if !have[line] {
			if missing++; missing <= 5 {
				t.Errorf("%s: %q was shown and is lost", whose, line)
			}
		}
	}
	t.Logf("%s: %d lines were shown, %d are kept, %d lost", whose, len(want), len(have), missing)
}

// talkAndCrash has bob and carol talk as fast as they can, kills the server in the
// middle of it, and notes what they were shown.
func talkAndCrash(t *testing.T, s *server, keys map[string][]string, said *ledger, round int) {
	t.Helper()
	people := map[string]*person{}
	var talking sync.WaitGroup
	for _, nick := range []string{"bob", "carol"} {
		p := plug(t, nick, s.openSSH(nick, keys[nick], []string{"-T"}))
		p.sees("you are " + nick)
		people[nick] = p
	}
	for nick, p := range people {
		other := map[string]string{"bob": "carol", "carol": "bob"}[nick]
		talking.Go(func() {
			for i := range linesAtMost {
				lines := fmt.Sprintf("room %d.%d\n@%s direct %d.%d\n@dave for later %d.%d\n", round, i, other, round, i, round, i)
				if _, err := io.WriteString(p.keys, lines); err != nil {
					return
				}
			}
		})
	}
	for i := range seenBefore {
		people["bob"].sees(fmt.Sprintf("bob: room %d.%d\n", round, i))
	}
	s.kill()
	for nick, p := range people {
		p.leaves()
		said.add(nick, p.all())
	}
	talking.Wait()
}
