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

// level says how full a bucket is by when it will be empty, on the limiter's clock.
type level time.Duration

// left is how long the bucket takes to be empty.
func (f level) left(now time.Duration) time.Duration { return max(0, time.Duration(f)-now) }

// wait is how long until bytes fit, 0 if they do. They do in any case when the bucket
// is empty.
func (f level) wait(b bucket, bytes int64, now time.Duration) time.Duration {
	if b.bytes <= 0 {
		return 0
	}
	return max(0, min(f.left(now), f.left(now)+b.span(bytes)-b.per))
}

// add puts bytes in, or takes them out.
func (f *level) add(b bucket, bytes int64, now time.Duration) {
	if b.bytes > 0 {
		*f = level(now + max(0, f.left(now)+b.span(bytes)))
	}
}

// used is what one nick, address or network has used.
type used struct{ minute, day level }

// accounts are those of all nicks, all addresses or all networks, each until there is
// nothing on it. Whoever has none is taken to have used as much as the fullest that was
// evicted: nobody gets more than the limit by having their account pushed out, however
// many names or addresses they have.
type accounts struct {
	scope       Scope
	minute, day bucket
	table       *limit.Table[any, used] // by nick or netip.Prefix
	evicted     used
}

func newAccounts(scope Scope, bytes int64, size int) *accounts {
	minute := bytes / MinuteShare
	if bytes > 0 {
		minute = max(1, minute)
	}
	return &accounts{
		scope: scope, minute: bucket{minute, time.Minute}, day: bucket{bytes, 24 * time.Hour},
		table: limit.NewTable[any, used](size),
	}
}

// account is one of accounts.
type account struct {
	*accounts
	key any
}

func (a account) used() used {
	if u, ok := a.table.Get(a.key); ok {
		return u
	}
	return a.evicted
}

// refusal says which limit keeps bytes out; nil for none.
func (a account) refusal(bytes int64, now time.Duration) *Refusal {
	u := a.used()
	if wait := u.day.wait(a.day, bytes, now); wait > 0 {
		return &Refusal{a.scope, a.day.per, wait}
	}
	if wait := u.minute.wait(a.minute, bytes, now); wait > 0 {
		return &Refusal{a.scope, a.minute.per, wait}
	}
	return nil
}

// light reports whether it sends little, with these bytes.
func (a account) light(bytes int64, now time.Duration) bool {
	return a.minute.bytes <= 0 || a.used().minute.left(now)+a.minute.span(bytes) <= a.minute.per/lightShare
}

func (a account) add(bytes int64, now time.Duration) {
	if _, known := a.table.Get(a.key); a.day.bytes <= 0 || bytes < 0 && !known {
		return
	}
	u := a.used()
	u.minute.add(a.minute, bytes, now)
	u.day.add(a.day, bytes, now)
	if out, ok := a.table.Set(a.key, u, time.Duration(max(u.minute, u.day)), now); ok {
		a.evicted = used{max(a.evicted.minute, out.minute), max(a.evicted.day, out.day)}
	}
}

// Limiter keeps the accounts. Its methods may be called concurrently; those of nil, which
// has no limits, too.
type Limiter struct {
	exempt []netip.Prefix
	began  time.Time // the clock's zero

	mu                       sync.Mutex // owns the rest
	nicks, addresses, blocks *accounts
	all                      bucket
	usedByAll                level
	charged                  uint64 // bytes
	refused                  map[Scope]uint64
}

// New returns a limiter that nobody has used yet.
func New(l Limits) *Limiter {
	if l.Remembered == 0 {
		l.Remembered = 65_536
	}
	return &Limiter{
		exempt:    l.Exempt,
		began:     time.Now(),
		nicks:     newAccounts(Nick, l.Nick, l.Remembered),
		addresses: newAccounts(Address, l.Address, l.Remembered),
		blocks:    newAccounts(Network, l.Network, l.Remembered),
		all:       bucket{l.All, time.Minute},
		refused:   map[Scope]uint64{Nick: 0, Address: 0, Network: 0, All: 0},
	}
}

// accountsOf lists the accounts that who is charged on.
func (l *Limiter) accountsOf(who Who) []account {
	of := []account{{l.nicks, who.Nick}}
	if !netaddr.Exempt(who.Addr, l.exempt) {
		of = append(of, account{l.addresses, netaddr.Of(who.Addr)}, account{l.blocks, netaddr.Network(who.Addr)})
	}
	return of
}

// Charge counts bytes on all of who's accounts, or on none: the error, a [*Refusal],
// tells which limit is reached. What is more than a limit by itself is let through
// when nothing is on the account, so that no message is too long for ever.
func (l *Limiter) Charge(who Who, bytes int64) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.began)
	if refusal := l.refusal(l.accountsOf(who), bytes, now); refusal != nil {
		l.refused[refusal.Scope]++
		return refusal
	}
	l.add(who, bytes, now)
	return nil
}

// refusal keeps half of what all may have for those who send little, so that a few who
// send much do not silence the rest.
func (l *Limiter) refusal(of []account, bytes int64, now time.Duration) *Refusal {
	light := true
	for _, a := range of {
		if r := a.refusal(bytes, now); r != nil {
			return r
		}
		light = light && a.light(bytes, now)
	}
	if !light {
		bytes += l.all.bytes / 2
	}
	if wait := l.usedByAll.wait(l.all, bytes, now); wait > 0 {
		return &Refusal{All, l.all.per, wait}
	}
	return nil
}

// Refund takes back what was charged and not stored.
func (l *Limiter) Refund(who Who, bytes int64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(who, -bytes, time.Since(l.began))
}

func (l *Limiter) add(who Who, bytes int64, now time.Duration) {
	l.charged += uint64(bytes)
	for _, a := range l.accountsOf(who) {
		a.add(bytes, now)
	}
	l.usedByAll.add(l.all, bytes, now)
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
	return Stats{Charged: l.charged, Refused: maps.Clone(l.refused), Remembered: map[Scope]int{
		Nick: l.nicks.table.Len(), Address: l.addresses.table.Len(), Network: l.blocks.table.Len(),
	}}
}
