// Package bans keeps the nicks, keys and networks that are banned, for some time or
// indefinitely, and why.
//
//	list, err := bans.Open(filepath.Join(data, "bans.json"))
//	target, err := bans.ParseTarget("203.0.113.0/24")
//	b, err := list.Add(target, "alice", "floods", 24*time.Hour)
//
//	b, banned := list.Address(addr)                    // before authentication
//	b, banned = list.Find(bans.Who{Nick: n, Key: fp, Addr: addr}) // after
//
// Before adding one, ask target.Covers about everybody it should not lock out. Mutes, in
// mutes.go, are the milder means: of nicks that may read and not write.
package bans

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"whoelse/internal/jsonfile"
	"whoelse/keys/internal/sanitize"
)

// ErrTooMany is what Add gives where the list is full.
var ErrTooMany = fmt.Errorf("there are %d bans already; lift some, or ban networks", maxBans)

const (
	maxBans   = 10_000
	maxReason = 90 // bytes; sanitize.Text keeps them all
)

// Ban is of one target. Its text is safe to show.
type Ban struct {
	Target Target    `json:"target"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Made   time.Time `json:"made"`
	Until  time.Time `json:"until,omitzero"` // zero is for good
}

// Key is what a ban is found by.
func (b Ban) Key() Target { return b.Target }

// Expired reports whether it is over.
func (b Ban) Expired(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// Words tell the banned person so, until when and why.
func (b Ban) Words() string { return "you are " + b.Terms() }

// Terms are "banned", until when and why.
func (b Ban) Terms() string {
	words := "banned"
	if !b.Until.IsZero() {
		words += " until " + b.Until.UTC().Format("2 Jan 2006 15:04 UTC")
	}
	if b.Reason != "" {
		words += ": " + b.Reason
	}
	return words
}

// check is for one that was read.
func (b *Ban) check() error {
	if b.Target == (Target{}) {
		return errors.New("bans nothing")
	}
	b.By, b.Reason = sanitize.Text(b.By), sanitize.Text(b.Reason)
	return nil
}

// List is the bans by target, see jsonfile.List. Remove lifts the ban of exactly one target;
// Address and Find take microseconds.
type List struct{ *jsonfile.List[Target, Ban] }

// Open reads the bans at path, which need not exist yet.
func Open(path string) (*List, error) {
	l := &List{jsonfile.New[Target](path, "bans", (*Ban).check)}
	return l, l.Reload()
}

// Add bans target, for good if lasts is 0; an earlier ban of the same is replaced.
// Characters of reason that are not safe to show become a '?'. When it returns nil the ban is in
// force and on disk.
func (l *List) Add(target Target, by, reason string, lasts time.Duration) (Ban, error) {
	if target == (Target{}) {
		return Ban{}, errors.New("nothing to ban")
	}
	if len(reason) > maxReason {
		return Ban{}, fmt.Errorf("the reason is %d bytes long, more than %d", len(reason), maxReason)
	}
	made := time.Now().UTC().Truncate(time.Second)
	b := Ban{Target: target, By: sanitize.Text(by), Reason: sanitize.Text(reason), Made: made}
	if lasts > 0 {
		b.Until = made.Add(lasts)
	}
	return b, l.Set(b, maxBans, ErrTooMany)
}

// Address reports whether an address is banned. It is asked before authentication.
func (l *List) Address(a netip.Addr) (Ban, bool) { return l.Find(Who{Addr: a}) }

// Find reports whether a person is banned, by any known field.
func (l *List) Find(who Who) (b Ban, banned bool) {
	targets := []Target{{Nick: who.Nick}, {Key: who.Key}}
	if a := who.Addr.Unmap().WithZone(""); a.IsValid() {
		for bits := a.BitLen(); bits >= minBits(a); bits-- {
			block, _ := a.Prefix(bits)
			targets = append(targets, Target{Block: block})
		}
	}
	for _, t := range targets {
		if b, banned = l.List.Find(t); banned { // of nothing there is no ban
			break
		}
	}
	return b, banned
}
