package sessions

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rateLimit bounds how fast each nick may send, whatever the number of its sessions.
// Who is over the limit waits; nothing is lost by it. Safe for concurrent use.
type rateLimit struct {
	limit rate.Limit
	burst int

	mu    sync.Mutex
	nicks map[string]*rate.Limiter
}

// burstFactor times the rate is what may come at once, for pasted and piped lines.
const burstFactor = 4

func newRateLimit(perSecond float64) *rateLimit {
	if perSecond <= 0 {
		return &rateLimit{limit: rate.Inf}
	}
	return &rateLimit{
		limit: rate.Limit(perSecond),
		burst: max(1, int(burstFactor*perSecond)),
		nicks: map[string]*rate.Limiter{},
	}
}

// charge counts n messages against what nick may send, and waits until that many may
// be sent; slow is called before that wait. It reports false when over was closed
// meanwhile; they count all the same.
func (r *rateLimit) charge(nick string, n int, slow func(), over <-chan struct{}) bool {
	if r.limit == rate.Inf {
		return true
	}
	l := r.limiter(nick)
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

// paced waits until the person may send n messages, and reports whether the session still
// goes on then. slow is called before a wait.
func (s *session) paced(n int, slow func()) bool {
	return s.manager.rate.charge(s.member.Nick(), n, slow, s.ctx.Done()) && s.out.why() == nil
}

// maxLimiters is when limiters that have filled up again are dropped.
const maxLimiters = 1024

func (r *rateLimit) limiter(nick string) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.nicks[nick]
	if l == nil {
		if len(r.nicks) >= maxLimiters {
			r.dropFull()
		}
		l = rate.NewLimiter(r.limit, r.burst)
		r.nicks[nick] = l
	}
	return l
}

func (r *rateLimit) dropFull() {
	for nick, l := range r.nicks {
		if l.Tokens() >= float64(r.burst) {
			delete(r.nicks, nick)
		}
	}
}
