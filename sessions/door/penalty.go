package door

import "time"

// Failure is what a connection did wrong. The penalties are those of OpenSSH's
// PerSourcePenalties: they add up, pass with time, and shut the address out once
// more than penaltyMin has come together, until all of it has passed.
type Failure uint8

const (
	// NoAuth: it left without trying to log in, as port scanners do. 1 second.
	NoAuth Failure = iota
	// AuthFailed: it tried and was not let in. 5 seconds.
	AuthFailed
	// GraceExceeded: its time to log in ran out. 10 seconds.
	GraceExceeded
	// Prohibited: it proved who it is, and that is not welcome, such as a banned
	// key. 10 seconds.
	Prohibited
	// Crashed: it made the server panic. 90 seconds, each time.
	Crashed
	// WrongInvite: it came with an invitation code that does not exist. Five in
	// ten minutes are free, because people copy codes by hand; the fifth and each
	// one after cost 2 minutes.
	WrongInvite
	failures // how many there are
)

// Bounds of penalties, as sshd has them.
const (
	penaltyMin = 15 * time.Second // nothing happens before more than this
	penaltyMax = 10 * time.Minute // never more than this lies ahead
)

// Wrong invitation codes.
const (
	freeCodes   = 4
	codesForget = 10 * time.Minute // after the last wrong one
	codeCost    = 2 * time.Minute
)

// costs is what each failure costs by itself.
var costs = [failures]time.Duration{
	NoAuth:        time.Second,
	AuthFailed:    5 * time.Second,
	GraceExceeded: 10 * time.Second,
	Prohibited:    10 * time.Second,
	Crashed:       90 * time.Second,
}

// String names f for logs.
func (f Failure) String() string {
	names := [failures]string{"noauth", "authfail", "grace-exceeded", "prohibited", "crash", "wrong-invite"}
	if f >= failures {
		return "unknown"
	}
	return names[f]
}

// endsLogin tells the ways a login ends from what can happen several times.
func (f Failure) endsLogin() bool { return f != Crashed && f != WrongInvite }

// penalty is what an address has to wait. Times are the door's.
type penalty struct {
	until  time.Duration
	active bool    // more than penaltyMin had come together; stays until it is over
	last   Failure // what was added last
}

// add makes the penalty longer.
func (p *penalty) add(f Failure, cost, now time.Duration) {
	if p.until <= now {
		*p = penalty{until: now}
	}
	p.until = min(p.until+cost, now+penaltyMax)
	p.active = p.active || p.until-now > penaltyMin
	p.last = f
}

// wrongCodes counts invitation codes. Times are the door's.
type wrongCodes struct {
	count int
	until time.Duration // then it starts again
}

func (c *wrongCodes) add(now time.Duration) (cost time.Duration) {
	if c.until <= now {
		c.count = 0
	}
	c.count++
	c.until = now + codesForget
	if c.count <= freeCodes {
		return 0
	}
	return codeCost
}

// penalise makes s answer for f.
func (y *family) penalise(s source, f Failure, now time.Duration) {
	cost := costs[f]
	if f == WrongInvite {
		cost = y.guess(s, now)
	}
	if cost == 0 {
		return
	}
	e := y.visitors.take(s)
	e.penalty.add(f, cost, now)
	y.visitors.settle(e, now)
}

// guess counts a wrong code and returns what it costs.
func (y *family) guess(s source, now time.Duration) (cost time.Duration) {
	e := y.guessers.take(s)
	cost = e.codes.add(now)
	y.guessers.settle(e, now)
	return cost
}

// penalised returns the refusal that the address's penalty asks for, if any.
func (d *Door) penalised(e entry, now time.Duration) *Refusal {
	p := e.penalty
	if !p.active || p.until <= now {
		return nil
	}
	return &Refusal{Why: Penalised, For: p.last, Until: time.Now().Add(p.until - now)}
}
