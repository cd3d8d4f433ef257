// Package reserved keeps nicks whose last key is gone from others for a time, in a small
// file.
package reserved

import (
	"errors"
	"math"
	"time"

	"whoelse/internal/jsonfile"
	"whoelse/keys/nick"
)

// Nick is one that is reserved.
type Nick struct {
	Nick  string    `json:"nick"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// Key is what a reservation is found by.
func (n Nick) Key() string { return n.Nick }

// Expired reports whether the nick is free.
func (n Nick) Expired(now time.Time) bool { return !now.Before(n.Until) }

// check is for one that was read.
func (n *Nick) check() error {
	if parsed, err := nick.Parse(n.Nick); err != nil || parsed != n.Nick {
		return errors.New("is not a nick")
	}
	return nil
}

// List is the reservations by nick, see jsonfile.List. Remove ends one.
type List struct{ *jsonfile.List[string, Nick] }

// Open reads the file at path, which need not exist yet. One that cannot be read is an
// error: the nicks in it would be free.
func Open(path string) (*List, error) {
	l := &List{jsonfile.New[string](path, "reserved nicks", (*Nick).check)}
	return l, l.Reload()
}

// Add reserves n for so long from now on. When it returns nil that is in force and on
// disk.
func (l *List) Add(n string, lasts time.Duration) error {
	now := time.Now().UTC().Truncate(time.Second)
	return l.Set(Nick{Nick: n, Since: now, Until: now.Add(lasts)}, math.MaxInt, nil)
}

// Until reports whether n is reserved, and until when.
func (l *List) Until(n string) (time.Time, bool) {
	one, ok := l.Find(n)
	return one.Until, ok
}
