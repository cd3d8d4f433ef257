package limit

import (
	"cmp"
	"maps"
	"net/netip"
	"sync"
	"time"
)

// Scope is whose limit it is, as metrics name it.
type Scope string

const (
	Nick    Scope = "nick"
	Address Scope = "address" // one IPv4 address, or one IPv6 /64
	Network Scope = "network" // an IPv4 /24, or an IPv6 /48
	All     Scope = "all"     // everyone together
)

// Bucket is a limit: so much goes into a bucket that empties evenly within Per. Whoever has
// filled it may go on at the rate that would fill it within that time. No limit if Size is 0.
type Bucket struct {
	Size int64
	Per  time.Duration
}

// Held is the time of a bucket that hardly empties by itself: it bounds what is held at the same
// time, and given back with Refund.
const Held = 50 * 365 * 24 * time.Hour

// span is how long the bucket takes to lose n.
func (b Bucket) span(n int64) time.Duration {
	return time.Duration(float64(n) * float64(b.Per) / float64(b.Size))
}

// Buckets are the limits of one scope, that of the shortest time first.
type Buckets [2]Bucket

// Limits are what a limiter holds to. What Buckets lacks has no limit.
type Limits struct {
	Buckets map[Scope]Buckets
	// Reserved is how much of what all may is kept for those who use little: with what they ask for
	// a 16th at most of each of their shortest limits. So a few who use much do not silence the rest.
	Reserved int64
	// Exempt are networks without limits by address and network, none of them
	// IPv4-mapped. Also exempt is what has no address.
	Exempt []netip.Prefix
	// Remembered is how many nicks, addresses and networks are remembered, of each;
	// 65,536 if 0.
	Remembered int
}

const lightShare = 16

// Who uses something. Without a nick only where they come from counts.
type Who struct {
	Nick string
	Addr netip.Addr
}

// Refusal says which limit is reached. Its text is for the person.
type Refusal struct {
	Scope  Scope
	Within time.Duration // the limit's: a minute, an hour or a day
	Wait   time.Duration // until as much fits
}

func (r *Refusal) Error() string {
	reached := map[Scope]string{
		Nick: "you have reached your", Address: "your address has reached its",
		Network: "your network has reached its", All: "the room has reached its",
	}[r.Scope]
	within := "minute"
	switch {
	case r.Within > time.Hour:
		within = "day"
	case r.Within > time.Minute:
		within = "hour"
	}
	return reached + " limit for one " + within + "; try again in " + Wait(r.Wait)
}

// levels are how full an account's buckets are: when each will be empty, on the limiter's clock.
type levels [len(Buckets{})]time.Duration

// left is how long the bucket that is empty at level still takes.
func left(level, now time.Duration) time.Duration { return max(0, level-now) }

// accounts are those of all nicks, all addresses or all networks, each until there is
// nothing on it; or the one of everyone. Whoever has none is taken to have used as much as
// the fullest that was evicted: nobody gets more than the limit by having their account
// pushed out, however many names or addresses they have.
type accounts struct {
	scope   Scope
	buckets Buckets
	table   *Table[any, levels] // by nick or netip.Prefix
	evicted levels
}

func newAccounts(scope Scope, b Buckets, size int) *accounts {
	a := &accounts{scope: scope, buckets: b}
	a.table = NewTable[any](size, func(out levels) {
		for i := range out {
			a.evicted[i] = max(a.evicted[i], out[i])
		}
	})
	return a
}

// account is one of accounts.
type account struct {
	*accounts
	key any
}

func (a account) levels() levels {
	if used, ok := a.table.Get(a.key); ok {
		return used
	}
	return a.evicted
}

// refusal says which limit keeps n out for the longest time; nil for none. It fits in any case
// when the bucket is empty.
func (a account) refusal(n int64, now time.Duration) (r *Refusal) {
	for i, level := range a.levels() {
		b := a.buckets[i]
		if b.Size <= 0 {
			continue
		}
		wait := min(left(level, now), left(level, now)+b.span(n)-b.Per)
		if wait > 0 && (r == nil || wait > r.Wait) {
			r = &Refusal{a.scope, b.Per, wait}
		}
	}
	return r
}

// light reports whether it uses little, with n more.
func (a account) light(n int64, now time.Duration) bool {
	b := a.buckets[0]
	return b.Size <= 0 || left(a.levels()[0], now)+b.span(n) <= b.Per/lightShare
}

// add puts n in, or takes it out, and returns how long it takes until no bucket is more than full.
func (a account) add(n int64, now time.Duration) (wait time.Duration) {
	_, known := a.table.Get(a.key)
	if a.buckets[0].Size <= 0 || n < 0 && !known {
		return 0
	}
	used, until := a.levels(), time.Duration(0)
	for i, b := range a.buckets {
		if b.Size > 0 {
			used[i] = now + max(0, left(used[i], now)+b.span(n))
			until = max(until, used[i])
			wait = max(wait, used[i]-now-b.Per)
		}
	}
	a.table.Set(a.key, used, until, now)
	return wait
}

// Limiter bounds how much people use of something: each nick, address and network, and all of
// them together. Nobody waits for it. Its methods may be called concurrently.
type Limiter struct {
	limits Limits
	began  time.Time // the clock's zero

	mu      sync.Mutex // owns the rest
	of      map[Scope]*accounts
	charged uint64
	refused map[Scope]uint64
}

// New returns a limiter that nobody has used yet.
func New(l Limits) *Limiter {
	size := cmp.Or(l.Remembered, 65_536)
	of, refused := map[Scope]*accounts{}, map[Scope]uint64{}
	for _, scope := range []Scope{Nick, Address, Network, All} {
		of[scope], refused[scope] = newAccounts(scope, l.Buckets[scope], size), 0
	}
	return &Limiter{limits: l, began: time.Now(), of: of, refused: refused}
}

// accounts lists those that who is charged on, the one of everyone last.
func (l *Limiter) accounts(who Who) (list []account) {
	if who.Nick != "" {
		list = append(list, account{l.of[Nick], who.Nick})
	}
	if !IsExempt(who.Addr, l.limits.Exempt) {
		list = append(list, account{l.of[Address], AddressOf(who.Addr)}, account{l.of[Network], networkOf(who.Addr)})
	}
	return append(list, account{l.of[All], nil})
}

// Charge counts n on all of who's accounts, or on none: the error, a [*Refusal],
// tells which limit is reached. What is more than a limit by itself is let through
// when nothing is on the account, so that nothing is too much for ever.
func (l *Limiter) Charge(who Who, n int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.began)
	light := true
	for _, a := range l.accounts(who) {
		more := n
		if a.scope == All && !light {
			more += l.limits.Reserved
		}
		if r := a.refusal(more, now); r != nil {
			l.refused[r.Scope]++
			return r
		}
		light = light && a.light(n, now)
	}
	l.add(who, n)
	return nil
}

// Take counts n in any case, and returns how long to wait until it fits.
func (l *Limiter) Take(who Who, n int64) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.add(who, n)
}

// Refund takes back what was charged and not used.
func (l *Limiter) Refund(who Who, n int64) { l.Take(who, -n) }

func (l *Limiter) add(who Who, n int64) (wait time.Duration) {
	l.charged += uint64(n)
	for _, a := range l.accounts(who) {
		wait = max(wait, a.add(n, time.Since(l.began)))
	}
	return wait
}

// Stats is what was charged and refused since the limiter was made.
type Stats struct {
	Charged    uint64
	Refused    map[Scope]uint64
	Remembered map[Scope]int // accounts in memory
}

// Stats returns a copy of the statistics.
func (l *Limiter) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	remembered := map[Scope]int{}
	for _, scope := range []Scope{Nick, Address, Network} {
		remembered[scope] = l.of[scope].table.Len()
	}
	return Stats{Charged: l.charged, Refused: maps.Clone(l.refused), Remembered: remembered}
}
