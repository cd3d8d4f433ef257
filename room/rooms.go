package room

import (
	"errors"
	"slices"
	"time"
)

// Rooms keeps what the rooms are, over restarts. What is said in them is in the [Histories]. Only one
// method is called at a time. Errors of Change and Close wrap [ErrStorage].
type Rooms interface {
	// Load returns all rooms. One whose file can't be used is Unusable: its name stays taken, so that
	// nobody makes a room of that name and finds what was said in the other one.
	Load() ([]RoomInfo, error)
	// Change makes a room what change makes of it; that is on disk when this returns nil, and in a cluster Room.Apply has
	// it. change gets the newest version, without an ID if there is no such room. It may be called several times. Its
	// error is returned, and nothing is changed.
	Change(name string, change func(*RoomInfo) error) error
	// Close sets a room aside: Load does not return it any more.
	Close(name string, at time.Time) error
}

// RoomInfo is what a room is. It and its lists are never changed in place. The JSON is that of the files.
type RoomInfo struct {
	Name     string    `json:"-"`                   // without '#'
	ID       string    `json:"id"`                  // as of messages: all that was said in the room has greater ones
	Made     time.Time `json:"made"`                // in UTC
	MadeBy   string    `json:"made_by"`             // a nick
	Used     time.Time `json:"used"`                // when somebody was last in it, about to the day
	Topic    string    `json:"topic,omitempty"`     // cleaned
	Owners   []string  `json:"owners,omitempty"`    // nicks, in the order in which they became it
	Private  bool      `json:"private,omitempty"`   // only owners and members may know of it
	Members  []string  `json:"members,omitempty"`   // of a private room: who may join, beside owners; in the order of invitations
	NoGuests bool      `json:"no_guests,omitempty"` // guests may not join
	Muted    []string  `json:"muted,omitempty"`     // who may not speak in it
	Removed  []string  `json:"removed,omitempty"`   // of a public room: who may not join

	// Aside, in a cluster, says that this change made the room public: what was said in it before is set aside by all servers
	// at this place in the log.
	Aside bool `json:"aside,omitempty"`

	Unusable bool `json:"-"` // its file can't be read: nobody may do anything in it
}

// Limits on rooms.
const (
	MaxRooms  = 1000 // in all
	MaxJoined = 50   // that one nick is in, beside the lobby
	MaxMade   = 5    // that one nick makes, or makes public again, a day; attempts at taken names count
	maxListed = 1000 // nicks in each list of a room
)

// Errors about rooms. They have no words for people.
var (
	// ErrNoRoom is for a room that does not exist, and for one that must look as if it did not.
	ErrNoRoom      = errors.New("no such room")
	ErrRemoved     = errors.New("removed from the room")
	ErrNoGuests    = errors.New("the room takes no guests")
	ErrMutedInRoom = errors.New("muted in the room")
	ErrNotJoined   = errors.New("not in the room")
	ErrNotOwner    = errors.New("not an owner of the room")
	ErrLobby       = errors.New("not for the lobby")
	ErrJoinedMost  = errors.New("in too many rooms")
	ErrMadeMost    = errors.New("too many rooms made today")
	ErrRoomsMost   = errors.New("too many rooms")
	ErrListFull    = errors.New("too many nicks in a list of the room")
	ErrNotAllowed  = errors.New("not possible in this room")
	ErrMayNotOwn   = errors.New("not in the room, or blocks who asks")
	// ErrBackup says that something has to wait for a backup, or for work on whole histories, to end.
	ErrBackup = errors.New("a backup of the histories, or other work on them, is running; try again when it has ended")
)

// AlikeError refuses a new room whose name reads like that of one which everyone may see.
type AlikeError struct{ Name string }

func (e *AlikeError) Error() string { return "reads like #" + e.Name }

// Access is what a nick may do in a room. Each right includes those before it, but an owner's.
type Access struct {
	See   bool  // learn that the room exists, and its topic and number of people
	Read  bool  // join it, read it and see who is there
	Speak bool  // once joined
	Own   bool  // change it
	Why   error // why not more, nil for all but Own
}

// access says what nick may do in a room. Nothing else decides about that.
func (i *RoomInfo) access(nick string) Access {
	has := func(list []string) bool { return slices.Contains(list, nick) }
	switch {
	case i.Unusable:
		return Access{Why: ErrNoRoom}
	case i.Name == Lobby:
		return Access{See: true, Read: true, Speak: true}
	case has(i.Owners):
		return Access{See: true, Read: true, Speak: true, Own: true}
	case i.Private && !has(i.Members):
		return Access{Why: ErrNoRoom}
	case has(i.Removed):
		return Access{See: true, Why: ErrRemoved}
	case i.NoGuests && isGuest(nick):
		return Access{See: true, Why: ErrNoGuests}
	case has(i.Muted):
		return Access{See: true, Read: true, Why: ErrMutedInRoom}
	}
	return Access{See: true, Read: true, Speak: true}
}

// mayChange returns the reason why nick may not change the room as its owner, nil if nick may.
func (i *RoomInfo) mayChange(nick string) error {
	switch may := i.access(nick); {
	case !may.See:
		return may.Why
	case i.Name == Lobby:
		return ErrLobby
	case !may.Own:
		return ErrNotOwner
	}
	return nil
}

// dropped returns list without x, as a new one.
func dropped[T comparable](list []T, x T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(other T) bool { return other == x })
}

// added returns list with nick at its end, as a new one; the error is ErrListFull.
func added(list []string, nick string) ([]string, error) {
	switch {
	case slices.Contains(list, nick):
		return list, nil
	case len(list) >= maxListed:
		return list, ErrListFull
	}
	return append(slices.Clip(list), nick), nil
}
