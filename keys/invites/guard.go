package invites

import (
	"maps"
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
// twice that, and not because of a right code: its owner could else go on guessing
// others. Its zero value is ready; its methods may be called concurrently.
type Guard struct {
	mu    sync.Mutex
	wrong map[netip.Prefix]tries
}

type tries struct {
	n    int
	last time.Time
}

func (t tries) old() bool { return time.Since(t.last) > 2*longestWait }

// Wait gives how long the address has to wait before it may try a code; 0 is now.
func (g *Guard) Wait(from netip.Addr) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.wrong[netaddr.Of(from)]
	if t.n < freeTries {
		return 0
	}
	return max(0, min(longestWait, firstWait<<min(t.n-freeTries, 10))-time.Since(t.last))
}

// Wrong notes a wrong code. Where there are too many addresses, those go that were quiet,
// and if there are none, all: a flood of addresses is not guesses worth remembering.
func (g *Guard) Wrong(from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.wrong) >= guardMax {
		maps.DeleteFunc(g.wrong, func(_ netip.Prefix, t tries) bool { return t.old() })
	}
	if g.wrong == nil || len(g.wrong) >= guardMax {
		g.wrong = make(map[netip.Prefix]tries)
	}
	where := netaddr.Of(from)
	t := g.wrong[where]
	if t.old() {
		t.n = 0
	}
	g.wrong[where] = tries{t.n + 1, time.Now()}
}
