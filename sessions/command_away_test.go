package sessions_test

import (
	"strings"
	"testing"
)

// /away and /back as commands, by somebody who is not in the room: senders see it, and
// whoever joins is reminded.
func TestAwayFromAShell(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := connect(t, r.addr, dial{user: "bob", key: "bob"})
	run := func(command, want string) {
		t.Helper()
		if said := runs(t, r, dial{user: "carol", key: "carol", command: command}); !strings.Contains(said, want) || !strings.HasSuffix(said, "(exit status 0)") {
			t.Errorf("%s: %s", command, said)
		}
	}
	run("back", "you were not away")
	run("away lunch", "you are marked away; direct messages will wait; /back to return")
	bob.typed("@carol coffee?\n")
	bob.expects("kept for carol (away: lunch)")
	carol := connect(t, r.addr, dial{user: "carol", key: "carol", width: 100, height: 20, term: "xterm"})
	carol.expects("you have been away since ")
	carol.expects(" (lunch); /back to return")
	bob.typed("@carol tea?\n")
	bob.counts("kept for carol (away: lunch)", 2)
	run("back", "welcome back; 2 unread: bob (2)")
	bob.typed("@carol now?\n")
	carol.expects("[bob -> you] now?")
}

// A reason is one short line, whoever gives it: everybody sees it.
func TestReasonOfBeingAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := connect(t, r.addr, dial{user: "bob", key: "bob"})
	eve := connect(t, r.addr, dial{user: "eve", width: 80, height: 20, term: "xterm"})
	eve.typed("/away " + strings.Repeat("x", 161) + "\n")
	eve.expects("not set: that is 161 characters, and a reason can have at most 160")
	eve.typed("\x1b[200~/away lunch\n * bob: hello\x1b[201~\n")
	eve.expects("you are marked away")
	bob.typed("whoelse\n")
	bob.expects("away: lunch  * bob: hello")
}
