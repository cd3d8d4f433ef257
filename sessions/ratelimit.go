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

// charge counts n messages against what nick may send, and waits until that many may
// be sent; slow is called before that wait. It reports false when over was closed
// meanwhile; they count all the same.
func (r *rateLimit) charge(nick string, n int, slow func(), over <-chan struct{}) bool {
	limit := r.of(nick)
	if limit == rate.Inf {
		return true
	}
	l := r.limiter(limited{nick, limit})
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

// count counts a message against nick's rate, without waiting.
func (r *rateLimit) count(nick string) {
	if limit := r.of(nick); limit != rate.Inf {
		r.limiter(limited{nick, limit}).Reserve()
	}
}

// paced waits until the person may send n messages, and reports whether the session still
// goes on then. slow is called before a wait.
func (s *session) paced(n int, slow func()) bool {
	return s.manager.rate.charge(s.member.Nick(), n, slow, s.ctx.Done()) && s.out.why() == nil
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
