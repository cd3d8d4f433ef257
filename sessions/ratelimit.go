package sessions

import (
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rateLimit bounds how fast each nick may send, whatever the number of its sessions.
// Who is over the limit waits; nothing is lost by it. Safe for concurrent use.
type rateLimit struct {
	people, bots float64 // a second; 0 is no limit
	isBot        func(nick string) bool

	mu    sync.Mutex
	nicks map[string]*rate.Limiter
}

// burstFactor times the rate is what may come at once, for pasted and piped lines.
const burstFactor = 4

func newRateLimit(people, bots float64, isBot func(nick string) bool) *rateLimit {
	return &rateLimit{people: people, bots: bots, isBot: isBot, nicks: map[string]*rate.Limiter{}}
}

// of is how many messages a second nick may send.
func (r *rateLimit) of(nick string) rate.Limit {
	perSecond := r.people
	if r.isBot(nick) {
		perSecond = r.bots
	}
	if perSecond <= 0 {
		return rate.Inf
	}
	return rate.Limit(perSecond)
}

// count counts n messages against what nick may send, and returns how long to wait until
// that many may be sent.
func (r *rateLimit) count(nick string, n int) (wait time.Duration) {
	limit := r.of(nick)
	if limit == rate.Inf {
		return 0
	}
	l := r.limiter(nick, limit)
	for range n { // more than a burst can't be taken at once
		wait = l.Reserve().Delay()
	}
	return wait
}

// paced counts n messages, waits until the person may send them, and reports whether the
// session still goes on then. They count all the same.
func (s *session) paced(n int) bool { return s.waits(s.manager.rate.count(s.member.Nick(), n)) }

func (s *session) waits(wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return s.out.why() == nil
	case <-s.ctx.Done():
		return false
	}
}

// maxLimiters is when limiters that have filled up again are dropped.
const maxLimiters = 1024

func (r *rateLimit) limiter(nick string, limit rate.Limit) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.nicks[nick]
	if l == nil || l.Limit() != limit { // a bot has become one just now
		if len(r.nicks) >= maxLimiters {
			maps.DeleteFunc(r.nicks, func(_ string, l *rate.Limiter) bool { return l.Tokens() >= float64(l.Burst()) })
		}
		l = rate.NewLimiter(limit, max(1, int(burstFactor*limit)))
		r.nicks[nick] = l
	}
	return l
}
