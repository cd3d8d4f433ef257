package room

import (
	"errors"
	"iter"
	"time"
)

// Owners of histories that are no nick's. They can't collide with one: '#' and '!'
// are not allowed in nicks.
const (
	RoomHistory     = "#lobby"    // what was said to everyone
	PresenceHistory = "!presence" // who came and went
)

// ErrStorage is what an [Archive] wraps when what was to be kept could not be:
// the disk is full, failing or gone. What failed with it is not on record.
var ErrStorage = errors.New("storage trouble")

// ErrUnusable is what an [Archive] wraps when one history can't be used, whatever the
// disk: something else is in its place. All others can.
var ErrUnusable = errors.New("this history can't be used")

// Record is one line of a history: a message, or a mark that messages were read.
// Exactly one of Message and Read is set.
type Record struct {
	Owner   string   // a nick, RoomHistory or PresenceHistory
	Message *Message // a message that Owner sent, got or witnessed
	Read    []string // ids of messages addressed to Owner that are now read
}

// Archive keeps histories. All methods may be called concurrently.
type Archive interface {
	// Append queues recs as one unit, of which all or nothing is kept, and
	// returns at once. done, if not nil, is called exactly once, from the
	// archive's own goroutine and in the order of the Append calls: with nil
	// when every record is on disk (fsynced), else with an error that wraps
	// ErrStorage. done must not block; it may call Append.
	Append(done func(error), recs ...Record)

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

	// Unread gives the direct and group messages and receipts addressed to owner
	// that are not marked as read, oldest first. It sees everything whose done has
	// been called.
	Unread(owner string) iter.Seq2[*Message, error]

	// StillUnread returns which of these messages Unread would give now, without
	// reading them: it answers from memory as a rule.
	StillUnread(owner string, ids []string) (map[string]bool, error)

	// Waiting returns how many of the direct and group messages that Unread would
	// give there are, without reading them: it answers from memory as a rule.
	Waiting(owner string) (int, error)

	// Since returns owner's messages with a Time of t or later, oldest first,
	// reading from the end until one is older.
	Since(owner string, t time.Time) ([]*Message, error)

	// LastID returns the greatest message id ever appended, "" when none was,
	// so that ids never repeat over restarts, even when the clock jumped back.
	LastID() string
}
