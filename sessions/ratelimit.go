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
	people, bots rate.Limit
	isBot        func(nick string) bool

	mu    sync.Mutex
	nicks map[limited]*rate.Limiter
}

// limited is a nick, with the limit that it had.
type limited struct {
	nick  string
	limit rate.Limit
}

// burstFactor times the rate is what may come at once, for pasted and piped lines.
const burstFactor = 4

func newRateLimit(people, bots float64, isBot func(nick string) bool) *rateLimit {
	limit := func(perSecond float64) rate.Limit {
		if perSecond <= 0 {
			return rate.Inf
		}
		return rate.Limit(perSecond)
	}
	return &rateLimit{people: limit(people), bots: limit(bots), isBot: isBot, nicks: map[limited]*rate.Limiter{}}
}

// of is how many messages a second nick may send.
func (r *rateLimit) of(nick string) rate.Limit {
	if r.isBot(nick) {
		return r.bots
	}
	return r.people
}

// count counts n messages against what nick may send, and returns how long to wait until
// that many may be sent.
func (r *rateLimit) count(nick string, n int) (wait time.Duration) {
	limit := r.of(nick)
	if limit == rate.Inf {
		return 0
	}
	l := r.limiter(limited{nick, limit})
	for range n { // more than a burst can't be taken at once
		wait = l.Reserve().Delay()
	}
	return wait
}

// paced counts n messages, waits until the person may send them, and reports whether the
// session still goes on then. They count all the same.
func (s *session) paced(n int) bool { return s.waits(s.manager.rate.count(s.member.Nick(), n)) }

func (s *session) waits(wait time.Duration) bool {
	turn := time.NewTimer(wait)
	defer turn.Stop()
	select {
	case <-turn.C:
		return s.out.why() == nil
	case <-s.ctx.Done():
		return false
	}
}

// maxLimiters is when limiters that have filled up again are dropped.
const maxLimiters = 1024

func (r *rateLimit) limiter(of limited) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.nicks[of]
	if l == nil {
		if len(r.nicks) >= maxLimiters {
			maps.DeleteFunc(r.nicks, func(_ limited, l *rate.Limiter) bool { return l.Tokens() >= float64(l.Burst()) })
		}
		l = rate.NewLimiter(of.limit, max(1, int(burstFactor*of.limit)))
		r.nicks[of] = l
	}
	return l
}
