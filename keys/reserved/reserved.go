// Package reserved keeps nicks from others that no key holds, in a small file: those whose last key is
// gone, for a time, and those that somebody has had by a certificate, for good.
package reserved

import (
	"errors"
	"slices"
	"time"

	"whoelse/internal/jsonfile"
	"whoelse/keys/nick"
)

// Nick is one that is reserved.
type Nick struct {
	Nick  string    `json:"nick"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // zero is for good: it is for whoever has a certificate for it
}

// Key is what a reservation is found by. Nicks that read alike share one that is for good.
func (n Nick) Key() string {
	if n.Until.IsZero() {
		return alike(n.Nick)
	}
	return n.Nick
}

// alike is no nick.
func alike(n string) string { return "=" + nick.Skeleton(n) }

// Expired reports whether the nick is free.
func (n Nick) Expired(now time.Time) bool { return !n.Until.IsZero() && !now.Before(n.Until) }

// check is for one that was read.
func (n *Nick) check() error {
	if parsed, err := nick.Parse(n.Nick); err != nil || parsed != n.Nick {
		return errors.New("is not a nick")
	}
	return nil
}

// List is the reservations, see jsonfile.List.
type List struct{ *jsonfile.List[string, Nick] }

// Open reads the file at path, which need not exist yet. One that cannot be read is an
// error: the nicks in it would be free.
func Open(path string) (*List, error) {
	l := &List{jsonfile.New[string](path, "reserved nicks", (*Nick).check)}
	return l, l.Reload()
}

// Add reserves n for so long from now on, and no longer for a certificate. When it returns nil that is
// in force and on disk.
func (l *List) Add(n string, lasts time.Duration) error {
	now := time.Now().UTC().Truncate(time.Second)
	return l.replace(n, Nick{Nick: n, Since: now, Until: now.Add(lasts)})
}

// Certify reserves n, and what reads like it, for whoever has a certificate for it. It is a map access
// if that is so already.
func (l *List) Certify(n string) error {
	if _, ok := l.Find(alike(n)); ok {
		return nil
	}
	return l.replace(n, Nick{Nick: n, Since: time.Now().UTC().Truncate(time.Second)})
}

// Remove ends n's reservation.
func (l *List) Remove(n string) error {
	if by, _, ok := l.By(n); !ok || by != n {
		return nil
	}
	return l.replace(n)
}

func (l *List) replace(n string, with ...Nick) error {
	return l.Change(func(all []Nick) ([]Nick, error) {
		return append(slices.DeleteFunc(all, func(one Nick) bool { return one.Nick == n }), with...), nil
	})
}

// By reports whether n is reserved, by which nick, which is another one if n reads like it, and until
// when, zero if for a certificate.
func (l *List) By(n string) (by string, until time.Time, ok bool) {
	one, ok := l.Find(n)
	if !ok {
		one, ok = l.Find(alike(n))
	}
	return one.Nick, one.Until, ok
}
