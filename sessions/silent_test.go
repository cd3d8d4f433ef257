package sessions_test

import (
	"strings"
	"testing"
	"time"
)

// Who does not answer is shown as that, before the connection is given up. It takes as
// long as the server waits between two questions.
func TestWhoDoesNotAnswer(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	onlyFull(t)
	r := newRig(t)
	w := newWire(t, r.addr)
	connect(t, w.addr, dial{user: "bob", key: "bob"})
	r.pipe("dora")
	close(w.cut)
	carol := r.pipe("carol")
	carol.typed("@bob are you there?\n@dora and you?\n") // which asks them for a sign of life
	carol.sees("delivered to dora")
	ask := time.NewTicker(100 * time.Millisecond)
	defer ask.Stop()
	late := time.After(40 * time.Second)
	for !strings.Contains(carol.received(), "bob: since ") || !strings.Contains(carol.received(), ", not answering") {
		select {
		case <-ask.C:
			carol.typed("whoelse\n")
		case <-late:
			t.Fatalf("carol sees %s", carol.received())
		}
	}
	for row := range strings.Lines(carol.received()) {
		if strings.Contains(row, "dora: since") && strings.Contains(row, "not answering") {
			t.Errorf("dora does answer: %s", row)
		}
	}
}

// Who returns after the time in which a lost connection is waited for is told when that
// was, and how much was said since, and sees the last lines, those of rooms among them.
func TestBackAfterALostConnection(t *testing.T) {
	t.Parallel()
	onlyFull(t)
	r := newRig(t)
	bob := r.screen("bob", 80, 24)
	carol := r.pipe("carol")
	bob.enters("/join #ops", "you made #ops")
	carol.typed("/join #ops\n/join #lobby\n")
	carol.sees("you are in the lobby")
	bob.conn.Close()
	if _, ok := carol.await(2*patience, func(rows []string) bool {
		return strings.Contains(strings.Join(rows, "\n"), "bob's connection was lost")
	}); !ok {
		t.Fatal(carol.received())
	}
	carol.typed("one\n#ops among them\ntwo\n")
	carol.sees("carol: two")
	back := r.screen("bob", 80, 24)
	back.sees("your connection was lost at ", "; 2 messages in the room since then", "carol: one", "#ops carol: among them", "carol: two",
		"#ops: 2 people, yours", "you are bob", "carol is here")
	back.typed("quit\r")
	back.sees("bye")
	r.screen("bob", 80, 24).sees("you are bob")
	if again := r.pipe("bob"); strings.Contains(again.received(), "lost") {
		t.Error(again.received())
	}
}
