// Package claims limits how many nicks strangers claim: one address and one network in a
// day, and everyone together in an hour.
//
//	l := claims.New(claims.Limits{PerAddress: 5, PerNetwork: 20, PerHour: 100}, log)
//	giveBack, err := l.Take(addr) // before the claim
//	...
//	giveBack()                    // where nothing was claimed after all
//
// The counts are in memory alone: a restart resets them.
package claims

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"whoelse/internal/limit"
	"whoelse/internal/netaddr"
)

// ErrOver is wrapped by every error of Take, which is in words for the person who claims.
var ErrOver = errors.New("too many new nicks were claimed")

// Limits are how many nicks may be claimed. 0 is no limit.
type Limits struct {
	PerAddress int // in a day: of an IPv4 address, or an IPv6 /64
	PerNetwork int // in a day: of an IPv4 /24, or an IPv6 /48
	PerHour    int // of all together
	// Exempt networks, none of them IPv4-mapped, answer for PerHour only. So do clients
	// without an address.
	Exempt []netip.Prefix
}

// maxCounts bounds what is remembered: about 2 MB.
const maxCounts = 20_000

// everyone is the block whose count is that of all together.
var everyone netip.Prefix

// Limiter counts claims. Its methods may be called concurrently.
type Limiter struct {
	limits Limits
	log    *slog.Logger
	began  time.Time // the clock's zero

	mu     sync.Mutex // owns the fields below, and the counts
	counts *limit.Table[netip.Prefix, *count]
	warned rate.Sometimes
}

// count is of one span of time, which begins with the first claim that is counted.
type count struct {
	n   int
	end time.Duration // on the limiter's clock
}

// New makes a limiter that has counted nothing.
func New(limits Limits, log *slog.Logger) *Limiter {
	return &Limiter{
		limits: limits, log: log, began: time.Now(),
		counts: limit.NewTable[netip.Prefix, *count](maxCounts, nil), warned: rate.Sometimes{Interval: time.Hour},
	}
}

// rule is a limit on the claims of one block in a span of time.
type rule struct {
	block netip.Prefix
	most  int
	span  time.Duration
	where string
}

func (l *Limiter) rules(from netip.Addr) []rule {
	rules := []rule{{everyone, l.limits.PerHour, time.Hour, "on this server"}}
	if !netaddr.Exempt(from, l.limits.Exempt) {
		rules = append(rules,
			rule{netaddr.Of(from), l.limits.PerAddress, 24 * time.Hour, "from your address"},
			rule{netaddr.Network(from), l.limits.PerNetwork, 24 * time.Hour, "from your network"})
	}
	return slices.DeleteFunc(rules, func(r rule) bool { return r.most <= 0 })
}

// Take counts a claim from an address by each rule, or by none where one of them says
// (ErrOver) that there were too many. giveBack undoes it, and is called once at most.
func (l *Limiter) Take(from netip.Addr) (giveBack func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.began)
	taken := make(map[netip.Prefix]*count)
	for _, r := range l.rules(from) {
		c, ok := l.counts.Get(r.block)
		if !ok || c.n == 0 || now >= c.end {
			c = &count{end: now + r.span}
		}
		if c.n >= r.most {
			wait := c.end - now
			if r.block == everyone {
				l.warned.Do(func() {
					l.log.Warn("no more nicks can be claimed for now", "claimed", c.n, "until", time.Now().Add(wait))
				})
			}
			return nil, fmt.Errorf("%w %s; try again in %s", ErrOver, r.where, limit.Wait(wait))
		}
		taken[r.block] = c
	}
	for block, c := range taken {
		c.n++
		until := c.end
		if block == everyone {
			until = limit.Forever
		}
		l.counts.Set(block, c, until, now)
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, c := range taken {
			c.n--
		}
	}, nil
}
