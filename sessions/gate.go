package sessions

import (
	"slices"
	"sync"
)

// gate stands before an outbox until the past was printed: what the room puts meanwhile waits in it,
// bounded like what waits in the outbox. Safe for concurrent use; it never blocks.
type gate struct {
	out *outbox

	mu    sync.Mutex // owns the fields below
	open  bool
	queue []item
	bytes int // in queue
}

func (g *gate) put(it item) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		g.out.put(it, false)
		return
	}
	g.queue = append(g.queue, it)
	if g.bytes += it.size(); g.bytes > burstLimit {
		g.out.close(errSlow)
		g.pass() // which forgets it
	}
}

// drop forgets what waits, has no shown function, and is one of which.
func (g *gate) drop(which func(item) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = slices.DeleteFunc(g.queue, func(it item) bool { return it.shown == nil && which(it) })
}

// opens lets all through from now on.
func (g *gate) opens() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass()
}

// pass lets through what waits, and all that follows. mu is held.
func (g *gate) pass() {
	for _, it := range g.queue {
		g.out.put(it, false)
	}
	g.open, g.queue, g.bytes = true, nil, 0
}
