package render

import (
	"fmt"
	"hash/fnv"
	"sync"
)

// palette holds colours of the 256-colour table that can be read on black and on
// white, and told apart. Neighbours differ most.
var palette = [...]uint8{33, 166, 71, 133, 136, 63, 161, 37, 130, 99, 100, 168}

// Colors gives the nicks of those who are present a colour each: the same on every
// screen, and no two the same while there are enough. Who is not present has the
// colour that a nick has by itself. Safe for concurrent use; nil has no presence.
type Colors struct {
	mu   sync.RWMutex
	of   map[string]*assigned
	used [len(palette)]int // by how many nicks
}

type assigned struct {
	color    int
	sessions int
}

// Enter gives nick a colour until as many calls of Leave.
func (c *Colors) Enter(nick string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.of[nick]; a != nil {
		a.sessions++
		return
	}
	own := ownColor(nick)
	best := own
	for i := range palette {
		if next := (own + i) % len(palette); c.used[next] < c.used[best] {
			best = next
		}
	}
	if c.of == nil {
		c.of = map[string]*assigned{}
	}
	c.of[nick] = &assigned{color: best, sessions: 1}
	c.used[best]++
}

// Leave undoes one Enter.
func (c *Colors) Leave(nick string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.of[nick]
	if a == nil {
		return
	}
	if a.sessions--; a.sessions == 0 {
		delete(c.of, nick)
		c.used[a.color]--
	}
}

func (c *Colors) color(nick string) int {
	if c != nil {
		c.mu.RLock()
		defer c.mu.RUnlock()
		if a := c.of[nick]; a != nil {
			return a.color
		}
	}
	return ownColor(nick)
}

// ownColor depends on the nick alone.
func ownColor(nick string) int {
	h := fnv.New32a()
	h.Write([]byte(nick))
	return int(h.Sum32() % uint32(len(palette)))
}

// Nick appends a nick in its colour.
func Nick(dst []byte, nick string, st Style) []byte {
	if !st.Color {
		return append(dst, nick...)
	}
	dst = fmt.Appendf(dst, "\x1b[38;5;%dm", palette[st.Colors.color(nick)])
	dst = append(dst, nick...)
	return append(dst, reset...)
}
