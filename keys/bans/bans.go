// Package bans keeps who may not come in: nicks, keys and networks, for some time or
// for good, and why.
//
//	list, err := bans.Open(filepath.Join(data, "bans.json"))
//	target, err := bans.ParseTarget("203.0.113.0/24")
//	b, err := list.Add(target, "alice", "floods", 24*time.Hour)
//
//	b, banned := list.Address(addr)                    // before authentication
//	b, banned = list.Find(bans.Who{Nick: n, Key: fp, Addr: addr}) // after
//
// Before adding one, ask target.Covers about everybody it should not lock out.
package bans

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"whoelse/internal/jsonfile"
	"whoelse/keys/internal/sanitize"
)

var (
	// ErrNoSuchBan: nothing is banned by that name.
	ErrNoSuchBan = errors.New("there is no such ban")
	// ErrTooMany: the list has as many as it takes.
	ErrTooMany = fmt.Errorf("there are %d bans already; lift some, or ban networks", maxBans)
)

const (
	maxBans   = 10_000
	maxReason = 90 // bytes; sanitize.Text keeps them all
)

// Ban is one that has not expired. Its text is safe to show.
type Ban struct {
	Target Target    `json:"target"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Made   time.Time `json:"made"`
	Until  time.Time `json:"until,omitzero"` // zero is for good
}

func (b Ban) expired(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// Words tell somebody that they are banned, until when and why. They are for whoever
// refuses them.
func (b Ban) Words() string {
	words := "you are banned"
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

// List is the file of bans, and all of it in memory. The server owns the file while
// it runs. Its methods may be called concurrently; Address and Find take microseconds.
type List struct {
	now  func() time.Time
	bans *jsonfile.List[Target, Ban]
}

// Open reads the bans at path, which need not exist yet.
func Open(path string) (*List, error) { return open(jsonfile.File[Ban]{Path: path, Now: time.Now}) }

func open(file jsonfile.File[Ban]) (*List, error) {
	file.What, file.Check, file.Expired = "bans", (*Ban).check, Ban.expired
	list, err := jsonfile.Open(file, func(b Ban) Target { return b.Target })
	return &List{now: file.Now, bans: list}, err
}

// Reload reads the file again, after it was edited by hand. If it cannot be read, the
// bans stay as they were.
func (l *List) Reload() error { return l.bans.Reload() }

// Add bans target, for good if lasts is 0; an earlier ban of the same is replaced.
// What is not safe to show in reason becomes a '?'. When it returns nil the ban is in
// force and on disk.
func (l *List) Add(target Target, by, reason string, lasts time.Duration) (Ban, error) {
	switch {
	case target == (Target{}):
		return Ban{}, errors.New("nothing to ban")
	case len(reason) > maxReason:
		return Ban{}, fmt.Errorf("the reason is %d bytes long, more than %d", len(reason), maxReason)
	case lasts < 0:
		return Ban{}, errors.New("a ban cannot end before it begins")
	}
	b := Ban{Target: target, By: sanitize.Text(by), Reason: sanitize.Text(reason), Made: l.now().UTC().Truncate(time.Second)}
	if lasts > 0 {
		b.Until = b.Made.Add(lasts)
	}
	return b, l.bans.Set(b, maxBans, ErrTooMany)
}

// Lift ends the ban of exactly that target. Error: ErrNoSuchBan, or the disk's.
func (l *List) Lift(target Target) error {
	was, err := l.bans.Remove(target)
	if err == nil && !was {
		err = fmt.Errorf("%w: %s", ErrNoSuchBan, target)
	}
	return err
}

// All gives the bans that have not expired, oldest first. The caller owns the slice.
func (l *List) All() []Ban { return l.bans.All() }

// Address tells whether an address is banned. It is asked before authentication.
func (l *List) Address(a netip.Addr) (Ban, bool) { return l.Find(Who{Addr: a}) }

// Find tells whether somebody is banned, by what is known of them.
func (l *List) Find(who Who) (Ban, bool) {
	if b, ok := l.bans.Find(Target{Nick: who.Nick}); ok && who.Nick != "" {
		return b, true
	}
	if b, ok := l.bans.Find(Target{Key: who.Key}); ok && who.Key != "" {
		return b, true
	}
	if !who.Addr.IsValid() {
		return Ban{}, false
	}
	a := who.Addr.Unmap().WithZone("")
	for bits := a.BitLen(); bits >= minBits(a); bits-- {
		block, _ := a.Prefix(bits)
		if b, ok := l.bans.Find(Target{Block: block}); ok {
			return b, true
		}
	}
	return Ban{}, false
}
