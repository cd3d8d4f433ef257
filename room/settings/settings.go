// Package settings keeps what people set for themselves in DATA/settings/NICK.json, one small
// file for each nick that has set anything, and what rooms are in DATA/rooms/NAME.json. It
// implements [room.Settings] and [room.Rooms].
package settings

import (
	"slices"
	"time"

	"whoelse/room"
)

// Store is a folder of settings. It has no state; its methods may be called concurrently.
type Store struct{ folder }

var _ room.Settings = (*Store)(nil)

// retired, in the folder, has the settings of nicks without a holder, as NICK-TIME.json.
const retired = ".retired"

// Open opens, or makes, the folder dir, durably.
func Open(dir string) (*Store, error) {
	s := &Store{folder{dir: dir, prefix: "settings/", what: "a nick", aside: retired}}
	return s, s.open()
}

// Load implements [room.Settings].
func (s *Store) Load(nick string) (p room.Preferences, err error) {
	err = s.load(nick, &p)
	slices.Sort(p.Blocked) // older versions appended to it
	return p, err
}

// Change implements [room.Settings].
func (s *Store) Change(nick string, edit func(*room.Preferences) error) error {
	return change(&s.folder, nick, func(p *room.Preferences) error {
		slices.Sort(p.Blocked)
		return edit(p)
	})
}

// Nicks lists who has set anything.
func (s *Store) Nicks() ([]string, error) { return s.names(false) }

// Retire sets nick's settings aside, durably: the next holder of the nick has none.
func (s *Store) Retire(nick string, now time.Time) error { return s.retire(nick, now) }
