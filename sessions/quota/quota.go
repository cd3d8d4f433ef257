// Package quota says how much people may have stored, how many nicks strangers may claim, and how often keys change;
// the counting is [limit.Limiter]'s. How many bytes a message takes, see [Record] and [Recipient].
package quota

import (
	"net/netip"
	"time"

	"whoelse/internal/limit"
)

const (
	// MinuteShare: a 16th of a day's bytes may be used within a minute.
	MinuteShare = 16

	day = 24 * time.Hour
)

// Limits are in bytes; 0 is no limit.
type Limits struct {
	Nick, Address, Network int64          // in a day
	All                    int64          // in a minute, of everyone together
	Exempt                 []netip.Prefix // see limit.Limits
}

// New returns a limiter of stored bytes that nobody has used yet.
func New(l Limits) *limit.Limiter {
	buckets := map[limit.Scope]limit.Buckets{limit.All: {{Size: l.All, Per: time.Minute}}}
	for scope, bytes := range map[limit.Scope]int64{limit.Nick: l.Nick, limit.Address: l.Address, limit.Network: l.Network} {
		buckets[scope] = limit.Buckets{{Size: (bytes + MinuteShare - 1) / MinuteShare, Per: time.Minute}, {Size: bytes, Per: day}}
	}
	return limit.New(limit.Limits{Buckets: buckets, Reserved: l.All / 2, Exempt: l.Exempt})
}

// Claims are how many nicks may be claimed; 0 is no limit.
type Claims struct {
	PerAddress, PerNetwork int            // in a day
	PerHour                int            // of everyone together
	Exempt                 []netip.Prefix // see limit.Limits
}

// NewClaims returns a limiter of claims that nobody has used yet. A restart resets its counts.
func NewClaims(c Claims) *limit.Limiter {
	return limit.New(limit.Limits{Exempt: c.Exempt, Buckets: map[limit.Scope]limit.Buckets{
		limit.Address: {{Size: int64(c.PerAddress), Per: day}},
		limit.Network: {{Size: int64(c.PerNetwork), Per: day}},
		limit.All:     {{Size: int64(c.PerHour), Per: time.Hour}},
	}})
}

// How many keys may be added or removed in a day: by one nick, and from one address.
const (
	KeysOfNick    = 20
	KeysOfAddress = 50
)

// NewKeyChanges returns a limiter of them, for all but the exempt networks: see limit.Limits. A restart resets its counts.
func NewKeyChanges(exempt []netip.Prefix) *limit.Limiter {
	return limit.New(limit.Limits{Exempt: exempt, Buckets: map[limit.Scope]limit.Buckets{
		limit.Nick:    {{Size: KeysOfNick, Per: day}},
		limit.Address: {{Size: KeysOfAddress, Per: day}},
	}})
}
