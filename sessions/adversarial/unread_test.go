package adversarial

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"whoelse/sessions/internal/rawssh"
)

// TestHugeWindow: somebody whose window is without end answers nothing any more, and
// all that is written to them is taken, as large buffers on the way would. No write ever
// stands, and they are let go nevertheless.
func TestHugeWindow(t *testing.T) {
	t.Parallel()
	onlyFull(t)
	along(t, options{}, func(r *rig) {
		c := r.raw("mallory")
		c.Session(1<<31, 1<<15)
		c.Write(rawssh.Request(0, "shell", false, nil))
		for { // until there is a greeting, and no further
			if p, err := c.Next(); err != nil {
				t.Fatal(err)
			} else if p[0] == rawssh.ChannelData {
				break
			}
		}
		var taking sync.WaitGroup
		taking.Go(func() { r.hungUp(c) })
		dora := r.connect(visit{user: "dora", key: "dora"})
		line := strings.Repeat("x", 3900) + "\n"
		for n := range 4 {
			dora.types(strings.Repeat(line, 25) + fmt.Sprintf("more %d\n", n))
			dora.sees(fmt.Sprintf("dora: more %d", n))
		}
		eventually(t, "who reads nothing is still here", func() bool {
			return r.log.has("session ended", "nick=mallory", "too slow")
		})
		taking.Wait()
	})
}

// has tells whether one line of the log has all of parts.
func (d *diary) has(parts ...string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for line := range strings.Lines(d.all.String()) {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			return true
		}
	}
	return false
}
