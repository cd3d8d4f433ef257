// Package room is the chat itself: who is here, what is said, in which order, and what
// becomes of a message. It knows nothing of ssh, terminals, files or keys; it asks for what
// it needs through [Log], [Histories], [Directory] and [Settings], and hands what happens
// to each session's [Sink].
//
// A session gets a [Member] with [Room.Join] and speaks through it:
//
//	member, welcome, err := r.Join(room.Identity{Nick: "bob"}, sink)
//	err = member.Once("", room.Lobby, room.KindSay, nil, "hello", func(r room.Receipt) { ... })
//	err = member.Once("", "", room.KindDirect, []string{"carol"}, "hi", func(r room.Receipt) { ... })
//	member.Leave(room.Quit)
//
// A program that follows the room without being in it has an [Observer], by [Member.Observe].
//
// Messages go to the log first, and nothing is shown or answered before it comes back
// through [Room.Apply], durable and in the log's order: every screen and the histories
// tell the same story.
package room

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Directory knows which nicks exist, whether online or not.
type Directory interface {
	// Registered reports whether nick belongs to someone who can come back for
	// what is kept. It is called often and must answer from memory.
	Registered(nick string) bool
	// Free reports whether nick is not held, and could not be taken for one that is.
	// It is called with the room's lock held: no I/O, and no call of the room.
	Free(nick string) bool
	// Bot reports whether nick, which is no guest's, is a bot's. It is called like Free.
	Bot(nick string) bool
}

// Sink is a session's end of the room: a bounded queue with one reader.
//
// Put MUST NOT block and MUST NOT call the room: it is called with the room's
// lock held. A full sink ends its session; nobody waits for it.
// If shown is not nil it is called exactly once, not from within Put: with true
// when the person's client has confirmed that the update arrived, with false when
// the session ended before.
type Sink interface {
	Put(u *Update, shown func(bool))
}

// Update is something for a session to show. One update is shared by all
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

// Options are the settings of a [Room]. Rooms is needed.
type Options struct {
	// InboxMax is how many unread direct and group messages one nick can have;
	// what would be one more is refused. 0 is no limit.
	InboxMax int
	Rooms    RoomOptions

	// Peers are the other servers of a cluster; nil: there are none.
	Peers Peers
	// Leads reports whether this server does the work that one server does for all; nil: always.
	Leads func() bool
}

// Room is what sessions talk to. It turns what they do into events for the log, and
// what comes back from there into what they are shown. It connects the [people], the
// [chatroom] they talk in, and their presence. All methods may be called concurrently,
// except Apply.
type Room struct {
	log       Log
	histories Histories
	directory Directory
	settings  Settings
	options   Options
	ids       idSource

	peers Peers  // nil on a single server
	node  string // the name of this server among them, "" on a single one

	setting sync.Mutex // held while settings, or rooms, are changed, or read to join with; taken before speaking and mu
	// loading is held while settings are read into memory, and while Apply changes settings
	// in memory. Nobody waits for Apply with it held. Taken after setting, and before speaking and mu.
	loading sync.Mutex
	// speaking is held from giving an event its ID until the log has it: but for changes of presence, IDs are in the
	// order of the log. Taken before mu.
	speaking sync.Mutex
	keys     usedKeys

	mu         sync.Mutex // owns everything below; held for map work and puts only
	people     people
	rooms      map[string]*chatroom // by name
	attendance attendance
	lastID     string // of the last event that was no change of presence; at the start, the greatest of all
	// pending has, by the ID that it was appended with, the callback of each event on its way through the log.
	pending map[string]func(Receipt)
	recent  readings
	said    map[Kind]uint64 // how many messages there were
	outside uint64          // of them, lines outside the lobby

	made      map[string]int // rooms, by nick, since madeSince; under setting
	madeSince time.Time      // a day ago at most
	closed    bool
}

// New returns a room that goes on where histories end: the last lines, when people were
// online, and ids. What is applied to histories after that is to be given to Apply.
// Close it.
func New(log Log, histories Histories, directory Directory, settings Settings, options Options) (*Room, error) {
	r := &Room{
		log:        log,
		histories:  histories,
		directory:  directory,
		settings:   settings,
		options:    options,
		ids:        idSource{last: decodeID(histories.LastID())},
		rooms:      map[string]*chatroom{},
		attendance: newAttendance(),
		keys:       usedKeys{started: time.Now(), loaded: map[string]bool{}, of: map[string]map[string]*use{}},
		pending:    map[string]func(Receipt){},
		lastID:     histories.LastID(),
		peers:      options.Peers,
		made:       map[string]int{},
		madeSince:  time.Now(),
		said:       map[Kind]uint64{KindSay: 0, KindMe: 0, KindNotice: 0, KindDirect: 0, KindGroup: 0},
	}
	r.people = newPeople(&r.mu)
	if r.peers != nil {
		r.node = r.peers.Node()
	}
	// A history that can't be used was logged by the server; the room goes on without it.
	var err error
	if r.rooms[Lobby], err = r.openLobby(); err != nil && !errors.Is(err, ErrUnusable) {
		return nil, err
	}
	if err := r.openRooms(); err != nil {
		return nil, err
	}
	if err := r.loadPresence(time.Now()); err != nil && !errors.Is(err, ErrUnusable) {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock() // the timer's function reads it
	r.attendance.alive = time.AfterFunc(aliveEvery, r.heartbeat)
	return r, nil
}

// Close records that everybody left and stops the room's timers. Sessions are to
// be ended before; the log is to be closed after.
func (r *Room) Close() {
	r.shut()
	r.saveMarks(0) // of all, who have left by now
}

func (r *Room) shut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.attendance.stop()
	for _, p := range r.people.here {
		if p.local {
			if r.markRead(p); len(p.sessions) > 0 {
				p.lastShown = r.lastID
			}
			r.depart(p, Quit)
		}
	}
	for _, m := range r.attendance.nextMinute(len(r.attendance.late)) {
		r.record(m)
	}
}

// newMessage makes a message of now.
func (r *Room) newMessage(kind Kind, from string, to []string, text string) Message {
	m := Message{Kind: kind, From: from, To: to, Text: text}
	r.stamp(&m)
	return m
}

func (r *Room) stamp(m *Message) {
	now := time.Now()
	m.ID, m.Time = r.ids.next(now), now.UTC().Truncate(time.Millisecond)
}

// append hands e, and its receipts, to the log, with IDs of now. tell is called when e was applied, or failed, with Err set: once for
// each recipient of a direct or group message, once for any other event. It is called on the
// log's goroutine and must not block; nil: nobody waits.
func (r *Room) append(e *Event, tell func(Receipt)) {
	r.speaking.Lock()
	defer r.speaking.Unlock()
	r.appendNow(e, tell)
}

// appendNow is append with r.speaking held.
func (r *Room) appendNow(e *Event, tell func(Receipt)) {
	for _, receipt := range e.Receipts {
		r.stamp(receipt)
	}
	r.stamp(&e.Message)
	e.Node, e.Tag = r.node, e.ID
	if tell != nil {
		r.mu.Lock()
		r.pending[e.ID] = tell
		r.mu.Unlock()
	}
	r.log.Append(e, func(err error) { r.failed(e, err) })
}

// wait appends e and returns when it was applied. It must not be called on the log's goroutine.
func (r *Room) wait(e *Event) error {
	done := make(chan error, 1)
	r.append(e, func(got Receipt) { done <- got.Err })
	return <-done
}

// takePending takes e, if this server appended it, out of pending, and returns its callback, which
// gets e's ID; nil if there is none. r.mu is held.
func (r *Room) takePending(e *Event) (told func(Receipt)) {
	tell := r.pending[e.Tag]
	if tell == nil || e.Node != r.node {
		return nil
	}
	delete(r.pending, e.Tag)
	return func(got Receipt) {
		got.ID = e.ID
		tell(got)
	}
}

// failed tells whoever waits for e that it is not on record. What was read stays unread.
func (r *Room) failed(e *Event, err error) {
	r.mu.Lock()
	told := r.takePending(e)
	r.people.notRead(e.From, e.Read)
	r.mu.Unlock()
	if told == nil {
		return
	}
	to := e.To
	if len(to) == 0 {
		to = []string{""}
	}
	for _, nick := range to {
		told(Receipt{To: nick, Outcome: Failed, Err: err})
	}
}

// Apply shows what happened to those it concerns, and answers whoever waits for it. The one
// goroutine of the log calls it, with all entries in their order, after the histories
// have them. It does not block.
func (r *Room) Apply(batch []Entry) {
	for _, e := range batch {
		r.apply(e)
	}
}

func (r *Room) apply(e Entry) {
	var mentioned []string
	if e.Kind == KindSay || e.Kind == KindMe || e.Kind == KindNotice {
		mentioned = r.mentionedBy(&e.Message)
	}
	if e.Kind == KindState {
		r.loading.Lock()
		defer r.loading.Unlock()
	}
	r.mu.Lock()
	if e.Kind != KindJoin && e.Kind != KindLeave && e.Kind != KindAlive {
		r.lastID = e.ID
	}
	told := r.takePending(e.Event)
	receipts := []Receipt{{}}
	var after []func() // to be called without r.mu
	switch e.Kind {
	case KindSay, KindMe, KindNotice:
		r.said[e.Kind]++
		if e.Room != Lobby {
			r.outside++
		}
		if c := r.rooms[e.Room]; c != nil {
			c.publish(&e.Message, mentioned)
		}
	case KindDirect, KindGroup:
		receipts = r.dispatch(e, told)
	case KindRead:
		after = r.wasRead(e.Event)
	case KindRetired:
		r.retired(e.Event)
	case KindJoin, KindLeave, KindAlive:
		if r.peers != nil {
			r.wasRecorded(e.Event)
		}
	case KindState:
		r.stateChanged(e.Event)
	}
	if e.Key != "" && told == nil { // from another server, or taken for lost
		r.keys.applied(&e.Message)
	}
	r.people.released.Broadcast()
	r.mu.Unlock()
	for _, receipt := range receipts {
		if told != nil {
			told(receipt)
		}
	}
	for _, call := range after {
		call()
	}
}

// retired forgets a nick that has no holder any more, or the lines of a room.
// r.mu is held.
func (r *Room) retired(e *Event) {
	if e.Room == "" {
		r.keys.forget(e.From)
		delete(r.people.unsaved, e.From)
	} else if c := r.rooms[e.Room]; c != nil {
		c.tally = tally{counting: c.counting}
	}
}

// Stats counts people, sessions and messages since the room was made. In a cluster, Sessions counts this server's,
// all else is of all servers.
type Stats struct {
	Members  int // nicks of people, including guests
	Guests   int
	Bots     int // nicks of bots
	Sessions int
	// Messages has how many were shown to everyone, or kept for or shown to those
	// they are for. Receipts and presence do not count.
	Messages map[Kind]uint64
	// Rooms is how many there are beside the lobby, Private how many of them are private, and RoomLines
	// how many of Messages were said in them.
	Rooms, Private int
	RoomLines      uint64
}

// Stats returns a copy of the room's statistics.
func (r *Room) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{Bots: r.people.bots, Members: len(r.people.here) - r.people.bots, Messages: maps.Clone(r.said), RoomLines: r.outside}
	for _, c := range r.rooms {
		if c.Name != Lobby {
			s.Rooms++
		}
		if c.Private {
			s.Private++
		}
	}
	for nick, p := range r.people.here {
		s.Sessions += len(p.sessions)
		if isGuest(nick) {
			s.Guests++
		}
	}
	return s
}
