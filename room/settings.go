package room

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Settings keeps what people have set for themselves, over restarts. Its methods
// may be called concurrently; Change for one nick only once at a time.
type Settings interface {
	// Load returns what nick has set, the zero value if nothing. It may read a small file.
	Load(nick string) (Preferences, error)
	// Change makes that what change makes of it; it is on disk when this returns nil, and in a cluster Room.Apply has it.
	// change may be called several times. Its error is returned, and nothing is changed.
	Change(nick string, change func(*Preferences) error) error
}

// Preferences are what a person has set. They are never changed in place. The JSON is that of
// the files.
type Preferences struct {
	Blocked []string `json:"blocked,omitempty"` // whose messages they do not want, sorted
	Absence Absence  `json:"away,omitzero"`
	Rooms   []Joined `json:"rooms,omitempty"` // where they are beside the lobby, in the order of joining

	KnowsRooms bool `json:"knows_rooms,omitempty"` // has been in one beside the lobby

	Display Display `json:"display,omitzero"`
}

// Display is how a person wants to be shown things, in words of the sessions, which know what they mean: the room
// only keeps them. "" is the default.
type Display struct {
	Bell  string `json:"bell,omitempty"`
	Joins string `json:"joins,omitempty"`
	Zone  string `json:"zone,omitempty"`
}

// Absence is being away, online or not, which lasts until the person ends it.
type Absence struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// MaxReason is how many characters a reason has at most.
const MaxReason = 160

// CutReason makes one line of a reason that was kept, or comes from another server, and cuts it: everybody sees it in a
// list.
func CutReason(reason string) string {
	runes := []rune(strings.ReplaceAll(reason, "\n", " "))
	return string(runes[:min(len(runes), MaxReason)])
}

// Away reports whether it is any.
func (a Absence) Away() bool { return !a.Since.IsZero() }

// maxBlocked bounds one person's list.
const maxBlocked = 1000

// ErrBlocked is returned where one who blocks maxBlocked people would block one more. It is in words for people.
var ErrBlocked = fmt.Errorf("you block %d people already; /unblock some first", maxBlocked)

func (p *Preferences) blocks(nick string) bool {
	_, found := slices.BinarySearch(p.Blocked, nick)
	return found
}

// hides reports whether a line of the room is hidden by p.
func (p *Preferences) hides(m *Message) bool {
	return len(p.Blocked) > 0 && m.Kind != KindNotice && p.blocks(m.From)
}

// Block refuses nick's direct messages and hides its room messages from now on,
// and reports whether that is new. For a guest it lasts until the guest leaves.
func (s *Member) Block(nick string) (changed bool, err error) {
	err = s.set(func(p *Preferences) error {
		i, found := slices.BinarySearch(p.Blocked, nick)
		switch {
		case found:
			return nil
		case len(p.Blocked) >= maxBlocked:
			return ErrBlocked
		}
		p.Blocked, changed = slices.Insert(slices.Clone(p.Blocked), i, nick), true
		return nil
	})
	return changed && err == nil, err
}

// Unblock ends Block and reports whether nick was blocked.
func (s *Member) Unblock(nick string) (changed bool, err error) {
	err = s.set(func(p *Preferences) error {
		changed = p.blocks(nick)
		p.Blocked = slices.DeleteFunc(slices.Clone(p.Blocked), func(n string) bool { return n == nick })
		return nil
	})
	return changed && err == nil, err
}

// Preferences returns the person's settings.
func (s *Member) Preferences() (Preferences, error) { return s.room.preferences(s.nick) }

// Away marks the person as away: direct messages are kept for the inbox, until Back. The person
// need not be present. A guest's absence ends with the guest. The reason is cleaned, and short: see CutReason.
func (s *Member) Away(reason string) error {
	return s.set(func(p *Preferences) error {
		p.Absence = Absence{Since: time.Now().UTC().Truncate(time.Second), Reason: reason}
		return nil
	})
}

// Back ends Away and reports whether the person was away.
func (s *Member) Back() (was bool, err error) {
	err = s.set(func(p *Preferences) error {
		was, p.Absence = p.Absence.Away(), Absence{}
		return nil
	})
	return was, err
}

// Display is how the person wants to be shown things now, in all sessions of a nick; the default of a visitor.
// It never waits.
func (s *Member) Display() (d Display) {
	if s.display != nil {
		d = *s.display.Load()
	}
	return d
}

// SetDisplay changes that. A guest's lasts until the guest leaves.
func (s *Member) SetDisplay(change func(*Display)) error {
	return s.set(func(p *Preferences) error {
		change(&p.Display)
		return nil
	})
}

// set has the person's preferences changed, on disk first. One change at a time.
func (s *Member) set(change func(*Preferences) error) error {
	s.room.setting.Lock()
	defer s.room.setting.Unlock()
	return s.setNow(change)
}

// setNow is set with Room.setting held.
func (s *Member) setNow(change func(*Preferences) error) error {
	r := s.room
	known, err := r.preferences(s.nick)
	if err != nil {
		return err
	}
	after := known
	if s.Guest() {
		err = change(&after)
	} else {
		err = r.settings.Change(s.nick, func(p *Preferences) error {
			now := known // as new as the file, which may have rooms that were forgotten since
			if r.peers != nil {
				now = p.furtherRead(known)
			}
			now.Rooms = r.mayStayIn(&now, s.nick)
			*p = now
			bad := change(p)
			after = *p
			return bad
		})
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Guest() { // whose absence the other servers see there
		r.rosterChanged()
	}
	if s.Guest() || r.peers == nil { // else Apply has done that
		r.adopt(s.nick, after)
	}
	return nil
}

// preferences returns what nick has set: from memory if present, or read marks are not saved yet, else
// from the settings.
func (r *Room) preferences(nick string) (set Preferences, err error) {
	r.mu.Lock()
	set, known := r.people.unsaved[nick]
	if p := r.people.here[nick]; p != nil {
		set, known = p.Preferences, true
	}
	r.mu.Unlock()
	if known || isGuest(nick) {
		return set, nil
	}
	return r.loadSettings(nick)
}

func (r *Room) loadSettings(nick string) (set Preferences, err error) {
	if set, err = r.settings.Load(nick); err != nil {
		return Preferences{}, fmt.Errorf("%w: reading the settings of %s: %w", ErrStorage, nick, err)
	}
	set.Absence.Reason = CutReason(set.Absence.Reason)
	return set, nil
}
