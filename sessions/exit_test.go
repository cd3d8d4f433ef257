package sessions_test

import (
	"slices"
	"testing"
)

// The library ends a channel with status 0 when its handler returns, which must not
// come before the session's own.
func TestExitStatusOfPipes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	times := 50
	if full {
		times = 300
	}
	for range times {
		c := connect(t, r.addr, dial{user: "bob", key: "bob"})
		c.typed("send zoe hello\n")
		c.ch.CloseWrite()
		rows, ok := c.await(patience, func(rows []string) bool { return slices.ContainsFunc(rows, holds("(exit")) })
		if !ok || !slices.ContainsFunc(rows, holds("(exit status 1)")) {
			t.Fatalf("a line that was refused: %q", rows)
		}
		c.end()
	}
}
