package room

import (
	"errors"
	"iter"
)

// Event is one fact in the one order of everything that happens: something was said or
// sent, was read, somebody came or went. It says nothing of files: which histories it
// belongs to follows from it. It is not changed after it was handed to a [Log].
type Event struct {
	// Message is what was said, sent, or became of somebody; of all events it has ID,
	// Time, Kind and From.
	Message
	// Max is how many unread messages fill an inbox: a recipient who has as many when the
	// event gets its place does not get it. 0 is no limit.
	Max int
	// Read, of a KindRead, is ids of messages to From that From has read.
	Read []string
	// Receipts tell their senders; each has one recipient, and a smaller id than the event.
	Receipts []*Message
	// Doc, in a KindState, names the document that changed, and Data is the change: see the package that keeps the
	// document. The room knows "settings/NICK" and "rooms/NAME".
	Doc  string
	Data []byte

	// Node is the server of a cluster that appended the event, and Tag the ID that the event had there: the
	// cluster's log gives it another. They are not stored. On a single server Node is "".
	Node string `json:"-"`
	Tag  string `json:"-"`
}

// Kinds of events that are no messages.
const (
	KindRead    Kind = "read"    // From has read messages, or never will: see Event.Read and Receipts
	KindRetired Kind = "retired" // From has no holder any more, or Room was closed: its history is set aside
	KindState   Kind = "state"   // state that all servers of a cluster share has changed: see Event.Doc
)

// Lobby is the name of the room where everybody is.
const Lobby = "lobby"

// Owners of histories that are no nick's. They can't collide with one: '#' and '!'
// are not allowed in nicks.
const (
	RoomHistory     = "#" + Lobby // what was said to everyone; that of another room is "#" and its name
	PresenceHistory = "!presence" // who came and went
)

// Entry is an event with its place in the log.
type Entry struct {
	Seq uint64 // from 1, ever greater; after a crash some can be left out
	*Event
	// Full lists the recipients whose inbox was full. It follows from the log, so it is
	// the same wherever and whenever the log is applied; [Histories] find it out.
	Full []string
}

// Log gives every event its place and makes it durable. Its methods may be called
// concurrently.
type Log interface {
	// Append queues e and returns at once. Once e is durable it comes back as an Entry
	// through [Room.Apply], on the server that appended it as on every other one. If it
	// can't be made durable it has no place, and failed is called once with an error that
	// wraps [ErrStorage], or [ErrInvalid] for an event that never can be. failed must not block.
	// The room calls Append with its lock held, which Room.Apply and failed take.
	Append(e *Event, failed func(error))
}

// ErrStorage is wrapped where what was to be kept could not be: the disk is full, failing
// or gone. What failed with it is not on record.
var ErrStorage = errors.New("storage trouble")

// ErrUnusable is what [Histories] wrap when one history can't be used, whatever the
// disk: something else is in its place. All others can.
var ErrUnusable = errors.New("this history can't be used")

// ErrInvalid is wrapped where an event can't be kept by any disk: it is too long, or
// says what no event says.
var ErrInvalid = errors.New("invalid event")

// Histories are what people read back: made from the log, one for each nick, each room
// and for who came and went. All methods may be called concurrently. They see all
// that Room.Apply was given, and set Message.Room. Errors wrap [ErrStorage].
type Histories interface {
	// Tail gives the newest n messages of owner that keep accepts (all when keep
	// is nil), oldest first. It reads from the end: its cost does not grow with the
	// history. When keep returns an error, no older messages are looked at, and that
	// error comes last. An owner without history has none: no error.
	//
	// Tail and Unread give what is there at the first step; what is appended, read or
	// removed later changes nothing. The messages are read one by one, so whoever takes
	// them slowly, or stops, has no more of them in memory. keep is called in the
	// first step only, and must not block. An error ends the sequence.
	Tail(owner string, n int, keep func(*Message) (bool, error)) iter.Seq2[*Message, error]

	// Unread gives the direct and group messages and receipts addressed to nick
	// that are not read, oldest first.
	Unread(nick string) iter.Seq2[*Message, error]

	// StillUnread returns which of these messages Unread would give now, without
	// reading them: it answers from memory as a rule.
	StillUnread(nick string, ids []string) (map[string]bool, error)

	// Waiting returns how many of the direct and group messages that Unread would
	// give there are, without reading them: it answers from memory as a rule. An error
	// also says that nothing may be sent to or by nick, whose history can't be used.
	Waiting(nick string) (int, error)

	// LastID returns the greatest id of all events applied so far, "" when there were none,
	// so that ids never repeat over restarts, even when the clock jumped back.
	LastID() string
}
