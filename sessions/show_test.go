package sessions_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// screen connects a terminal of that size.
func (r *rig) screen(nick string, w, h int) *client {
	r.t.Helper()
	return connect(r.t, r.addr, dial{user: nick, key: nick, term: "xterm", width: w, height: h})
}

var shortID = regexp.MustCompile(`more lines; type /show (\w+)`)

// What was cut on a screen is shown whole to who asks for it, from a session or with a
// command, and also after a restart; but not to whom it was not sent, nor from
// somebody who is blocked.
func TestShow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob, carol, dora := r.screen("bob", 80, 24), r.pipe("carol"), r.pipe("dora")
	carol.typed("first" + strings.Repeat("\r-", 4000) + "\rlast\n")
	bob.sees("... 3,990 more lines; type /show ")
	room := shortID.FindStringSubmatch(bob.received())[1]
	carol.typed("@bob first" + strings.Repeat("\r-", 100) + "\rend\n")
	bob.sees("... 62 more lines; type /show ")
	direct := shortID.FindStringSubmatch(bob.received()[strings.LastIndex(bob.received(), "more lines"):])
	bob.typed("/show " + room + "\r")
	bob.sees(" last")
	bob.typed("/show " + strings.ToUpper(direct[1]) + "\r")
	bob.sees(" end")
	dora.typed("/show " + direct[1] + "\n")
	dora.sees("no recent message has the ID \"")

	r.stop()
	r.start()
	for id, want := range map[string]string{room: "\\nlast", direct[1]: "\\nend"} {
		connect(t, r.addr, dial{user: "bob", key: "bob", command: "show " + id}).sees(want)
	}
	bob = r.pipe("bob")
	bob.typed(fmt.Sprintf("/block carol\n/show %s\n/show %s\n", room, direct[1]))
	bob.sees("no recent message has the ID \"")
	connect(t, r.addr, dial{user: "bob", key: "bob", command: "show " + room}).sees("no recent message has the ID \"")
}

// Rows count against the rate, not only messages: nobody fills the screens with a burst
// of long ones.
func TestRowsCountAgainstTheRate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stop()
	r.rate = 5 // a burst is 20
	r.start()
	bob, carol := r.screen("bob", 80, 24), r.pipe("carol")
	began := time.Now()
	carol.typed(strings.Repeat("x"+strings.Repeat("\rx", 3990)+"\n", 20)) // five are a burst, and then one in 0.8 s
	carol.sees("at most 5 messages a second")
	bob.sees("more lines")
	n, most := strings.Count(carol.received(), "carol: x"), 6+int(time.Since(began)/(800*time.Millisecond))
	if n > most {
		t.Errorf("%d long messages were said at once, %d are allowed", n, most)
	}
}
