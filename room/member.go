package room

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// ErrClosed is returned by Join when the server is going down.
var ErrClosed = errors.New("the server is shutting down")

// Who is a person, as proven to the server.
type Who struct {
	Nick  string // canonical; a guest's starts with '~'
	Quiet bool   // the session is a program's: nobody is told that it comes or goes
}

// Guest reports whether the person came without a key: nothing is kept for guests.
func (w Who) Guest() bool { return isGuest(w.Nick) }

func isGuest(nick string) bool { return strings.HasPrefix(nick, "~") }

// member is a nick that is present, with one or more sessions, or with none for
// the moment when its last connection broke. Owned by Room.mu.
type member struct {
	nick   string
	since  time.Time
	active time.Time // when the person last typed something
	wishes
	seats []*Seat
	last  *Message // the last that somebody wrote directly

	broken *time.Timer     // runs while seats is empty
	breaks int             // how often it was started
	heard  int             // lines.said when the connection broke
	missed map[string]bool // ids of what came directly since, a page at most

	firstID string    // of the record of joining: what this member wrote is newer
	renewed time.Time // when the presence history last had this member as online
	told    bool      // the others were told of the joining, and will be of the leaving
}

func (m *member) put(u *Update) {
	for _, s := range m.seats {
		s.sink.Put(u, nil)
	}
}

// miss notes a message that came while the connection was broken.
func (m *member) miss(message *Message) {
	if message.Kind != KindReceipt && len(m.missed) < pageMessages {
		m.missed[message.ID] = true
	}
}

func (m *member) presence() Presence {
	return Presence{
		Nick: m.nick, Online: true, Since: m.since, Active: m.active,
		Away: m.absence.Away(), Reason: m.absence.Reason, Sessions: len(m.seats), Quiet: !m.told,
	}
}

// Seat is one session's place in the room. Its methods may be called concurrently.
type Seat struct {
	room  *Room
	nick  string
	quiet bool
	sink  Sink // nil for a visitor, who runs a command without being present
}

// Nick is who sits here: for a guest perhaps not the name that was asked for.
func (s *Seat) Nick() string { return s.nick }

// Guest reports whether the person here came without a key.
func (s *Seat) Guest() bool { return isGuest(s.nick) }

// Welcome is what a session is told when it joins.
type Welcome struct {
	Others       []Presence // who else is online, if they are not many
	Recent       []*Message // room lines, oldest first: RecentLines, or all since Left or the break, up to 500
	Left         time.Time  // when this person was last here; zero if that is now, or not known
	LeftLost     bool       // and that ended because the connection was lost
	Unread       Waiting    // what waits in the inbox
	Missed       []*Message // beside that, a page of what came while the connection was broken
	Receipts     []*Message // a page of them: others have read what was kept for them
	OthersOnline int        // how many others are online
	Absence      Absence    // how they are away
	Returned     bool       // the connection had broken and the nick was still held

	missed map[string]bool // ids of what may go to Missed
}

// Visit returns a seat for a single command: it can speak and ask, but nobody sees
// it come or go, and nothing is shown to it. A guest's name is numbered as by Join, and
// taken until Leave: nobody speaks under the name of another guest.
func (r *Room) Visit(who Who) *Seat {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !who.Guest() {
		return &Seat{room: r, nick: who.Nick}
	}
	seat := &Seat{room: r, nick: r.people.freeGuest(who.Nick, r.directory)}
	r.people.visiting[seat.nick] = seat
	return seat
}

// Visiting reports whether the seat is for a single command.
func (s *Seat) Visiting() bool { return s.sink == nil }

// Join seats a session. What is to be shown goes to sink from now on. A guest's name
// that is in use gets a number behind it. The error is ErrClosed, or wraps
// ErrStorage where the person's settings can't be read (the seat is nil then) or the history
// can't (the seat is valid).
func (r *Room) Join(who Who, sink Sink) (seat *Seat, welcome *Welcome, err error) {
	for seat == nil {
		var w wishes // a guest has none yet, whatever another guest of that name has set
		edits := r.count(&r.people.edits)
		if !who.Guest() {
			w, err = r.wishesOf(who.Nick)
		}
		if err == nil {
			seat, welcome, err = r.attach(who, sink, w, edits)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if who.Guest() {
		return seat, welcome, nil
	}
	for page, unreadErr := range r.unread(seat.nick) {
		welcome.sort(page.Messages)
		err = unreadErr
	}
	r.wroteLast(seat.nick, welcome.Missed)
	return seat, welcome, err
}

// attach seats a session. The seat is nil when somebody's wishes changed since edits: w may
// be old ones.
func (r *Room) attach(who Who, sink Sink, w wishes, edits int) (*Seat, *Welcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, nil, ErrClosed
	case who.Guest():
		who.Nick = r.people.freeGuest(who.Nick, r.directory)
	case edits != r.people.edits:
		return nil, nil, nil
	}
	seat := &Seat{room: r, nick: who.Nick, quiet: who.Quiet, sink: sink}
	r.batch.greeted++
	m := r.people.members[who.Nick]
	welcome := &Welcome{}
	if !who.Guest() {
		last := r.people.seen[who.Nick]
		welcome.Left, welcome.LeftLost = last.at, last.lost
	}
	switch {
	case m == nil:
		m = r.arrive(who.Nick)
		m.wishes = w
	case len(m.seats) == 0:
		m.broken.Stop()
		welcome.Returned, welcome.missed = true, m.missed
	}
	if !who.Quiet && !m.told {
		m.told = true
		r.tell(m.nick, joined)
	}
	m.active = time.Now()
	welcome.Absence = m.absence
	m.seats = append(m.seats, seat)
	r.people.catchUp(m, seat)
	welcome.Recent = r.lobby.recentFor(m, welcome.Returned, welcome.Left)
	welcome.OthersOnline = len(r.people.members) - 1
	if welcome.OthersOnline <= greetByName {
		welcome.Others = r.people.others(who.Nick)
	}
	return seat, welcome, nil
}

// arrive makes nick a member. r.mu is held.
func (r *Room) arrive(nick string) *member {
	m := r.people.add(nick)
	m.firstID = r.recordPresence(KindJoin, nick, false)
	return m
}

// depart ends nick's presence and tells the others. r.mu is held.
func (r *Room) depart(m *member, cause Cause) {
	if m.broken != nil {
		m.broken.Stop()
	}
	r.people.remove(m.nick, departure{time.Now(), cause == Broke})
	r.recordPresence(KindLeave, m.nick, cause == Broke)
	r.untell(m, cause)
}

// untell tells the others that m left, if they were told of the joining. r.mu is held.
func (r *Room) untell(m *member, cause Cause) {
	if !m.told {
		return
	}
	m.told = false
	if cause == Broke {
		r.tell(m.nick, lost)
		return
	}
	r.tell(m.nick, left)
}

// Cause says how a session ended.
type Cause int

const (
	Quit  Cause = iota // the person left
	Broke              // the connection ended without a word
)

// Leave ends the seat; later calls do nothing. With the last seat the member
// leaves: at once, or, when a keyed person's connection broke, after a grace in
// which what is sent to them is kept.
func (s *Seat) Leave(cause Cause) {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.people.visiting[s.nick] == s {
		delete(r.people.visiting, s.nick)
	}
	m := r.people.members[s.nick]
	if m == nil || !m.drop(s) {
		return
	}
	if len(m.seats) > 0 {
		if !slices.ContainsFunc(m.seats, func(s *Seat) bool { return !s.quiet }) {
			r.untell(m, cause)
		}
		return
	}
	if cause == Quit || s.Guest() || r.closed {
		r.depart(m, cause)
		return
	}
	m.heard, m.missed = r.lobby.said, map[string]bool{}
	m.breaks++
	n := m.breaks
	m.broken = time.AfterFunc(graceAfterBreak, func() { r.graceOver(m, n) })
}

// drop removes s from the member's seats and reports whether it was there.
func (m *member) drop(s *Seat) bool {
	for i, seat := range m.seats {
		if seat == s {
			m.seats = append(m.seats[:i:i], m.seats[i+1:]...)
			return true
		}
	}
	return false
}

// graceOver ends the presence of a member whose n-th break was the last one and
// who is not back. Its timer may have fired just before it was stopped.
func (r *Room) graceOver(m *member, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.people.members[m.nick] == m && len(m.seats) == 0 && m.breaks == n {
		r.depart(m, Broke)
	}
}

// Active notes that the person typed something, for idle times.
func (s *Seat) Active() {
	s.room.withMember(s.nick, func(m *member) { m.active = time.Now() })
}

// IsAway reports whether the person is away.
func (s *Seat) IsAway() (away bool) {
	s.room.withMember(s.nick, func(m *member) { away = m.absence.Away() })
	return away
}

// ReplyTo is who last wrote to this person directly, "" when nobody did.
func (s *Seat) ReplyTo() (nick string) {
	s.room.withMember(s.nick, func(m *member) {
		if m.last != nil {
			nick = m.last.From
		}
	})
	return nick
}

// wroteLast notes that the person was shown a direct message. What is shown late
// does not hide who wrote after that.
func (m *member) wroteLast(message *Message) {
	if message.Kind != KindReceipt && (m.last == nil || m.last.ID < message.ID) {
		m.last = message
	}
}

func (r *Room) wroteLast(nick string, messages []*Message) {
	r.withMember(nick, func(m *member) {
		for _, message := range messages {
			m.wroteLast(message)
		}
	})
}

// count reads one of the room's counters.
func (r *Room) count(n *int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *n
}

// withMember calls f with nick's member, if there is one, under the lock.
func (r *Room) withMember(nick string, f func(*member)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.people.members[nick]; m != nil {
		f(m)
	}
}
