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

// Options are the settings of a [Room]. The zero value sets no limits.
type Options struct {
	// InboxMax is how many unread direct and group messages one nick can have;
	// what would be one more is refused. 0 is no limit.
	InboxMax int
}

// Room is what sessions talk to. It turns what they do into events for the log, and
// what comes back from there into what they are shown. All methods may be called
// concurrently, except Apply.
type Room struct {
	log       Log
	histories Histories
	directory Directory
	settings  Settings
	options   Options
	ids       *idSource

	blocking sync.Mutex // one change of a block list at a time; taken before mu

	mu      sync.Mutex // owns everything below; held for map work and puts only
	people  people
	lobby   lines
	batch   presenceBatch
	present attendance
	// pending has, by its ID, each event on its way through the log, and each receipt in
	// it: who is to be told what became of it.
	pending map[string]func(Receipt)
	said    map[Kind]uint64 // how many messages there were
	alive   *time.Timer
	closed  bool
}

// New returns a room that goes on where histories end: the last lines, who was
// online when, and ids. What is applied to histories after that is to be given to Apply.
// Close it.
func New(log Log, histories Histories, directory Directory, settings Settings, options Options) (*Room, error) {
	r := &Room{
		log:       log,
		histories: histories,
		directory: directory,
		settings:  settings,
		options:   options,
		ids:       newIDSource(histories.LastID()),
		people:    newPeople(),
		present:   newAttendance(),
		pending:   map[string]func(Receipt){},
		said:      map[Kind]uint64{},
	}
	// The log of the server tells of a history that can't be used; the room goes on without it.
	recent, err := Collect(histories.Tail(RoomHistory, MissedLines, nil))
	if err != nil && !errors.Is(err, ErrUnusable) {
		return nil, fmt.Errorf("reading the room's history: %w", err)
	}
	r.lobby.recent = recent
	if err := r.loadSeen(time.Now()); err != nil && !errors.Is(err, ErrUnusable) {
		return nil, fmt.Errorf("reading who was here: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock() // the timer's function reads r.alive
	r.alive = time.AfterFunc(aliveEvery, r.heartbeat)
	return r, nil
}

// Close records that everybody left and stops the room's timers. Sessions are to
// be ended before; the log is to be closed after.
func (r *Room) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.alive.Stop()
	r.batch.stop()
	for _, m := range r.people.members {
		r.depart(m, Quit)
	}
	r.recordLate(len(r.present.late))
	r.flushPresence()
}

// newMessage makes a message of now.
func (r *Room) newMessage(kind Kind, from string, to []string, text string) Message {
	now := time.Now()
	return Message{
		ID:   r.ids.next(now),
		Time: now.UTC().Truncate(time.Millisecond),
		Kind: kind, From: from, To: to, Text: text,
	}
}

// append hands e to the log. told is called, after everybody was given what happened,
// once for each recipient of a message to some people, and once for all else; its Err is
// set if e is not on record. It is called on the log's goroutine and must not block.
func (r *Room) append(e *Event, told func(Receipt)) {
	r.mu.Lock()
	r.pending[e.ID] = told
	for _, receipt := range e.Receipts {
		r.pending[receipt.ID] = told
	}
	r.mu.Unlock()
	r.log.Append(e, func(err error) { r.failed(e, err) })
}

// wait appends e and returns when it was applied. It must not be called on the log's goroutine.
func (r *Room) wait(e *Event) error {
	done := make(chan error, 1)
	r.append(e, func(got Receipt) { done <- got.Err })
	return <-done
}

// noLonger takes e out of pending, and returns who waits for it. r.mu is held.
func (r *Room) noLonger(e *Event) (told func(Receipt)) {
	told = r.pending[e.ID]
	delete(r.pending, e.ID)
	for _, receipt := range e.Receipts {
		delete(r.pending, receipt.ID)
	}
	if told == nil { // another server's, or nobody waits
		return func(Receipt) {}
	}
	return told
}

// failed tells who waits for e that it is not on record. What was read stays unread.
func (r *Room) failed(e *Event, err error) {
	r.mu.Lock()
	told := r.noLonger(e)
	r.people.release(e.From, e.Read)
	r.mu.Unlock()
	if len(e.To) == 0 {
		told(failure("", err))
	}
	for _, nick := range e.To {
		told(failure(nick, err))
	}
}

// Apply shows what happened to those it concerns, and tells who waits for it. The one
// goroutine of the log calls it, with all entries in their order, after the histories
// have them. It does not block.
func (r *Room) Apply(batch []Entry) {
	for _, e := range batch {
		r.apply(e)
	}
}

func (r *Room) apply(e Entry) {
	r.mu.Lock()
	told := r.noLonger(e.Event)
	receipts := []Receipt{{}}
	switch e.Kind {
	case KindSay, KindMe, KindNotice:
		r.publish(&e.Message)
	case KindDirect, KindGroup:
		receipts = r.dispatch(e, told)
	case KindRead:
		r.people.release(e.From, e.Read)
		for _, receipt := range e.Receipts {
			r.deliver(&Update{Message: receipt}, e.Seq, receipt.To[0], func(Receipt) {})
		}
	}
	r.mu.Unlock()
	for _, receipt := range receipts {
		told(receipt)
	}
}
