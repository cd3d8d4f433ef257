package adversarial

import (
	"strings"
	"testing"
)

// A message of characters without ink is no message, by whatever way it comes.
func TestBlankMessages(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		carol := r.connect(visit{user: "carol", key: "carol"})
		mallory := r.connect(visit{user: "mallory", key: "mallory", term: "xterm"})
		for _, blank := range []string{"\u2800", "\u1680", "\u2003", "\u3164", "\u115f\u1160", "\uffa0", "\u3000\u2800", "\u00a0", "\U0001d159", "\u200b\u2800\u200d"} {
			mallory.types(blank + "\r" + blank + " " + blank + "\r/say " + blank + "\r/me " + blank + "\rsend carol " + blank + "\r")
			c := r.connect(visit{user: "judy", key: "judy", command: "say -"})
			c.types(blank + "\n" + blank + "\n")
			c.ch.CloseWrite()
			c.leaves()
			if got := c.received(); !strings.Contains(got, "standard input has no text") {
				t.Errorf("%+q as a text: %q", blank, got)
			}
		}
		mallory.types("something to see\r")
		carol.sees("mallory: something to see")
		for line := range strings.Lines(carol.received()) {
			if strings.Contains(line, "mallory") && !strings.Contains(line, "something to see") && !strings.Contains(line, " * ") || strings.Contains(line, "judy:") {
				t.Errorf("carol is shown %q", line)
			}
		}
	})
}
