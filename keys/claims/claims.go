// Package claims bounds how many nicks strangers claim: of one address and of one
// network in a day, and all together in an hour.
//
//	l := claims.New(claims.Limits{PerAddress: 5, PerNetwork: 20, PerHour: 100}, log)
//	giveBack, err := l.Take(addr) // before the claim
//	...
//	giveBack()                    // where nothing was claimed after all
//
// It counts in memory alone: a restart forgets.
package claims

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"whoelse/internal/netaddr"
)

// ErrOver is what every error of Take is (errors.Is).
var ErrOver = errors.New("too many nicks were claimed")

// Limits are how many nicks may be claimed. 0 is no limit.
type Limits struct {
	PerAddress int // in a day: of an IPv4 address, or an IPv6 /64
	PerNetwork int // in a day: of an IPv4 /24, or an IPv6 /48
	PerHour    int // of all together
	// Exempt networks, none of them IPv4-mapped, answer for PerHour only. So does what
	// has no address.
	Exempt []netip.Prefix
}

// mostCounts bounds what is remembered: about 2 MB.
const mostCounts = 20_000

// Limiter counts claims. Its methods may be called concurrently.
type Limiter struct {
	limits Limits
	log    *slog.Logger
	now    func() time.Time

	mu     sync.Mutex // owns the fields below, and the counts
	counts map[netip.Prefix]*count
	all    count
	warned time.Time // the end of the hour for which the log was told
}

// count is of one span of time, which begins with the first claim that is counted.
type count struct {
	n    int
	over time.Time
}

// New makes one that has counted nothing.
func New(limits Limits, log *slog.Logger) *Limiter {
	return &Limiter{limits: limits, log: log, now: time.Now, counts: make(map[netip.Prefix]*count)}
}

// overError says in words for the person who is over, and when that ends.
type overError struct {
	where string
	wait  time.Duration
}

func (e overError) Error() string {
	return fmt.Sprintf("too many new nicks were claimed %s; try again in %s", e.where, roughly(e.wait))
}

func (e overError) Is(target error) bool { return target == ErrOver }

// roughly is how long somebody has to wait, and not shorter.
func roughly(d time.Duration) string {
	unit, name := time.Minute, "minute"
	if d > time.Hour {
		unit, name = time.Hour, "hour"
	}
	n := max(1, (d+unit-1)/unit)
	if n > 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}

// Take counts a claim of somebody who comes from an address, or says (ErrOver) that
// there were too many. giveBack undoes it, and is called once at most.
func (l *Limiter) Take(from netip.Addr) (giveBack func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.all.renew(now)
	if l.limits.PerHour > 0 && l.all.n >= l.limits.PerHour {
		l.warn()
		return nil, overError{"on this server", l.all.over.Sub(now)}
	}
	taken, err := l.take(from.Unmap().WithZone(""), now)
	if err != nil {
		return nil, err
	}
	l.all.add(now, time.Hour)
	taken = append(taken, &l.all)
	return func() { l.giveBack(taken) }, nil
}

// take counts for the address and for its network, or for neither. l.mu is held.
func (l *Limiter) take(from netip.Addr, now time.Time) (taken []*count, err error) {
	if !from.IsValid() || slices.ContainsFunc(l.limits.Exempt, func(p netip.Prefix) bool { return p.Contains(from) }) {
		return nil, nil
	}
	l.makeRoom(now)
	for _, limit := range []struct {
		most  int
		block netip.Prefix
		where string
	}{{l.limits.PerAddress, netaddr.Of(from), "from your address"}, {l.limits.PerNetwork, netaddr.Network(from), "from your network"}} {
		if limit.most <= 0 {
			continue
		}
		c := l.of(limit.block, now)
		if c.n >= limit.most {
			return nil, overError{limit.where, c.over.Sub(now)}
		}
		taken = append(taken, c)
	}
	for _, c := range taken {
		c.add(now, 24*time.Hour)
	}
	return taken, nil
}

// of gives the count of a block. l.mu is held.
func (l *Limiter) of(block netip.Prefix, now time.Time) *count {
	c := l.counts[block]
	if c == nil {
		c = &count{}
		l.counts[block] = c
	}
	c.renew(now)
	return c
}

// makeRoom makes room for two counts: when there are too many, it forgets what is over,
// and if that is nothing, any one: to have one's own count forgotten takes about as many other networks as
// are remembered, each with a claim. l.mu is held.
func (l *Limiter) makeRoom(now time.Time) {
	if len(l.counts) <= mostCounts-2 {
		return
	}
	for block, c := range l.counts {
		if !now.Before(c.over) {
			delete(l.counts, block)
		}
	}
	for block := range l.counts {
		if len(l.counts) <= mostCounts-2 {
			return
		}
		delete(l.counts, block)
	}
}

// warn tells the log once an hour that nobody can claim a nick. l.mu is held.
func (l *Limiter) warn() {
	if l.warned.Equal(l.all.over) {
		return
	}
	l.warned = l.all.over
	l.log.Warn("no more nicks can be claimed for now", "claimed", l.all.n, "until", l.all.over)
}

func (l *Limiter) giveBack(taken []*count) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range taken {
		c.n = max(0, c.n-1)
	}
}

// renew begins anew when the span is over.
func (c *count) renew(now time.Time) {
	if !now.Before(c.over) {
		*c = count{}
	}
}

func (c *count) add(now time.Time, span time.Duration) {
	if c.n == 0 {
		c.over = now.Add(span)
	}
	c.n++
}
