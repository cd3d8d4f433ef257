package adversarial

import (
	"strings"
	"testing"
)

// A guest's command is not another guest's, whose name it asks for: it speaks under
// another name, and changes nothing of what the one who is here has set.
func TestCommandsOfGuests(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		carol := r.connect(visit{user: "carol", key: "carol"})
		gus := r.connect(visit{user: "gus"})
		waits := r.connect(visit{user: "gus", command: "say -"})
		gus.types("this is me\n")
		carol.sees("~gus: this is me")
		for _, command := range []string{"say a forgery", "me forges", "send carol a forgery", "block carol", "away a forgery", "say -"} {
			c := r.connect(visit{user: "gus", command: command})
			if command == "say -" {
				c.types("a forgery\n")
				c.ch.CloseWrite()
			}
			c.leaves()
		}
		waits.types("a late forgery\n")
		waits.ch.CloseWrite()
		waits.leaves()
		carol.sees("a late forgery")
		carol.types("send ~gus do you see this?\n")
		gus.sees("do you see this?")
		carol.types("whoelse\n")
		carol.sees("~gus (guest)")
		for line := range strings.Lines(carol.received()) {
			if strings.Contains(line, "forge") && strings.Contains(line, "~gus:") || strings.Contains(line, "* ~gus forges") || strings.Contains(line, "away:") {
				t.Errorf("carol is shown %q", line)
			}
		}
	})
}
