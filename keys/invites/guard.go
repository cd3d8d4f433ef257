package invites

import (
	"maps"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"whoelse/internal/netaddr"
)

// Bounds of a Guard.
const (
	freeTries = 5
	tryEvery  = time.Minute
	guardMax  = 10_000 // addresses remembered
)

// Guard makes an address that gave wrong codes wait: after five, for a minute before each
// further one. A right code does not help: its owner could else go on guessing others. Its
// zero value is ready; its methods may be called concurrently.
type Guard struct {
	mu    sync.Mutex
	tries map[netip.Prefix]*rate.Limiter
}

// Wait gives how long the address has to wait before it may try a code; 0 is now.
func (g *Guard) Wait(from netip.Addr) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	left := g.tries[netaddr.Of(from)]
	if left == nil {
		return 0
	}
	return max(0, time.Duration((1-left.Tokens())*float64(tryEvery)))
}

// Wrong notes a wrong code. Where there are too many addresses, those go that were quiet,
// and if there are none, all: a flood of addresses is not guesses worth remembering.
func (g *Guard) Wrong(from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.tries) >= guardMax {
		maps.DeleteFunc(g.tries, func(_ netip.Prefix, left *rate.Limiter) bool { return left.Tokens() >= freeTries })
	}
	if g.tries == nil || len(g.tries) >= guardMax {
		g.tries = make(map[netip.Prefix]*rate.Limiter)
	}
	where := netaddr.Of(from)
	if g.tries[where] == nil {
		g.tries[where] = rate.NewLimiter(rate.Every(tryEvery), freeTries)
	}
	g.tries[where].Allow()
}
