package room

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// ErrClosed is returned by Join when the server is going down.
var ErrClosed = errors.New("the server is shutting down")

// Who is a person, as proven to the server.
type Who struct {
	Nick string // canonical; a guest's starts with '~'
}

// Guest reports whether the person came without a key: nothing is kept for guests.
func (w Who) Guest() bool { return isGuest(w.Nick) }

func isGuest(nick string) bool { return strings.HasPrefix(nick, "~") }

// member is a nick that is present, with one or more sessions, or with none for
// the moment when its last connection broke. Owned by Room.mu.
type member struct {
	nick    string
	since   time.Time
	active  time.Time // when the person last typed something
	away    bool
	reason  string
	seats   []*Seat
	blocked map[string]bool
	last    *Message // the last that somebody wrote directly

	broken   *time.Timer // runs while seats is empty
	breaks   int         // how often it was started
	lastSeen string      // Room.last when the connection broke

	firstID  string    // of the record of joining: what this member wrote is newer
	renewed  time.Time // when the presence history last had this member as online
	released int       // how many claims on the nick's messages were released
}

func (m *member) put(e *Event) {
	for _, s := range m.seats {
		s.sink.Put(e, nil)
	}
}

// Seat is one session's place in the room. Its methods may be called concurrently.
type Seat struct {
	room *Room
	nick string
	sink Sink // nil for a visitor, who runs a command without being present
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
	Unread       Waiting    // what waits in the inbox
	Missed       []*Message // beside that, a page of what came while the connection was broken
	Receipts     []*Message // a page of them: others have read what was kept for them
	OthersOnline int        // how many others are online
	Returned     bool       // the connection had broken and the nick was still held
}

// Visit returns a seat for a single command: it can speak and ask, but nobody sees
// it come or go, and nothing is shown to it.
func (r *Room) Visit(who Who) *Seat { return &Seat{room: r, nick: who.Nick} }

// Join seats a session. The seat's events go to sink from now on. A guest's name
// that is in use gets a number behind it. The error is ErrClosed, or wraps
// ErrStorage where the person's settings can't be read (the seat is nil then) or the history
// can't (the seat is valid).
func (r *Room) Join(who Who, sink Sink) (*Seat, *Welcome, error) {
	var seat *Seat
	var welcome *Welcome
	var after string
	for seat == nil {
		blocked, edits, err := r.blockedForJoin(who)
		if err != nil {
			return nil, nil, err
		}
		if seat, welcome, after, err = r.sit(who, sink, blocked, edits); err != nil {
			return nil, nil, err
		}
	}
	if who.Guest() {
		return seat, welcome, nil
	}
	var err error
	for page, unreadErr := range r.unread(seat.nick) {
		welcome.sort(page.Messages, after)
		err = unreadErr
	}
	r.wroteLast(seat.nick, welcome.Missed)
	return seat, welcome, err
}

// blockedForJoin reads whom a newcomer blocks, and r.edits from before that. A guest
// blocks nobody yet, whatever another guest of that name does.
func (r *Room) blockedForJoin(who Who) (blocked map[string]bool, edits int, err error) {
	r.mu.Lock()
	edits = r.edits
	r.mu.Unlock()
	if who.Guest() {
		return nil, edits, nil
	}
	blocked, err = r.blockedBy(who.Nick)
	return blocked, edits, err
}

// sit seats a session and says what came last before its connection broke. The
// seat is nil when block lists changed since edits: blocked may be an old one.
func (r *Room) sit(who Who, sink Sink, blocked map[string]bool, edits int) (*Seat, *Welcome, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, nil, "", ErrClosed
	case who.Guest():
		who.Nick = r.freeGuest(who.Nick)
	case edits != r.edits:
		return nil, nil, "", nil
	}
	seat := &Seat{room: r, nick: who.Nick, sink: sink}
	r.changes.greeted++
	m := r.members[who.Nick]
	welcome := &Welcome{}
	if !who.Guest() {
		welcome.Left = r.seen[who.Nick]
	}
	switch {
	case m == nil:
		m = r.arrive(who.Nick)
		m.blocked = blocked
	case len(m.seats) == 0:
		m.broken.Stop()
		welcome.Returned = true
	}
	m.active = time.Now()
	m.seats = append(m.seats, seat)
	r.catchUp(m, seat)
	welcome.Recent = r.recentFor(m, welcome.Returned, welcome.Left)
	welcome.OthersOnline = len(r.members) - 1
	if welcome.OthersOnline <= greetByName {
		welcome.Others = r.others(who.Nick)
	}
	return seat, welcome, m.lastSeen, nil
}

// freeGuest returns name, or name with the least number behind it that is free,
// cut where it would be too long. What a key holds, or could be taken for it, is not.
func (r *Room) freeGuest(name string) string {
	free := name
	for n := 2; r.members[free] != nil || !r.directory.Free(free[1:]); n++ {
		number := strconv.Itoa(n)
		free = name[:min(len(name), maxGuestName-len(number))] + number
	}
	return free
}

// arrive makes nick a member and tells the others. r.mu is held.
func (r *Room) arrive(nick string) *member {
	now := time.Now()
	m := &member{nick: nick, since: now, active: now, renewed: now}
	r.members[nick] = m
	r.listOnline(nick, true)
	delete(r.seen, nick)
	m.firstID = r.recordPresence(KindJoin, nick)
	r.tell(nick, true)
	return m
}

// depart ends nick's presence and tells the others. r.mu is held.
func (r *Room) depart(m *member) {
	if m.broken != nil {
		m.broken.Stop()
	}
	delete(r.members, m.nick)
	r.listOnline(m.nick, false)
	r.remember(m.nick, time.Now())
	r.recordPresence(KindLeave, m.nick)
	r.tell(m.nick, false)
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
	m := r.members[s.nick]
	if m == nil || !m.drop(s) || len(m.seats) > 0 {
		return
	}
	if cause == Quit || s.Guest() || r.closed {
		r.depart(m)
		return
	}
	m.lastSeen = r.last
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
	if r.members[m.nick] == m && len(m.seats) == 0 && m.breaks == n {
		r.depart(m)
	}
}

// Active notes that the person typed something, for idle times.
func (s *Seat) Active() {
	s.room.withMember(s.nick, func(m *member) { m.active = time.Now() })
}

// Away marks the person as away: direct messages are kept for the inbox. It
// reports whether the person is present at all.
func (s *Seat) Away(reason string) (present bool) {
	s.room.withMember(s.nick, func(m *member) {
		present, m.away, m.reason = true, true, reason
	})
	return present
}

// Back ends Away and reports whether the person was away.
func (s *Seat) Back() (was bool) {
	s.room.withMember(s.nick, func(m *member) {
		was, m.away, m.reason = m.away, false, ""
	})
	return was
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

// withMember calls f with nick's member, if there is one, under the lock.
func (r *Room) withMember(nick string, f func(*member)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[nick]; m != nil {
		f(m)
	}
}
