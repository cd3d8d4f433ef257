package sessions

import (
	"time"

	"whoelse/internal/limit"
)

// rateLimit bounds how fast each nick may send, whatever the number of its sessions.
// Who is over the limit waits; nothing is lost by it. Safe for concurrent use.
type rateLimit struct {
	people, bots allowance
	isBot        func(nick string) bool
}

// allowance is how many messages a second a nick may send; 0 is no limit.
type allowance struct {
	perSecond float64
	used      *limit.Limiter
}

// burstFactor times the rate is what may come at once, for pasted and piped lines.
const burstFactor = 4

func newRateLimit(people, bots float64, isBot func(nick string) bool) *rateLimit {
	allow := func(perSecond float64) allowance {
		var bucket limit.Bucket
		if perSecond > 0 {
			burst := max(1, int64(burstFactor*perSecond))
			bucket = limit.Bucket{Size: burst, Per: time.Duration(float64(burst) / perSecond * float64(time.Second))}
		}
		return allowance{perSecond, limit.New(limit.Limits{Buckets: map[limit.Scope]limit.Buckets{limit.Nick: {bucket}}})}
	}
	return &rateLimit{people: allow(people), bots: allow(bots), isBot: isBot}
}

// of is what nick may send.
func (r *rateLimit) of(nick string) allowance {
	if r.isBot(nick) {
		return r.bots
	}
	return r.people
}

// count counts n messages against what nick may send, and returns how long to wait until
// that many may be sent.
func (r *rateLimit) count(nick string, n int) (wait time.Duration) {
	return r.of(nick).used.Take(limit.Who{Nick: nick}, int64(n))
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
