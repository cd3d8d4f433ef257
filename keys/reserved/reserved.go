// Package reserved keeps nicks that nobody holds any more from being somebody else's
// for a time, in a small file.
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

func (n Nick) expired(now time.Time) bool { return !now.Before(n.Until) }

// check is for one that was read.
func (n *Nick) check() error {
	if parsed, err := nick.Parse(n.Nick); err != nil || parsed != n.Nick {
		return errors.New("is not a nick")
	}
	return nil
}

// List is the file, and all of it in memory. The server owns the file while it runs.
// Its methods may be called concurrently; Until is a map access.
type List struct {
	now   func() time.Time
	nicks *jsonfile.List[string, Nick]
}

// Open reads the file at path, which need not exist yet. One that cannot be read is an
// error: the nicks in it would be free.
func Open(path string) (*List, error) { return open(path, time.Now) }

func open(path string, now func() time.Time) (*List, error) {
	list, err := jsonfile.Open(jsonfile.File[Nick]{
		Path: path, What: "reserved nicks", Check: (*Nick).check, Expired: Nick.expired, Now: now,
	}, func(n Nick) string { return n.Nick })
	return &List{now: now, nicks: list}, err
}

// Reload reads the file again, after it was edited by hand. If it cannot be read, what is
// reserved stays as it was.
func (l *List) Reload() error { return l.nicks.Reload() }

// Add reserves n for so long from now on. When it returns nil that is in force and on
// disk.
func (l *List) Add(n string, lasts time.Duration) error {
	now := l.now().UTC().Truncate(time.Second)
	return l.nicks.Set(Nick{Nick: n, Since: now, Until: now.Add(lasts)}, math.MaxInt, nil)
}

// Remove ends the reservation of n, if there is one.
func (l *List) Remove(n string) error {
	_, err := l.nicks.Remove(n)
	return err
}

// Until tells whether n is reserved, and how long still.
func (l *List) Until(n string) (time.Time, bool) {
	one, ok := l.nicks.Find(n)
	return one.Until, ok
}
