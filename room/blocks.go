package room

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Settings keeps what people have set for themselves, over restarts. Its methods
// may be called concurrently and answer from memory as a rule.
type Settings interface {
	// Blocked returns whose messages nick does not want.
	Blocked(nick string) ([]string, error)
	// SetBlocked replaces that list; it is on disk when this returns nil.
	SetBlocked(nick string, blocked []string) error
	// Absence returns how nick is away, the zero Absence if not.
	Absence(nick string) (Absence, error)
	// SetAbsence replaces that; it is on disk when this returns nil.
	SetAbsence(nick string, a Absence) error
}

// Absence is being away, online or not, which lasts until the person ends it.
type Absence struct {
	Since  time.Time
	Reason string // may be empty
}

// Away reports whether it is any.
func (a Absence) Away() bool { return !a.Since.IsZero() }

// maxBlocked bounds one person's list.
const maxBlocked = 1000

// Block refuses nick's direct messages and hides its room messages from now on,
// and reports whether that is new. For a guest it lasts until the guest leaves.
func (s *Seat) Block(nick string) (changed bool, err error) {
	return s.editBlocked(func(list []string) ([]string, error) {
		if slices.Contains(list, nick) {
			return list, nil
		}
		if len(list) >= maxBlocked {
			return nil, fmt.Errorf("you block %d people already; /unblock some first", len(list))
		}
		return append(slices.Clone(list), nick), nil
	})
}

// Unblock ends Block and reports whether nick was blocked.
func (s *Seat) Unblock(nick string) (changed bool, err error) {
	return s.editBlocked(func(list []string) ([]string, error) {
		return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return n == nick }), nil
	})
}

// Blocked lists who is blocked, sorted.
func (s *Seat) Blocked() ([]string, error) {
	w, err := s.room.wishesOf(s.nick)
	return slices.Sorted(maps.Keys(w.blocked)), err
}

func (s *Seat) editBlocked(edit func([]string) ([]string, error)) (bool, error) {
	r := s.room
	r.blocking.Lock()
	defer r.blocking.Unlock()
	old, err := s.Blocked()
	if err != nil {
		return false, err
	}
	list, err := edit(old)
	if err != nil || len(list) == len(old) {
		return false, err
	}
	if !s.Guest() {
		if err := r.settings.SetBlocked(s.nick, list); err != nil {
			return false, err
		}
	}
	r.change(s.nick, func(w *wishes) { w.blocked = setOf(list) })
	return true, nil
}

// wishes is what people have set for themselves.
type wishes struct {
	blocked map[string]bool
	absence Absence
}

// wishesOf returns nick's: from the member, else from the settings.
func (r *Room) wishesOf(nick string) (w wishes, err error) {
	present := false
	r.withMember(nick, func(m *member) { w, present = m.wishes, true })
	if present || isGuest(nick) {
		return w, nil
	}
	list, err := r.settings.Blocked(nick)
	if err == nil {
		w.absence, err = r.settings.Absence(nick)
	}
	if err != nil {
		return wishes{}, fmt.Errorf("%w: reading the settings of %s: %w", ErrStorage, nick, err)
	}
	w.blocked = setOf(list)
	return w, nil
}

// change has a present nick's wishes changed.
func (r *Room) change(nick string, f func(*wishes)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.people.edits++
	if m := r.people.members[nick]; m != nil {
		f(&m.wishes)
	}
}

// Away marks the person as away: direct messages are kept for the inbox, until Back. It
// need not be somebody who is present, but for guests lasts no longer than they are.
func (s *Seat) Away(reason string) error {
	_, err := s.setAbsence(Absence{Since: time.Now(), Reason: reason})
	return err
}

// Back ends Away and reports whether the person was away.
func (s *Seat) Back() (was bool, err error) {
	before, err := s.setAbsence(Absence{})
	return before.Away(), err
}

func (s *Seat) setAbsence(a Absence) (before Absence, err error) {
	r := s.room
	r.blocking.Lock()
	defer r.blocking.Unlock()
	w, err := r.wishesOf(s.nick)
	if before = w.absence; err != nil {
		return before, err
	}
	if !s.Guest() && a != before {
		if err := r.settings.SetAbsence(s.nick, a); err != nil {
			return before, err
		}
	}
	r.change(s.nick, func(w *wishes) { w.absence = a })
	return before, nil
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}
