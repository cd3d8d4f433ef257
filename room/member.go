package room

import (
	"errors"
	"slices"
	"strconv"
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
	nick    string
	since   time.Time
	active  time.Time // when the person last typed something
	absence Absence
	seats   []*Seat
	blocked map[string]bool
	last    *Message // the last that somebody wrote directly

	broken   *time.Timer // runs while seats is empty
	breaks   int         // how often it was started
	lastSeen string      // Room.last when the connection broke

	firstID  string    // of the record of joining: what this member wrote is newer
	renewed  time.Time // when the presence history last had this member as online
	released int       // how many claims on the nick's messages were released
	told     bool      // the others were told of the joining, and will be of the leaving
}

func (m *member) put(e *Event) {
	for _, s := range m.seats {
		s.sink.Put(e, nil)
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
	seat := &Seat{room: r, nick: r.freeGuest(who.Nick)}
	r.visiting[seat.nick] = seat
	return seat
}

// Visiting reports whether the seat is for a single command.
func (s *Seat) Visiting() bool { return s.sink == nil }

// Join seats a session. The seat's events go to sink from now on. A guest's name
// that is in use gets a number behind it. The error is ErrClosed, or wraps
// ErrStorage where the person's settings can't be read (the seat is nil then) or the history
// can't (the seat is valid).
func (r *Room) Join(who Who, sink Sink) (*Seat, *Welcome, error) {
	var seat *Seat
	var welcome *Welcome
	var after string
	for seat == nil {
		blocked, absence, edits, err := r.settingsForJoin(who)
		if err != nil {
			return nil, nil, err
		}
		if seat, welcome, after, err = r.sit(who, sink, blocked, absence, edits); err != nil {
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

// settingsForJoin reads whom a newcomer blocks and how they are away, and r.edits from
// before that. A guest blocks nobody yet, whatever another guest of that name does.
func (r *Room) settingsForJoin(who Who) (blocked map[string]bool, absence Absence, edits int, err error) {
	r.mu.Lock()
	edits = r.edits
	r.mu.Unlock()
	if who.Guest() {
		return nil, absence, edits, nil
	}
	if blocked, err = r.blockedBy(who.Nick); err == nil {
		absence, err = r.absenceOf(who.Nick)
	}
	return blocked, absence, edits, err
}

// sit seats a session and says what came last before its connection broke. The
// seat is nil when settings changed since edits: blocked and absence may be old ones.
func (r *Room) sit(who Who, sink Sink, blocked map[string]bool, absence Absence, edits int) (*Seat, *Welcome, string, error) {
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
	seat := &Seat{room: r, nick: who.Nick, quiet: who.Quiet, sink: sink}
	r.changes.greeted++
	m := r.members[who.Nick]
	welcome := &Welcome{}
	if !who.Guest() {
		last := r.seen[who.Nick]
		welcome.Left, welcome.LeftLost = last.at, last.lost
	}
	switch {
	case m == nil:
		m = r.arrive(who.Nick)
		m.blocked, m.absence = blocked, absence
	case len(m.seats) == 0:
		m.broken.Stop()
		welcome.Returned = true
	}
	if !who.Quiet && !m.told {
		m.told = true
		r.tell(m.nick, joined)
	}
	m.active = time.Now()
	welcome.Absence = m.absence
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
	for n := 2; r.members[free] != nil || r.visiting[free] != nil || !r.directory.Free(free[1:]); n++ {
		number := strconv.Itoa(n)
		free = name[:min(len(name), maxGuestName-len(number))] + number
	}
	return free
}

// arrive makes nick a member. r.mu is held.
func (r *Room) arrive(nick string) *member {
	now := time.Now()
	m := &member{nick: nick, since: now, active: now, renewed: now}
	r.members[nick] = m
	r.listOnline(nick, true)
	delete(r.seen, nick)
	m.firstID = r.recordPresence(KindJoin, nick, false)
	return m
}

// depart ends nick's presence and tells the others. r.mu is held.
func (r *Room) depart(m *member, cause Cause) {
	if m.broken != nil {
		m.broken.Stop()
	}
	delete(r.members, m.nick)
	r.listOnline(m.nick, false)
	r.remember(m.nick, departure{time.Now(), cause == Broke})
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
	if r.visiting[s.nick] == s {
		delete(r.visiting, s.nick)
	}
	m := r.members[s.nick]
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

// withMember calls f with nick's member, if there is one, under the lock.
func (r *Room) withMember(nick string, f func(*member)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[nick]; m != nil {
		f(m)
	}
}
