// Package admission decides who may connect: from where, how many at a time and how
// often. It knows addresses, clocks and bans, and nothing of logins or keys; the one
// thing of ssh in it is how to turn somebody away in words ([Refuse]).
//
// For every accepted connection, before its first byte is answered, in a goroutine
// of its own:
//
//	visit, err := d.Admit(address)
//	if err != nil {
//		d.TurnAway(conn, version, err) // up to two seconds
//		return
//	}
//	defer visit.Close()
//
// and then [Ticket.LoggedIn] once the person is known, or [Ticket.Failed] with how
// it went wrong instead.
//
// An address, here, is one IPv4 address or one IPv6 /64, see [netaddr.Of].
//
// What is remembered of addresses is bounded whatever connects: see memory.
// Nothing runs in the background: what is over is found to be over when somebody
// looks.
package admission

import (
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"whoelse/keys/bans"
)

// Limits are what a controller holds to. A field that is zero has its default; a
// negative one means no limit.
type Limits struct {
	Sessions   int // connections that have logged in; 10,000
	Handshakes int // connections that have not yet; 100
	PerAddress int // connections of an address, both kinds together; 20
	// PerMinute is how many new connections an address may make at once, and then
	// in a minute; 30. It is a bucket that refills evenly: whoever used it up may
	// come again after a minute's thirtieth part.
	PerMinute int
	// Unread is how many bytes that nobody has read yet the connections of an address
	// may leave with the server, and UnreadInAll those of everybody; 4 and 32 MiB.
	Unread, UnreadInAll int
	// Exempt are the operator's own addresses. They answer for no limit but
	// Sessions and UnreadInAll, which are what the machine can carry, so that an attack that fills
	// the handshakes does not lock the operator out. They are counted, and bans
	// hold for them too. Also exempt is what has no address: a unix socket or pipe.
	//
	// Networks whose hosts all live in one /64 (a VPN's, or link-local) belong here,
	// or they share what one address may do. None of them is IPv4-mapped.
	Exempt []netip.Prefix
	// Sources is how many addresses that have gone are remembered, of IPv4 and of
	// IPv6 each; 65,536.
	Sources int
}

// Controller lets connections in. Its methods may be called concurrently.
type Controller struct {
	limits  Limits
	bans    *bans.List    // may be nil
	every   time.Duration // one more connection is allowed to an address
	began   time.Time     // the clock's zero
	leaving atomic.Int64  // people being turned away in words

	mu         sync.Mutex // owns all below, and the visits and entries
	sessions   int
	handshakes int
	unread     int                  // bytes
	networks   map[netip.Prefix]int // handshakes by network; no zeros in it
	v4, v6     memory               // apart: addresses of IPv6 cost nothing and must not push out others
	stats      tally
}

// New returns a controller that nobody has come through yet. bans may be nil.
func New(l Limits, bans *bans.List) *Controller {
	l.Sessions = limit(l.Sessions, 10_000)
	l.Handshakes = limit(l.Handshakes, 100)
	l.PerAddress = limit(l.PerAddress, 20)
	l.PerMinute = limit(l.PerMinute, 30)
	l.Unread = limit(l.Unread, 4<<20)
	l.UnreadInAll = limit(l.UnreadInAll, 32<<20)
	l.Sources = limit(l.Sources, 65_536)
	return &Controller{
		limits:   l,
		bans:     bans,
		every:    time.Minute / time.Duration(l.PerMinute),
		began:    time.Now(),
		networks: map[netip.Prefix]int{},
		v4:       newMemory(l.Sources),
		v6:       newMemory(l.Sources),
	}
}

func limit(n, otherwise int) int {
	switch {
	case n == 0:
		return otherwise
	case n < 0:
		return math.MaxInt
	}
	return n
}

// Admit lets a new connection in, or returns a [*Refusal]. A refused connection
// leaves no trace but in the statistics: it is neither counted nor remembered, so
// refusing costs the same however many there are. Whoever is admitted has to be
// closed.
//
// Bans are enforced before all else and for everybody, exempt addresses too: an
// operator who bans one of them means it.
func (d *Controller) Admit(from netip.Addr) (*Ticket, error) {
	v := d.ticket(from)
	banned := d.banned(v.from)
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	r := banned
	if r == nil {
		r = d.full(v, now)
	}
	if r != nil {
		return nil, d.refuse(v, r)
	}
	d.enter(v, now)
	return v, nil
}

func (d *Controller) ticket(from netip.Addr) *Ticket {
	from = from.Unmap().WithZone("")
	return &Ticket{ctl: d, from: from, source: sourceOf(from), exempt: d.isExempt(from)}
}

func (d *Controller) isExempt(from netip.Addr) bool {
	if !from.IsValid() {
		return true
	}
	for _, p := range d.limits.Exempt {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

// banned asks outside of the controller's lock: the bans have their own.
func (d *Controller) banned(from netip.Addr) *Refusal {
	if d.bans == nil || !from.IsValid() {
		return nil
	}
	ban, ok := d.bans.Address(from)
	if !ok {
		return nil
	}
	return &Refusal{Why: Banned, Until: ban.Until, Reason: ban.Reason}
}

// full finds the limit that keeps v out, the one that is most its own fault
// first. The rate is last, so that nobody pays for a connection that another limit
// refuses.
func (d *Controller) full(v *Ticket, now time.Duration) *Refusal {
	if v.exempt {
		return d.fullRoom()
	}
	e := d.memoryOf(v.source).look(v.source)
	if r := d.penalised(e, now); r != nil {
		return r
	}
	if e.visits >= d.limits.PerAddress {
		return &Refusal{Why: TooManyFromAddress, Limit: d.limits.PerAddress}
	}
	if r := d.fullRoom(); r != nil {
		return r
	}
	if d.handshakes >= d.limits.Handshakes || d.shareTaken(v) {
		return &Refusal{Why: TooManyHandshakes, Limit: d.limits.Handshakes}
	}
	return d.tooFast(e, now)
}

func (d *Controller) fullRoom() *Refusal {
	if d.sessions < d.limits.Sessions {
		return nil
	}
	return &Refusal{Why: TooManySessions, Limit: d.limits.Sessions}
}

// shareTaken keeps half of the handshakes for others than v's network, because
// who owns a network has addresses without end: a hundred of them, silent after
// the banner, would shut everybody else out.
func (d *Controller) shareTaken(v *Ticket) bool {
	return !v.from.IsPrivate() && !v.from.IsLoopback() &&
		d.networks[networkOf(v.from)] >= max(1, d.limits.Handshakes/2)
}

func (d *Controller) tooFast(e entry, now time.Duration) *Refusal {
	room := d.every * time.Duration(d.limits.PerMinute-1)
	wait := max(e.rested, now) - now - room
	if wait <= 0 {
		return nil
	}
	return &Refusal{Why: TooFast, Limit: d.limits.PerMinute, Until: time.Now().Add(wait)}
}

// enter counts v as a handshake.
func (d *Controller) enter(v *Ticket, now time.Duration) {
	d.handshakes++
	d.stats.admitted++
	if v.exempt {
		return
	}
	d.networks[networkOf(v.from)]++
	m := d.memoryOf(v.source)
	e := m.take(v.source)
	e.visits++
	e.rested = max(e.rested, now) + d.every
	m.settle(e, now)
}

func (d *Controller) memoryOf(s source) *memory {
	if s.v6 {
		return &d.v6
	}
	return &d.v4
}

// now is the time since the controller was made, which no clock that is set disturbs.
func (d *Controller) now() time.Duration { return time.Since(d.began) }
