package adversarial

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestBurstsOnTerminals: ten guests say all at once what they may, far more than
// 256 KiB. Everybody's terminal shows all of it, goes on working, and has each
// message that its sender was told of as delivered.
func TestBurstsOnTerminals(t *testing.T) {
	whileInRooms(t, options{}, func(r *rig) {
		terminals := map[string]*client{}
		for _, nick := range []string{"dora", "emil", "finn", "gwen"} {
			terminals[nick] = r.connect(visit{user: nick, key: nick, term: "xterm"})
		}
		hal := r.connect(visit{user: "hal", key: "hal"})
		var guests []*client
		speaks := "~guest%d: "
		for i := range 10 {
			v := visit{user: fmt.Sprint("guest", i)}
			if r.private { // which takes no guests
				v.key, speaks = v.user, "#den guest%d: "
			}
			guests = append(guests, r.connect(v))
		}

		lines := 20
		if raceOn { // which makes the screens slow: whoever takes nothing for a second is let go
			lines = 5
		}
		burst := strings.Repeat(strings.Repeat("x", 3900)+"\n", lines)
		var talking sync.WaitGroup
		for i, g := range guests {
			talking.Go(func() {
				g.types(burst + "/me has said it\n")
				g.reads(fmt.Sprintf("guest%d has said it", i))
			})
		}
		const direct = 20
		for i := range direct {
			hal.types(fmt.Sprintf("@dora psst %d\n", i))
		}
		talking.Wait() // what was typed is said only a while later
		for nick, c := range terminals {
			c.types("still here\r")
			c.reads(nick + "\x1b[0m: still here") // behind the nick's colour
		}
		for i := range guests {
			for _, c := range terminals {
				c.showsRows(fmt.Sprintf(speaks, i), lines)
			}
		}

		hal.await(func() bool {
			return bytes.Count(hal.Out, []byte("delivered to dora"))+bytes.Count(hal.Out, []byte("kept for dora")) >= direct
		})
		if told := strings.Count(hal.received(), "delivered to dora"); told != direct {
			t.Errorf("%d of %d messages are delivered", told, direct)
		}
		for i := range direct {
			terminals["dora"].showsRows(fmt.Sprintf("[hal -> you] psst %d ", i), 1)
		}
		for nick, c := range terminals {
			c.canaries(nick)
		}
	})
}

// reads waits until text comes to a terminal, as it comes. Making rows of it, as sees
// does, would make it a slow reader.
func (c *client) reads(text string) {
	c.t.Helper()
	if !c.await(func() bool { return bytes.Contains(c.Out, []byte(text)) }) {
		got := c.received()
		c.t.Errorf("%q does not come, but: %q", text, got[max(0, len(got)-200):])
	}
}

// showsRows asserts that so many rows of the screen begin with text, behind the time.
func (c *client) showsRows(text string, want int) {
	c.t.Helper()
	c.Mu.Lock()
	defer c.Mu.Unlock()
	got := 0
	for _, row := range c.Screen.All() {
		if len(row) > 6 && strings.HasPrefix(row[6:]+" ", text) {
			got++
		}
	}
	if got != want {
		c.t.Errorf("%q is there %d times, want %d", text, got, want)
	}
}

// canaries asserts that a terminal shows what the canary says.
func (c *client) canaries(who string) { c.t.Helper(); c.follows(canaryLine, who) }

// follows asserts that every line of a canary since the first one on the screen
// is on it, in order, and that the session goes on.
func (c *client) follows(line *regexp.Regexp, who string) {
	c.t.Helper()
	c.Mu.Lock()
	defer c.Mu.Unlock()
	first, n := 0, 0
	for _, row := range c.Screen.All() {
		m := line.FindStringSubmatch(row)
		if m == nil {
			continue
		}
		i, _ := strconv.Atoi(m[1])
		if n == 0 {
			first = i
		}
		if i != first+n {
			c.t.Errorf("%s sees canary %d instead of %d", who, i, first+n)
			return
		}
		n++
	}
	if n == 0 || c.Over {
		c.t.Errorf("%s has seen %d canaries; ended: %t", who, n, c.Over)
	}
}
