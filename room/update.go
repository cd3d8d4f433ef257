package room

import (
	"sync"
	"sync/atomic"
)

// Update is something that a session is to show. One update is shared by all
// sessions it is put to; only Rendered and Styles change after that.
type Update struct {
	// Exactly one of these is set.
	Message  *Message // something said, to everyone or to this person
	Presence *Change  // people came or went

	// Rendered is room for the sinks to share what they make of the update, and Styles
	// for how many tried to.
	Rendered sync.Map
	Styles   atomic.Int32
}

// Change lists who joined and who left within the last second, and whose connection was
// lost. Nobody is in two of them.
type Change struct {
	Joined, Left, Lost []string // canonical nicks, in the order of the events
}

// Sink is a session's end of the room: a bounded queue with one reader.
//
// Put MUST NOT block and MUST NOT call the room: it is called with the room's
// lock held. A sink that has no place left ends its session; nobody waits for it.
// If shown is not nil it is called exactly once, not from within Put: with true
// when the person's client has confirmed that the update arrived, with false when
// the session ended before.
type Sink interface {
	Put(e *Update, shown func(bool))
}
