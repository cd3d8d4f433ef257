package room

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Times and counts that people notice. They stand in the README.
const (
	graceAfterBreak = 10 * time.Second // a broken session's nick stays this long
	confirmWithin   = 5 * time.Second  // a sender hears "delivered" or "kept" by then
	mergeChanges    = time.Second      // joins and leaves are told at most this often
	greetByName     = 20               // more people than these are only counted on joining
	seenFor         = 7 * 24 * time.Hour
	seenMost        = 100_000 // nicks remembered for wholast
	aliveEvery      = time.Minute
	renewEvery      = 24 * time.Hour // who stays longer than seenFor is on record again by then
	maxGuestName    = 32             // of a name that got a number
)

// How many lines of the room a Welcome has. They stand in the README.
const (
	RecentLines = 20  // at least, if there are so many
	MissedLines = 500 // at most, of what was said since the person was here
)

// Directory knows which nicks exist, whether online or not.
type Directory interface {
	// Held reports whether nick belongs to someone who can come back for
	// what is kept. It is called often and must answer from memory.
	Held(nick string) bool
	// Free reports whether nick is not held, and could not be taken for one that is.
	// It is called with the room's lock held: no I/O, and no call of the room.
	Free(nick string) bool
}

// Room is the one room. All methods may be called concurrently.
type Room struct {
	archive   Archive
	directory Directory
	settings  Settings
	options   Options
	ids       *idSource

	// speaking is held while a message gets its id and its place in the
	// archive's queue, so that both orders agree. It is taken before mu.
	speaking sync.Mutex

	blocking sync.Mutex // one change of a block list at a time; taken before mu

	mu       sync.Mutex // owns everything below; held for map work and puts only
	members  map[string]*member
	online   []string             // the members' nicks, sorted
	visiting map[string]*Seat     // guests who run a command, by name
	recent   []*Message           // the newest MissedLines room messages, oldest first
	seen     map[string]departure // when who is not online now was last
	last     string               // id of the last message that the archive gave back
	edits    int                  // changes of block lists, so that none is missed by who joins
	claims   claims
	places   map[string]*places // by nick
	changes  changes
	present  attendance
	said     map[Kind]uint64 // how many messages there were
	alive    *time.Timer
	closed   bool
}

// New returns a room that goes on where archive ends: the last lines, who was
// online when, and ids. Close it.
func New(archive Archive, directory Directory, settings Settings, options Options) (*Room, error) {
	r := &Room{
		archive:   archive,
		directory: directory,
		settings:  settings,
		options:   options,
		ids:       newIDSource(archive.LastID()),
		members:   map[string]*member{},
		visiting:  map[string]*Seat{},
		seen:      map[string]departure{},
		claims:    claims{},
		places:    map[string]*places{},
		said:      map[Kind]uint64{},
		present:   newAttendance(),
		last:      archive.LastID(),
	}
	// The archive's log tells of a history that can't be used; the room goes on without it.
	recent, err := Collect(archive.Tail(RoomHistory, MissedLines, nil))
	if err != nil && !errors.Is(err, ErrUnusable) {
		return nil, fmt.Errorf("reading the room's history: %w", err)
	}
	r.recent = recent
	if err := r.loadSeen(time.Now()); err != nil && !errors.Is(err, ErrUnusable) {
		return nil, fmt.Errorf("reading who was here: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock() // the timer's function reads r.alive
	r.alive = time.AfterFunc(aliveEvery, r.stillAlive)
	return r, nil
}

// Close records that everybody left and stops the room's timers. Sessions are to
// be ended before; the archive is to be closed after.
func (r *Room) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.alive.Stop()
	r.changes.stop()
	for _, m := range r.members {
		r.depart(m, Quit)
	}
	r.recordLate(len(r.present.late))
	r.flushPresence()
}

// putAll gives e to every session. r.mu is held.
func (r *Room) putAll(e *Update) {
	for _, m := range r.members {
		m.put(e)
	}
}

// newMessage makes a message of now. r.speaking is held wherever the order counts.
func (r *Room) newMessage(kind Kind, from string, to []string, text string) *Message {
	now := time.Now()
	return &Message{
		ID:   r.ids.next(now),
		Time: now.UTC().Truncate(time.Millisecond),
		Kind: kind, From: from, To: to, Text: text,
	}
}
