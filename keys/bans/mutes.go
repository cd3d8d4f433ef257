package bans

import (
	"fmt"
	"time"

	"whoelse/internal/jsonfile"
	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"
)

// ErrTooManyMutes is what Add gives where the list is full.
var ErrTooManyMutes = fmt.Errorf("%d people are muted already", maxMutes)

const maxMutes = 10_000

// Mute is of one nick. Its text is safe to show.
type Mute struct {
	Nick  string    `json:"nick"` // also a guest's, "~name"
	By    string    `json:"by"`
	Made  time.Time `json:"made"`
	Until time.Time `json:"until,omitzero"` // zero is for good
}

// Key is what a mute is found by.
func (m Mute) Key() string { return m.Nick }

// Expired reports whether it is over.
func (m Mute) Expired(now time.Time) bool { return !m.Until.IsZero() && !now.Before(m.Until) }

// check is for one that was read.
func (m *Mute) check() (err error) {
	if m.Nick, err = nick.ParseAny(m.Nick); err != nil {
		return fmt.Errorf("is of nobody: %w", err)
	}
	m.By = sanitize.Text(m.By)
	return nil
}

// Mutes is the mutes by nick, see jsonfile.List. Remove ends one.
type Mutes struct{ *jsonfile.List[string, Mute] }

// OpenMutes reads the mutes at path, which need not exist yet.
func OpenMutes(path string) (*Mutes, error) {
	l := &Mutes{jsonfile.New[string](path, "mutes", (*Mute).check)}
	return l, l.Reload()
}

// Add mutes n, as nick.ParseAny gave it, indefinitely if lasts is 0; an earlier mute
// is replaced. When it returns nil the mute is in force and on disk.
func (l *Mutes) Add(n, by string, lasts time.Duration) (Mute, error) {
	if _, err := nick.ParseAny(n); err != nil {
		return Mute{}, err
	}
	m := Mute{Nick: n, By: sanitize.Text(by), Made: time.Now().UTC().Truncate(time.Second)}
	if lasts > 0 {
		m.Until = m.Made.Add(lasts)
	}
	return m, l.Set(m, maxMutes, ErrTooManyMutes)
}
