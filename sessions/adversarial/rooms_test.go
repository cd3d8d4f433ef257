package adversarial

import (
	"fmt"
	"strings"
	"testing"

	"whoelse/sessions/internal/rawssh"
)

// den has mallory make a private room, with some others in it.
func (r *rig) den(others ...string) *client {
	c := r.connect(visit{user: "mallory", key: "mallory"})
	c.types("/join #den\n/room private\n")
	c.sees("you made #den", "#den is private")
	for _, other := range others {
		r.connect(visit{user: other, key: other}).registers("nick")
		c.types("/room invite " + other + "\n")
		c.sees(other + " can now join #den")
		in := r.connect(visit{user: other, key: other})
		in.types("/join #den\n")
		in.sees("you are in #den")
		in.Close()
	}
	return c
}

// registers gives a line, so that the nick is registered, and hangs up.
func (c *client) registers(line string) {
	c.t.Helper()
	c.types(line + "\n")
	c.sees("you are ")
	c.Close()
}

// Whatever is said in a private room, and set as its topic, is text to those in it, and nothing to others.
func TestHostileTextInAPrivateRoom(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		c := r.den("dora", "erin")
		a, frank := r.audience(), r.connect(visit{user: "frank", key: "frank"})
		for _, s := range some(t, 5) {
			s = strings.ReplaceAll(s, "\n", "\r")
			c.types("/in #den denmark " + s + "\n/topic " + s + "\n/me " + s + "\n")
		}
		c.types("#den the end\n")
		a.sees("#den mallory: the end")
		a[1].types("/rooms\n/topic #den\n/history #den 1000\n#den enough\n")
		a[1].sees("#den erin: enough")
		a.unharmed()
		c.clean("mallory")
		frank.types("/rooms\n/history 1000\nwhoelse\n/say all of it\n")
		frank.sees("frank: all of it")
		if got := frank.received(); strings.Contains(got, "denmark") || strings.Contains(got, "#den") {
			t.Errorf("frank gets %q", got)
		}
	})
}

// Somebody in a private room who takes nothing of a flood in it is ended, and holds up nobody; what a flood
// may take is what it may in the lobby.
func TestFloodOfAPrivateRoom(t *testing.T) {
	while(t, options{}, func(r *rig) {
		c := r.den("stuck")
		stuck := r.raw("stuck")
		stuck.Session(1<<10, 1<<10)
		stuck.Write(rawssh.Request(0, "shell", false, nil))
		before := now()
		for i := range many(5_000) {
			c.types(fmt.Sprint("#den flood ", i, " ", strings.Repeat("x", 1000), "\n"))
		}
		for range many(500) {
			c.types("/leave #den\n/join #den\n/mute #den\n/unmute #den\n")
		}
		c.types("/say over\n")
		c.sees("mallory: over")
		if after := now(); after.goroutines > before.goroutines+100 || after.heap > before.heap+32<<20 {
			t.Errorf("it costs the server %v, before %v", after, before)
		}
	})
}
