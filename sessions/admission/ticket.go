package admission

import (
	"errors"
	"net/netip"
	"time"
)

// ErrOver is what a visit says that was closed before.
var ErrOver = errors.New("the connection has ended")

// Ticket is one connection that the controller let in. Its methods may be called
// concurrently.
type Ticket struct {
	ctl    *Controller
	from   netip.Addr // unmapped, without zone; the zero Addr has none
	source source
	exempt bool

	// Owned by Controller.mu.
	state  state
	judged bool // how its login went has been counted
	unread int  // bytes
}

type state uint8

const (
	knocking state = iota // a handshake
	inside                // a session
	gone
)

// LoggedIn makes a session of a handshake. It returns a [*Refusal] when there are
// too many sessions, or when the address was banned since it was admitted, and
// [ErrOver] after Close. Refused, the visit stays a handshake until it is closed;
// called again inside, it does nothing.
func (v *Ticket) LoggedIn() error {
	d := v.ctl
	r := d.banned(v.from)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch v.state {
	case inside:
		return nil
	case gone:
		return ErrOver
	}
	if r == nil {
		r = d.fullRoom()
	}
	if r != nil {
		v.judged = true // it could log in: that is not held against it
		return d.refuse(v, r)
	}
	v.leaveHandshake()
	v.state = inside
	d.sessions++
	return nil
}

// Failed counts how the visit's login ended against its address; [Failure] tells what
// each costs. It counts once a visit and never after LoggedIn, so the caller may say
// what it saw without keeping book. It may be called after Close. Exempt addresses
// are not penalised.
func (v *Ticket) Failed(f Failure) {
	d := v.ctl
	d.mu.Lock()
	defer d.mu.Unlock()
	if v.judged || v.state == inside {
		return
	}
	v.judged = true
	d.stats.failed[f]++
	if v.exempt {
		return
	}
	d.memoryOf(v.source).penalise(v.source, f, d.now())
}

// Hold counts n bytes that the visit has sent and nobody has read yet. It reports
// false, and counts nothing, when its address or all together have sent too many:
// the connection is to be ended.
func (v *Ticket) Hold(n int) bool {
	d := v.ctl
	d.mu.Lock()
	defer d.mu.Unlock()
	if v.state == gone || d.unread+n > d.limits.UnreadInAll {
		return false
	}
	if !v.exempt {
		e := d.memoryOf(v.source).take(v.source) // there is one: the visit is open
		if e.unread+n > d.limits.Unread {
			return false
		}
		e.unread += n
	}
	d.unread += n
	v.unread += n
	return true
}

// Release gives back n bytes that Hold has counted. After Close there are none.
func (v *Ticket) Release(n int) {
	v.ctl.mu.Lock()
	defer v.ctl.mu.Unlock()
	v.release(min(n, v.unread))
}

// release is Release; the caller holds the lock.
func (v *Ticket) release(n int) {
	v.unread -= n
	v.ctl.unread -= n
	if !v.exempt && n > 0 {
		v.ctl.memoryOf(v.source).take(v.source).unread -= n
	}
}

// Close ends the visit. Only the first call counts.
func (v *Ticket) Close() {
	d := v.ctl
	d.mu.Lock()
	defer d.mu.Unlock()
	switch v.state {
	case gone:
		return
	case knocking:
		v.leaveHandshake()
	case inside:
		d.sessions--
		v.judged = true // it had logged in: nothing is held against it afterwards
	}
	v.state = gone
	v.release(v.unread)
	if !v.exempt {
		v.leave(d.now())
	}
}

// leaveHandshake gives back what a handshake holds. The caller holds the lock.
func (v *Ticket) leaveHandshake() {
	d := v.ctl
	d.handshakes--
	if v.exempt {
		return
	}
	n := networkOf(v.from)
	if d.networks[n]--; d.networks[n] == 0 {
		delete(d.networks, n)
	}
}

// leave gives back the address's place. The caller holds the lock.
func (v *Ticket) leave(now time.Duration) {
	m := v.ctl.memoryOf(v.source)
	e := m.take(v.source)
	e.visits--
	m.settle(e, now)
}
