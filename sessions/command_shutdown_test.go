package sessions_test

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"whoelse/sessions/sshd"
)

// awaitCommand waits until a command runs whose person asked for nick.
func (r *rig) awaitCommand(t *testing.T, nick string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for running := false; !running; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("no command runs")
		}
		r.manager.EndWhere(func(l *sshd.Login, _ netip.AddrPort) (string, bool) {
			running = running || l.Nick == nick
			return "", false
		})
	}
}

// A command that runs when the server goes down is told so, and ends with a status
// that says: try again.
func TestShutdownTellsCommands(t *testing.T) {
	r := &rig{t: t, dir: t.TempDir()}
	r.start()
	c := connect(t, r.addr, dial{user: "bob", key: "bob", command: "say -"})
	c.typed("half a mess")
	r.awaitCommand(t, "bob")
	r.stop()
	c.expects("(exit status 75)")
	c.Mu.Lock()
	defer c.Mu.Unlock()
	if told := string(c.errors); !strings.Contains(told, "whoelse: the server is shutting down") {
		t.Errorf("it is told %q", told)
	}
}
