// Package mutes keeps who may read and not write: nicks, for some time or until
// somebody ends it.
//
//	list, err := mutes.Open(filepath.Join(data, "mutes.json"))
//	m, err := list.Add("bob", "alice", time.Hour)
//	m, muted := list.Find("bob") // for every line that bob says
package mutes

import (
	"errors"
	"fmt"
	"time"

	"whoelse/internal/jsonfile"
	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"
)

// ErrTooMany is what Add gives where the list has as many as it takes.
var ErrTooMany = fmt.Errorf("%d people are muted already", maxMutes)

const maxMutes = 10_000

// Mute is one that has not expired. Its text is safe to show.
type Mute struct {
	Nick  string    `json:"nick"` // also a guest's, "~name"
	By    string    `json:"by"`
	Made  time.Time `json:"made"`
	Until time.Time `json:"until,omitzero"` // zero is for good
}

func (m Mute) expired(now time.Time) bool { return !m.Until.IsZero() && !now.Before(m.Until) }

// check is for one that was read.
func (m *Mute) check() (err error) {
	if m.Nick, err = nick.ParseAny(m.Nick); err != nil {
		return fmt.Errorf("is of nobody: %w", err)
	}
	m.By = sanitize.Text(m.By)
	return nil
}

// List is the file of mutes, and all of it in memory. The server owns the file while
// it runs. Its methods may be called concurrently; Find is a map access.
type List struct {
	now   func() time.Time
	mutes *jsonfile.List[string, Mute]
}

// Open reads the mutes at path, which need not exist yet. A file that cannot be
// read is an error.
func Open(path string) (*List, error) { return open(jsonfile.File[Mute]{Path: path, Now: time.Now}) }

func open(file jsonfile.File[Mute]) (*List, error) {
	file.What, file.Check, file.Expired = "mutes", (*Mute).check, Mute.expired
	list, err := jsonfile.Open(file, func(m Mute) string { return m.Nick })
	return &List{now: file.Now, mutes: list}, err
}

// Reload reads the file again, after it was edited by hand. If it cannot be read, the
// mutes stay as they were.
func (l *List) Reload() error { return l.mutes.Reload() }

// Add mutes n, as nick.ParseAny gave it, until Lift if lasts is 0; an earlier mute
// is replaced. When it returns nil the mute is in force and on disk.
func (l *List) Add(n, by string, lasts time.Duration) (Mute, error) {
	if _, err := nick.ParseAny(n); err != nil {
		return Mute{}, err
	}
	if lasts < 0 {
		return Mute{}, errors.New("a mute cannot end before it begins")
	}
	m := Mute{Nick: n, By: sanitize.Text(by), Made: l.now().UTC().Truncate(time.Second)}
	if lasts > 0 {
		m.Until = m.Made.Add(lasts)
	}
	return m, l.mutes.Set(m, maxMutes, ErrTooMany)
}

// Lift ends n's mute, and reports whether there was one.
func (l *List) Lift(n string) (was bool, err error) { return l.mutes.Remove(n) }

// Find tells whether n is muted.
func (l *List) Find(n string) (Mute, bool) { return l.mutes.Find(n) }
