package sessions

import (
	"slices"
	"sync"

	"whoelse/room"
)

// gate holds back updates from an outbox until earlier messages are printed. Its queue is bounded like that of the
// outbox. Safe for concurrent use; it never blocks.
type gate struct {
	out    *outbox
	wanted func(*room.Message) bool // of Put

	mu    sync.Mutex // owns the fields below
	open  bool
	queue []item
	bytes int // in queue
}

// Put implements room.Sink: it puts wanted messages, except receipts.
func (g *gate) Put(u *room.Update, _ func(bool)) {
	if m := u.Message; m != nil && m.Kind != room.KindReceipt && g.wanted(m) {
		g.put(item{event: u})
	}
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

// drop removes queued items that which selects, except those with a shown function.
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
