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
	"net/netip"
	"slices"
	"sync"
	"time"

	"whoelse/internal/netaddr"
)

// MinuteShare is the part of a day's limit that may be used within a minute: a 16th.
const MinuteShare = 16

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

// Who stores something.
type Who struct {
	Nick string
	Addr netip.Addr
}

// Limiter keeps the accounts. Its methods may be called concurrently; those of nil, which
// has no limits, too.
type Limiter struct {
	exempt []netip.Prefix
	began  time.Time // the clock's zero

	mu       sync.Mutex // owns the rest
	nicks    accounts[string]
	address  accounts[netip.Prefix]
	networks accounts[netip.Prefix]
	all      bucket
	limitAll rate
	stats    Stats
}

// New returns a limiter that nobody has used yet.
func New(l Limits) *Limiter {
	if l.Remembered == 0 {
		l.Remembered = 65_536
	}
	return &Limiter{
		exempt:   l.Exempt,
		began:    time.Now(),
		nicks:    newAccounts[string](Nick, l.Nick, l.Remembered),
		address:  newAccounts[netip.Prefix](Address, l.Address, l.Remembered),
		networks: newAccounts[netip.Prefix](Network, l.Network, l.Remembered),
		limitAll: rate{l.All, time.Minute},
		stats:    Stats{Refused: map[Scope]uint64{Nick: 0, Address: 0, Network: 0, All: 0}},
	}
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
	address, network, exempt := l.placeOf(who.Addr)
	refusal := l.nicks.refusal(who.Nick, bytes, now)
	if refusal == nil && !exempt {
		refusal = l.address.refusal(address, bytes, now)
	}
	if refusal == nil && !exempt {
		refusal = l.networks.refusal(network, bytes, now)
	}
	if refusal == nil {
		light := l.nicks.light(who.Nick, bytes, now) &&
			(exempt || l.address.light(address, bytes, now) && l.networks.light(network, bytes, now))
		refusal = l.refusalOfAll(light, bytes, now)
	}
	if refusal != nil {
		l.stats.Refused[refusal.Scope]++
		return refusal
	}
	l.stats.Charged += uint64(bytes)
	l.add(who, bytes, now)
	return nil
}

// refusalOfAll keeps half of what all may have for those who send little, so that a few
// who send much do not silence the rest.
func (l *Limiter) refusalOfAll(light bool, bytes int64, now time.Duration) *Refusal {
	if !light {
		bytes += l.limitAll.limit / 2
	}
	if wait := l.all.wait(l.limitAll, bytes, now); wait > 0 {
		return &Refusal{Scope: All, Within: time.Minute, Wait: wait}
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
	l.stats.Charged -= uint64(bytes)
	l.add(who, -bytes, time.Since(l.began))
}

func (l *Limiter) add(who Who, bytes int64, now time.Duration) {
	l.nicks.add(who.Nick, bytes, now)
	if address, network, exempt := l.placeOf(who.Addr); !exempt {
		l.address.add(address, bytes, now)
		l.networks.add(network, bytes, now)
	}
	l.all.add(l.limitAll, bytes, now)
}

// placeOf is the address and the network that a counts for.
func (l *Limiter) placeOf(a netip.Addr) (address, network netip.Prefix, exempt bool) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || slices.ContainsFunc(l.exempt, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return address, network, true
	}
	return netaddr.Of(a), netaddr.Network(a), false
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
	s := Stats{Charged: l.stats.Charged, Refused: map[Scope]uint64{}, Remembered: map[Scope]int{
		Nick: len(l.nicks.of), Address: len(l.address.of), Network: len(l.networks.of),
	}}
	for scope, n := range l.stats.Refused {
		s.Refused[scope] = n
	}
	return s
}
