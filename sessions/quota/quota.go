// Package quota bounds how many bytes people have stored: each nick, each address and
// each network, and all of them together. It counts and refuses; it stores nothing,
// and nobody waits for it.
//
//	if err := l.Charge(who, bytes); err != nil {
//		return err // a *Refusal, in words for the person; nothing was charged
//	}
//
// and [Limiter.Refund] for what was not stored after all. How many bytes a message
// takes, see [Record] and [Recipient].
//
// Each limit is a bucket that is emptied evenly: whoever has filled the one of a day may go
// on at the rate that would fill it within a day. An address is one IPv4 address or one
// IPv6 /64, a network an IPv4 /24 or an IPv6 /48.
package quota

import (
	"cmp"
	"maps"
	"net/netip"
	"sync"
	"time"

	"whoelse/internal/limit"
	"whoelse/internal/netaddr"
)

// Limits are in bytes; 0 is no limit.
type Limits struct {
	Nick, Address, Network int64 // in a day
	All                    int64 // in a minute, of everyone together
	// Exempt are networks without limits by address and network, none of them
	// IPv4-mapped. Also exempt is what has no address.
	Exempt []netip.Prefix
	// Remembered is how many nicks, addresses and networks are remembered, of each;
	// 65,536 if 0.
	Remembered int
}

// Parts of a limit.
const (
	MinuteShare = 16 // a 16th of a day's may be used within a minute
	lightShare  = 16 // up to a 16th of a minute's somebody sends little
)

// Who stores something.
type Who struct {
	Nick string
	Addr netip.Addr
}

// Scope is whose limit it is, as metrics name it.
type Scope string

const (
	Nick    Scope = "nick"
	Address Scope = "address"
	Network Scope = "network"
	All     Scope = "all"
)

// Refusal says which limit is reached. Its text is for the person.
type Refusal struct {
	Scope  Scope
	Within time.Duration // the limit's: a minute or a day
	Wait   time.Duration // until as much fits
}

func (r *Refusal) Error() string {
	reached := map[Scope]string{
		Nick: "you have reached your", Address: "your address has reached its",
		Network: "your network has reached its", All: "the room has reached its",
	}[r.Scope]
	within := "minute"
	if r.Within > time.Minute {
		within = "day"
	}
	return reached + " limit for one " + within + "; try again in " + limit.Wait(r.Wait)
}

// bucket is a limit: how many bytes go into a bucket that empties within per. No limit if 0.
type bucket struct {
	bytes int64
	per   time.Duration
}

// span is how long the bucket takes to lose bytes.
func (b bucket) span(bytes int64) time.Duration {
	return time.Duration(float64(bytes) * float64(b.per) / float64(b.bytes))
}

// The buckets of an account. How full they are is told by when they will be empty, on the
// limiter's clock.
const (
	day = iota
	minute
	buckets // how many there are
)

type levels [buckets]time.Duration

// left is how long the bucket that is empty at level still takes.
func left(level, now time.Duration) time.Duration { return max(0, level-now) }

// accounts are those of all nicks, all addresses or all networks, each until there is
// nothing on it; or the one of everyone. Whoever has none is taken to have used as much as
// the fullest that was evicted: nobody gets more than the limit by having their account
// pushed out, however many names or addresses they have.
type accounts struct {
	scope   Scope
	buckets [buckets]bucket
	table   *limit.Table[any, levels] // by nick or netip.Prefix
	evicted levels
}

func newAccounts(scope Scope, perDay, perMinute int64, size int) *accounts {
	a := &accounts{
		scope: scope, buckets: [buckets]bucket{day: {perDay, 24 * time.Hour}, minute: {perMinute, time.Minute}},
	}
	a.table = limit.NewTable[any](size, func(out levels) {
		a.evicted = levels{max(a.evicted[day], out[day]), max(a.evicted[minute], out[minute])}
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

// refusal says which limit keeps bytes out; nil for none. They fit in any case when the
// bucket is empty.
func (a account) refusal(bytes int64, now time.Duration) *Refusal {
	for i, level := range a.levels() {
		b := a.buckets[i]
		if b.bytes <= 0 {
			continue
		}
		if wait := min(left(level, now), left(level, now)+b.span(bytes)-b.per); wait > 0 {
			return &Refusal{a.scope, b.per, wait}
		}
	}
	return nil
}

// light reports whether it sends little, with these bytes.
func (a account) light(bytes int64, now time.Duration) bool {
	b := a.buckets[minute]
	return b.bytes <= 0 || left(a.levels()[minute], now)+b.span(bytes) <= b.per/lightShare
}

// add puts bytes in, or takes them out.
func (a account) add(bytes int64, now time.Duration) {
	_, known := a.table.Get(a.key)
	if a.buckets[minute].bytes <= 0 || bytes < 0 && !known {
		return
	}
	used := a.levels()
	for i, b := range a.buckets {
		if b.bytes > 0 {
			used[i] = now + max(0, left(used[i], now)+b.span(bytes))
		}
	}
	a.table.Set(a.key, used, max(used[day], used[minute]), now)
}

// Limiter keeps the accounts. Its methods may be called concurrently.
type Limiter struct {
	exempt []netip.Prefix
	began  time.Time // the clock's zero

	mu      sync.Mutex // owns the rest
	of      map[Scope]*accounts
	charged uint64 // bytes
	refused map[Scope]uint64
}

// New returns a limiter that nobody has used yet.
func New(l Limits) *Limiter {
	size := cmp.Or(l.Remembered, 65_536)
	of, refused := map[Scope]*accounts{}, map[Scope]uint64{All: 0}
	for scope, bytes := range map[Scope]int64{Nick: l.Nick, Address: l.Address, Network: l.Network} {
		of[scope] = newAccounts(scope, bytes, (bytes+MinuteShare-1)/MinuteShare, size)
		refused[scope] = 0
	}
	of[All] = newAccounts(All, 0, l.All, 1)
	return &Limiter{exempt: l.Exempt, began: time.Now(), of: of, refused: refused}
}

// accountsOf lists the accounts that who is charged on, the one of everyone last.
func (l *Limiter) accountsOf(who Who) []account {
	list := []account{{l.of[Nick], who.Nick}}
	if !netaddr.Exempt(who.Addr, l.exempt) {
		list = append(list, account{l.of[Address], netaddr.Of(who.Addr)}, account{l.of[Network], netaddr.Network(who.Addr)})
	}
	return append(list, account{l.of[All], nil})
}

// Charge counts bytes on all of who's accounts, or on none: the error, a [*Refusal],
// tells which limit is reached. What is more than a limit by itself is let through
// when nothing is on the account, so that no message is too long for ever.
func (l *Limiter) Charge(who Who, bytes int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.began)
	// Half of what all may have is for those who send little, so that a few who send much
	// do not silence the rest.
	light := true
	for _, a := range l.accountsOf(who) {
		more := bytes
		if a.scope == All && !light {
			more += a.buckets[minute].bytes / 2
		}
		if r := a.refusal(more, now); r != nil {
			l.refused[r.Scope]++
			return r
		}
		light = light && a.light(bytes, now)
	}
	l.add(who, bytes)
	return nil
}

// Refund takes back what was charged and not stored.
func (l *Limiter) Refund(who Who, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(who, -bytes)
}

func (l *Limiter) add(who Who, bytes int64) {
	l.charged += uint64(bytes)
	for _, a := range l.accountsOf(who) {
		a.add(bytes, time.Since(l.began))
	}
}

// Stats is what was charged and refused since the limiter was made.
type Stats struct {
	Charged    uint64 // bytes
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
