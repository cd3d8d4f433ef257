package sessions_test

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// goroutinesOfSessions counts the server's goroutines that are in this package, sshd or charm.land/ssh. Two more for each
// connection are in x/crypto/ssh alone, like the clients'.
func goroutinesOfSessions() (n int, stacks string) {
	all := make([]byte, 4<<20)
	all = all[:runtime.Stack(all, true)]
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		for _, of := range []string{"whoelse/sessions.(*", "whoelse/sessions/sshd.(*", "charm.land/ssh.(*"} {
			if strings.Contains(stack, "\n"+of) {
				n++
				stacks += stack + "\n\n"
				break
			}
		}
	}
	return n, stacks
}

// TestGoroutinesOfIdleSessions: each costs memory for as long as somebody says nothing. There is one that reads lines, but
// none that waits for something to write. Not parallel: other tests' sessions would be counted.
func TestGoroutinesOfIdleSessions(t *testing.T) {
	r := newRig(t)
	nicks := []string{"ann", "bob", "carol", "dave", "erin"}
	for _, nick := range nicks {
		r.terminal(nick, r.addr).enters("hello", nick+": hello")
	}
	const each = 7              // three for the connection, three for the channel, and the reader
	want := 1 + len(nicks)*each // and the accept loop
	for late := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		now, stacks := goroutinesOfSessions()
		if now == want {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("%d goroutines for %d sessions, want %d:\n%s", now, len(nicks), want, stacks)
		}
	}
}
