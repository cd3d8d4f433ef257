package admission

import "time"

// Failure is how a login ended that did not let anybody in. The penalties are those
// of OpenSSH's PerSourcePenalties: they add up, pass with time, and shut the address
// out once more than penaltyMin has come together, until all of it has passed.
type Failure uint8

const (
	// NoAuth: it left without trying to log in, as port scanners do. 1 second.
	NoAuth Failure = iota
	// AuthFailed: it tried and was not let in. 5 seconds.
	AuthFailed
	// GraceExceeded: its time to log in ran out. 10 seconds.
	GraceExceeded
	// Crashed: it made the server panic. 90 seconds.
	Crashed
	failures // how many there are
)

// Bounds of penalties, as sshd has them.
const (
	penaltyMin = 15 * time.Second // nothing happens before more than this
	penaltyMax = 10 * time.Minute // never more than this lies ahead
)

// costs is what each failure costs by itself.
var costs = [failures]time.Duration{
	NoAuth:        time.Second,
	AuthFailed:    5 * time.Second,
	GraceExceeded: 10 * time.Second,
	Crashed:       90 * time.Second,
}

// String names f for logs.
func (f Failure) String() string {
	names := [failures]string{"noauth", "authfail", "grace-exceeded", "crash"}
	if f >= failures {
		return "unknown"
	}
	return names[f]
}

// penalty is what an address has to wait. Times are the controller's.
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

// penalise makes s answer for f.
func (m *memory) penalise(s source, f Failure, now time.Duration) {
	e := m.take(s)
	e.penalty.add(f, costs[f], now)
	m.settle(e, now)
}

// penalised returns the refusal that the address's penalty asks for, if any.
func (d *Controller) penalised(e entry, now time.Duration) *Refusal {
	p := e.penalty
	if !p.active || p.until <= now {
		return nil
	}
	return &Refusal{Why: Penalised, For: p.last, Until: time.Now().Add(p.until - now)}
}
