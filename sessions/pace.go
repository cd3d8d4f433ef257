package sessions

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace bounds how fast each nick may send, whatever the number of its sessions.
// Who is over the limit waits; nothing is lost by it. Safe for concurrent use.
type pace struct {
	limit rate.Limit
	burst int

	mu    sync.Mutex
	nicks map[string]*rate.Limiter
}

// burstFactor times the rate is what may come at once, for pasted and piped lines.
const burstFactor = 4

func newPace(perSecond float64) *pace {
	if perSecond <= 0 {
		return &pace{limit: rate.Inf}
	}
	return &pace{
		limit: rate.Limit(perSecond),
		burst: max(1, int(burstFactor*perSecond)),
		nicks: map[string]*rate.Limiter{},
	}
}

// charge counts n messages against what nick may send, and waits until that many may
// be sent; slow is called before that wait. It reports false when over was closed
// meanwhile; they count all the same.
func (p *pace) charge(nick string, n int, slow func(), over <-chan struct{}) bool {
	if p.limit == rate.Inf {
		return true
	}
	l := p.limiter(nick)
	var wait time.Duration
	for range n { // more than a burst can't be taken at once
		wait = l.Reserve().Delay()
	}
	if wait > 0 {
		slow()
	}
	turn := time.NewTimer(wait)
	defer turn.Stop()
	select {
	case <-turn.C:
		return true
	case <-over:
		return false
	}
}

// maxLimiters is when limiters that have filled up again are dropped.
const maxLimiters = 1024

func (p *pace) limiter(nick string) *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.nicks[nick]
	if l == nil {
		if len(p.nicks) >= maxLimiters {
			p.dropFull()
		}
		l = rate.NewLimiter(p.limit, p.burst)
		p.nicks[nick] = l
	}
	return l
}

func (p *pace) dropFull() {
	for nick, l := range p.nicks {
		if l.Tokens() >= float64(p.burst) {
			delete(p.nicks, nick)
		}
	}
}
