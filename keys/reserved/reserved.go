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

// certifyMost bounds how many nicks Certify adds with one change: where servers share the list, these have to fit into
// one proposal.
const certifyMost = 250

// Certify reserves nicks, and what reads like them, for whoever has a certificate for them. For those of which that is
// so already it is a map access. For many it is much cheaper than a call for each, which writes the whole file.
func (l *List) Certify(nicks ...string) error {
	nicks = slices.DeleteFunc(slices.Clone(nicks), func(n string) bool {
		_, ok := l.Find(alike(n))
		return ok
	})
	since := time.Now().UTC().Truncate(time.Second)
	for some := range slices.Chunk(nicks, certifyMost) {
		err := l.Change(func(all []Nick) ([]Nick, error) {
			certified := make(map[string]bool, len(all))
			for _, one := range all {
				certified[one.Key()] = true
			}
			fresh := make(map[string]bool, len(some))
			var added []Nick
			for _, n := range some {
				if one := (Nick{Nick: n, Since: since}); !certified[one.Key()] {
					certified[one.Key()], fresh[n] = true, true
					added = append(added, one)
				}
			}
			return append(slices.DeleteFunc(all, func(one Nick) bool { return fresh[one.Nick] }), added...), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
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
