package render

import (
	"fmt"
	"hash/fnv"
	"sync"
)

// palette holds colours of the 256-colour table that can be read on black and on
// white, and told apart. Neighbours differ most.
var palette = [...]uint8{33, 166, 71, 133, 136, 63, 161, 37, 130, 99, 100, 168}

// Colors gives each nick that is present a colour: the same on every screen, and a
// different one for each while there are enough. Other nicks have a colour that depends
// on the nick alone. Safe for concurrent use; in a nil Colors nobody is present.
type Colors struct {
	mu   sync.RWMutex
	of   map[string]*assigned
	used [len(palette)]int // by how many nicks
}

type assigned struct{ color, sessions int }

// Enter gives nick a colour until as many calls of Leave.
func (c *Colors) Enter(nick string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.of[nick]
	if a == nil {
		own := ownColor(nick)
		a = &assigned{color: own}
		for i := range palette {
			if next := (own + i) % len(palette); c.used[next] < c.used[a.color] {
				a.color = next
			}
		}
		if c.of == nil {
			c.of = map[string]*assigned{}
		}
		c.of[nick] = a
		c.used[a.color]++
	}
	a.sessions++
}

// Leave undoes one Enter.
func (c *Colors) Leave(nick string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.of[nick]; a != nil {
		if a.sessions--; a.sessions == 0 {
			delete(c.of, nick)
			c.used[a.color]--
		}
	}
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
	color := ownColor(nick)
	if c := st.Colors; c != nil {
		c.mu.RLock()
		defer c.mu.RUnlock()
		if a := c.of[nick]; a != nil {
			color = a.color
		}
	}
	return fmt.Appendf(dst, "\x1b[38;5;%dm%s%s", palette[color], nick, reset)
}
