package invites

import (
	"net/netip"
	"sync"
	"time"

	"whoelse/internal/netaddr"
)

// Bounds of a Guard.
const (
	freeTries   = 5
	firstWait   = time.Minute
	longestWait = time.Hour
	guardMax    = 10_000 // addresses remembered
)

// Guard makes an address that gave wrong codes wait: after five, for a minute, and
// for each further one twice as long, up to an hour. An address is forgotten after
// twice that, and not because of a right code: who has one could else go on guessing
// others. Its zero value is ready; its methods may be called concurrently.
type Guard struct {
	// Now is the clock, time.Now if nil. It is set before the first call.
	Now func() time.Time

	mu    sync.Mutex
	wrong map[netip.Prefix]*tries
}

type tries struct {
	n    int
	last time.Time
}

// Wait gives how long the address has to wait before it may try a code; 0 is now.
func (g *Guard) Wait(from netip.Addr) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.wrong[netaddr.Of(from)]
	if t == nil {
		return 0
	}
	return max(0, t.wait()-g.now().Sub(t.last))
}

// Wrong notes a wrong code.
func (g *Guard) Wrong(from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget()
	if g.wrong == nil {
		g.wrong = make(map[netip.Prefix]*tries)
	}
	where := netaddr.Of(from)
	t := g.wrong[where]
	if t == nil || g.old(t) {
		t = &tries{}
		g.wrong[where] = t
	}
	t.n++
	t.last = g.now()
}

func (t *tries) wait() time.Duration {
	if t.n < freeTries {
		return 0
	}
	return min(longestWait, firstWait<<min(t.n-freeTries, 10))
}

// forget makes room when there are too many: first those that have been quiet, and
// if there are none, all, since a flood of addresses is no guess worth remembering.
func (g *Guard) forget() {
	if len(g.wrong) < guardMax {
		return
	}
	for where, t := range g.wrong {
		if g.old(t) {
			delete(g.wrong, where)
		}
	}
	if len(g.wrong) >= guardMax {
		clear(g.wrong)
	}
}

// old tells whether tries are so long ago that they are forgotten.
func (g *Guard) old(t *tries) bool { return g.now().Sub(t.last) > 2*longestWait }

func (g *Guard) now() time.Time {
	if g.Now != nil {
		return g.Now()
	}
	return time.Now()
}
