// Package admission decides who may connect: from where, how many at a time and how
// often. It knows addresses, clocks and bans, and nothing of logins or keys; the one
// thing of ssh in it is how to turn somebody away in words.
//
// For every accepted connection, before its first byte is answered:
//
//	ticket, err := c.Admit(address)
//	if err != nil {
//		c.TurnAway(conn, version, err) // up to two seconds
//		return
//	}
//	defer ticket.Close()
//
// and then [Ticket.LoggedIn] once the person is known, or [Ticket.Failed] with how
// it went wrong instead.
//
// An address, here, is one IPv4 address or one IPv6 /64, see [limit.AddressOf].
package admission

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"whoelse/internal/limit"
	"whoelse/keys/bans"
	"whoelse/sessions/text"
)

// Limits are what a controller holds to. A field that is zero has its default.
type Limits struct {
	Sessions   int // connections that have logged in; 10,000
	Handshakes int // connections that have not yet; 100
	PerAddress int // connections of an address, both kinds together; 20
	// PerMinute is how many new connections an address may make at once, and then in a
	// minute, evenly; 30.
	PerMinute int
	// UnreadInAll is how many bytes that nobody has read yet all connections together may leave
	// with the server; 32 MiB. Those of an address have an eighth of it.
	UnreadInAll int
	// Exempt are the operator's own addresses, none of them IPv4-mapped. Of the limits only
	// Sessions and UnreadInAll, which are what the machine can carry, hold for them, so that
	// an attack that fills the handshakes does not lock the operator out; and so do bans.
	// Also exempt is what has no address.
	Exempt []netip.Prefix
	// Sources is how many addresses are remembered, of IPv4 and of IPv6 each; 65,536.
	Sources int
}

// Failure is how a login ended that did not let anybody in, as logs and metrics name it.
type Failure string

const (
	NoAuth        Failure = "noauth"         // it left without trying to log in, as port scanners do
	AuthFailed    Failure = "authfail"       // it tried and was not let in
	GraceExceeded Failure = "grace-exceeded" // its time to log in ran out
	Crashed       Failure = "crash"          // it made the server panic
)

// penalties are those of OpenSSH's PerSourcePenalties, with the words for them: they add
// up, pass with time, and shut the address out once more than penaltyMin has come
// together, until all of it has passed.
var penalties = map[Failure]struct {
	cost  time.Duration
	words string
}{
	NoAuth:        {time.Second, "too many connections from your address that did not log in"},
	AuthFailed:    {5 * time.Second, "too many failed logins from your address"},
	GraceExceeded: {10 * time.Second, "too many logins from your address that took too long"},
	Crashed:       {90 * time.Second, "a connection from your address made the server fail"},
}

const (
	penaltyMin = 15 * time.Second // nothing happens before more than this
	penaltyMax = 10 * time.Minute // never more than this lies ahead
)

// Why is a reason to keep somebody out, as logs and metrics name it.
type Why string

const (
	Banned             Why = "banned"      // by an operator
	Penalised          Why = "penalised"   // for what the address did before
	TooManyFromAddress Why = "per-address" // open connections
	TooManySessions    Why = "sessions"    // in all
	TooManyHandshakes  Why = "handshakes"  // in all, or of one network
	TooFast            Why = "rate"        // new connections of an address
)

// Refusal is the error that keeps somebody out. Its words are for the person who
// is kept out, and are clean: one line of plain text.
type Refusal struct {
	Why   Why
	Wait  time.Duration // for Penalised and TooFast
	words string
}

func (r *Refusal) Error() string {
	if r.Wait > 0 {
		return r.words + "; try again in " + limit.Wait(r.Wait)
	}
	return r.words
}

func refuse(why Why, wait time.Duration, words string, args ...any) *Refusal {
	return &Refusal{why, wait, fmt.Sprintf(words, args...)}
}

// ErrOver is the error of a ticket that was closed before.
var ErrOver = errors.New("the connection has ended")

// Controller lets connections in. Its methods may be called concurrently.
type Controller struct {
	// Unread counts the bytes that clients have sent and nobody has read.
	Unread *limit.Limiter

	limits  Limits
	bans    *bans.List    // may be nil
	every   time.Duration // one more connection is allowed to an address
	began   time.Time     // the clock's zero, which setting the clock does not disturb
	leaving atomic.Int64  // people being turned away in words

	mu       sync.Mutex // owns all below, and the tickets
	networks map[netip.Prefix]int
	stats    Stats
	// What is remembered of addresses, each as long as it matters. IPv4 and IPv6 are
	// apart: addresses of IPv6 cost nothing and must not push out others.
	v4, v6 *limit.Table[netip.Prefix, source]
}

// source is what is known of an address. Times are the controller's.
type source struct {
	open    int           // connections
	rested  time.Duration // when the last of its connections stops counting as new
	penalty time.Duration // when the last of it is over
	barred  bool          // more than penaltyMin had come together; stays until it is over
	last    Failure
}

// Stats is what a controller has seen since it was made, and holds now.
type Stats struct {
	Handshakes int // now
	Sessions   int // now
	Admitted   uint64
	Refused    map[Why]uint64     // all reasons, also those that never happened
	Failed     map[Failure]uint64 // what was counted, exempt addresses included
}

// New returns a controller that nobody has come through yet. bans may be nil.
func New(l Limits, bans *bans.List) *Controller {
	l.Sessions, l.Handshakes = cmp.Or(l.Sessions, 10_000), cmp.Or(l.Handshakes, 100)
	l.PerAddress, l.PerMinute = cmp.Or(l.PerAddress, 20), cmp.Or(l.PerMinute, 30)
	l.UnreadInAll, l.Sources = cmp.Or(l.UnreadInAll, 32<<20), cmp.Or(l.Sources, 65_536)
	c := &Controller{
		limits: l, bans: bans, every: time.Minute / time.Duration(l.PerMinute), began: time.Now(),
		networks: map[netip.Prefix]int{},
		Unread: limit.New(limit.Limits{Exempt: l.Exempt, Buckets: map[limit.Scope]limit.Buckets{
			limit.Address: {{Size: int64(l.UnreadInAll / 8), Per: limit.Held}},
			limit.All:     {{Size: int64(l.UnreadInAll), Per: limit.Held}},
		}}),
		v4: limit.NewTable[netip.Prefix, source](l.Sources, nil),
		v6: limit.NewTable[netip.Prefix, source](l.Sources, nil),
	}
	c.stats.Refused = map[Why]uint64{
		Banned: 0, Penalised: 0, TooManyFromAddress: 0, TooManySessions: 0, TooManyHandshakes: 0, TooFast: 0,
	}
	c.stats.Failed = map[Failure]uint64{NoAuth: 0, AuthFailed: 0, GraceExceeded: 0, Crashed: 0}
	return c
}

// Stats returns a copy of the controller's statistics.
func (c *Controller) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Refused, s.Failed = maps.Clone(s.Refused), maps.Clone(s.Failed)
	return s
}

func (c *Controller) now() time.Duration { return time.Since(c.began) }

func (c *Controller) table(of netip.Prefix) *limit.Table[netip.Prefix, source] {
	if of.Addr().Is6() {
		return c.v6
	}
	return c.v4
}

func (c *Controller) look(of netip.Prefix) source {
	s, _ := c.table(of).Get(of)
	return s
}

// change changes what is known of an address, which is kept while a connection of it is
// open. The caller holds the lock.
func (c *Controller) change(of netip.Prefix, f func(*source)) {
	s := c.look(of)
	f(&s)
	until := max(s.rested, s.penalty)
	if s.open > 0 {
		until = limit.Forever
	}
	c.table(of).Set(of, s, until, c.now())
}

// Admit lets a new connection in, or returns a [*Refusal]. A refused connection leaves no
// trace but in the statistics, so refusing costs the same however many there are. Bans
// come first and hold for exempt addresses too: an operator who bans one of them means it.
func (c *Controller) Admit(from netip.Addr) (*Ticket, error) {
	from = from.Unmap().WithZone("")
	t := &Ticket{
		ctl: c, from: from, source: limit.AddressOf(from), network: limit.BlockOf(from, 16, 32),
		exempt: limit.IsExempt(from, c.limits.Exempt),
	}
	r := c.banned(from)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r == nil {
		r = c.full(t)
	}
	if r != nil {
		c.stats.Refused[r.Why]++
		return nil, r
	}
	c.stats.Handshakes++
	c.stats.Admitted++
	if !t.exempt {
		c.networks[t.network]++
		c.change(t.source, func(s *source) {
			s.open++
			s.rested = max(s.rested, c.now()) + c.every
		})
	}
	return t, nil
}

// banned asks outside of the controller's lock: the bans have their own.
func (c *Controller) banned(from netip.Addr) *Refusal {
	if c.bans == nil || !from.IsValid() {
		return nil
	}
	ban, banned := c.bans.Address(from)
	if !banned {
		return nil
	}
	return refuse(Banned, 0, "your address is %s", text.CleanLine(ban.Terms()))
}

// full finds the limit that keeps t out, the one that is most its own fault
// first. The rate is last, so that nobody pays for a connection that another limit
// refuses.
func (c *Controller) full(t *Ticket) *Refusal {
	if t.exempt {
		return c.fullRoom()
	}
	s, now := c.look(t.source), c.now()
	if s.barred && s.penalty > now {
		return refuse(Penalised, s.penalty-now, "%s", penalties[s.last].words)
	}
	if s.open >= c.limits.PerAddress {
		words := "too many connections from your address: %d at the same time are allowed"
		return refuse(TooManyFromAddress, 0, words, c.limits.PerAddress)
	}
	if r := c.fullRoom(); r != nil {
		return r
	}
	if c.stats.Handshakes >= c.limits.Handshakes || c.shareTaken(t) {
		return refuse(TooManyHandshakes, 0, "too many people are logging in at this moment; try again in a few seconds")
	}
	if wait := s.rested - now - c.every*time.Duration(c.limits.PerMinute-1); wait > 0 {
		words := "too many new connections from your address: %d a minute are allowed"
		return refuse(TooFast, wait, words, c.limits.PerMinute)
	}
	return nil
}

func (c *Controller) fullRoom() *Refusal {
	if c.stats.Sessions < c.limits.Sessions {
		return nil
	}
	return refuse(TooManySessions, 0, "the room is full: %d connections; try again later", c.limits.Sessions)
}

// shareTaken keeps half of the handshakes for others than t's network, because
// who owns a network has addresses without end: a hundred of them, silent after
// the banner, would shut everybody else out.
func (c *Controller) shareTaken(t *Ticket) bool {
	return !t.from.IsPrivate() && !t.from.IsLoopback() && c.networks[t.network] >= max(1, c.limits.Handshakes/2)
}

// Ticket is one connection that the controller let in. Its methods may be called
// concurrently.
type Ticket struct {
	ctl     *Controller
	from    netip.Addr   // unmapped, without zone; the zero Addr has none
	source  netip.Prefix // what counts as its address
	network netip.Prefix // what probably has one owner, who may have a lot: an IPv4 /16 or IPv6 /32
	exempt  bool

	// Owned by Controller.mu.
	loggedIn, closed bool
	counted          bool // how its login went
}

// LoggedIn makes a session of a handshake. It returns a [*Refusal] when there are
// too many sessions, or when the address was banned since it was admitted, and
// [ErrOver] after Close. Refused, the connection stays a handshake until it is closed;
// called again once logged in, it does nothing.
func (t *Ticket) LoggedIn() error {
	c := t.ctl
	r := c.banned(t.from)
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.closed {
		return ErrOver
	}
	if t.loggedIn {
		return nil
	}
	if r == nil {
		r = c.fullRoom()
	}
	t.counted = true // it could log in: nothing is held against it from now on
	if r != nil {
		c.stats.Refused[r.Why]++
		return r
	}
	t.endHandshake()
	t.loggedIn = true
	c.stats.Sessions++
	return nil
}

// Failed counts how the login ended against its address. It counts once a ticket and never
// after LoggedIn, so the caller may say what it saw without keeping book. It may be called
// after Close. Exempt addresses are not penalised.
func (t *Ticket) Failed(f Failure) {
	c := t.ctl
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.counted {
		return
	}
	t.counted = true
	c.stats.Failed[f]++
	if t.exempt {
		return
	}
	c.change(t.source, func(s *source) {
		now := c.now()
		if s.penalty <= now {
			s.penalty, s.barred = now, false
		}
		s.penalty = min(s.penalty+penalties[f].cost, now+penaltyMax)
		s.barred = s.barred || s.penalty-now > penaltyMin
		s.last = f
	})
}

// Close ends the connection's part in the limits. Only the first call counts.
func (t *Ticket) Close() {
	c := t.ctl
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.closed {
		return
	}
	if t.loggedIn {
		c.stats.Sessions--
	} else {
		t.endHandshake()
	}
	t.closed = true
	if !t.exempt {
		c.change(t.source, func(s *source) { s.open-- })
	}
}

// endHandshake gives back what a handshake holds. The caller holds the lock.
func (t *Ticket) endHandshake() {
	c := t.ctl
	c.stats.Handshakes--
	if t.exempt {
		return
	}
	if c.networks[t.network]--; c.networks[t.network] == 0 {
		delete(c.networks, t.network)
	}
}
