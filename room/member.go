package room

import (
	"cmp"
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// ErrClosed is returned by Join when the server is going down.
var ErrClosed = errors.New("the server is shutting down")

const (
	graceAfterBreak = 10 * time.Second // a broken session's nick stays this long
	greetByName     = 20               // more people than these are only counted on joining
)

// Identity is a nick, as proven to the server, and how its session takes part.
type Identity struct {
	Nick    string // canonical; a guest's starts with '~'
	Quiet   bool   // for a program's session: its joining and leaving are not announced
	Program bool   // a program's session: lines of rooms that it gets stay unread
}

// Guest reports whether the person came without a key: nothing is kept for guests.
func (i Identity) Guest() bool { return isGuest(i.Nick) }

// Member is a session's handle: with it, one of a person's sessions speaks and asks. Its methods
// may be called concurrently.
type Member struct {
	room    *Room
	nick    string
	quiet   bool
	program bool
	writes  string                   // the room where it writes, of a terminal's; owned by Room.mu, as is
	leaves  string                   // the room that it is leaving
	sink    Sink                     // nil for a visitor, who runs a command without being present
	display *atomic.Pointer[Display] // the person's; nil for a visitor
}

// Nick is the session's nick: for a guest perhaps not the name that was asked for.
func (s *Member) Nick() string { return s.nick }

// Guest reports whether the person here came without a key.
func (s *Member) Guest() bool { return isGuest(s.nick) }

// Visiting reports whether this is for a single command.
func (s *Member) Visiting() bool { return s.sink == nil }

// Active notes that the person typed something, for idle times.
func (s *Member) Active() {
	s.room.withPerson(s.nick, func(p *person) { p.active = time.Now() })
}

// IsAway reports whether the person is away.
func (s *Member) IsAway() (away bool) {
	s.room.withPerson(s.nick, func(p *person) { away = p.Absence.Away() })
	return away
}

// ReplyTo is the sender of the last direct message to this person, "" without one.
func (s *Member) ReplyTo() (nick string) {
	s.room.withPerson(s.nick, func(p *person) {
		if p.last != nil {
			nick = p.last.From
		}
	})
	return nick
}

// Visit returns a handle for a single command: it can speak and ask, but is not present, and
// nothing is shown to it. A guest's name is numbered as by Join, and taken until Leave, so
// that no two guests speak under one name.
func (r *Room) Visit(who Identity) *Member {
	member := &Member{room: r, nick: who.Nick}
	if who.Guest() {
		r.mu.Lock()
		defer r.mu.Unlock()
		member.nick = r.people.freeGuest(who.Nick, r.directory)
		r.people.visiting[member.nick] = member
	}
	return member
}

// Welcome is what a session learns when it joins.
type Welcome struct {
	Others       []Presence // which other people are online, if they are not many; bots do not count
	Recent       []*Message // room lines, oldest first: RecentLines, or all since Left or the break, up to MissedLines
	Left         time.Time  // when this person was last here; zero if that is now, or not known
	LeftLost     bool       // and that ended because the connection was lost
	Unread       Waiting    // what waits in the inbox
	Missed       []*Message // beside that, a page of what came while the connection was broken
	Receipts     []*Message // a page of them: others have read what was kept for them
	OthersOnline int        // how many other people are online
	Absence      Absence    // how they are away
	Returned     bool       // the connection had broken and the nick was still held

	// Before gives, with Replay, what was said before the session's first update. It gets none itself.
	Before *Observer

	Rooms  []RoomSummary // the person's rooms beside the lobby, with their unread lines
	InThem []*Message    // after a lost connection, the newest lines of these, oldest first in each: see readMissed

	// WroteIn is the room where the person's last session wrote, if its connection was lost; "" if that is not known. The
	// person may not be in it any more.
	WroteIn string

	last string // messages with a greater ID were not shown before Left, or the break
}

// Join makes a session take part. Updates go to sink from now on. A guest's name
// that is in use gets a number behind it. The error is ErrClosed, or wraps
// ErrStorage where the person's settings can't be read (the Member is nil then) or the history
// can't (the Member is valid).
func (r *Room) Join(who Identity, sink Sink) (*Member, *Welcome, error) {
	member, welcome, err := r.enter(who, sink)
	if err != nil || who.Guest() {
		return member, welcome, err
	}
	switch {
	case who.Program:
	case welcome.Returned:
		welcome.readMissed(MissedLines)
	case welcome.LeftLost:
		welcome.readMissed(RecentLines)
	}
	for page, unreadErr := range r.unread(member.nick) {
		welcome.addUnread(page.Messages)
		err = unreadErr
	}
	r.wasWritten(member.nick, welcome.Missed)
	return member, welcome, err
}

// enter is Join without the inbox. Settings are read with r.setting held, so that no change of
// them is missed.
func (r *Room) enter(who Identity, sink Sink) (*Member, *Welcome, error) {
	var set Preferences // none of a guest's, whatever another guest of that name has set
	if !who.Guest() {
		r.setting.Lock()
		defer r.setting.Unlock()
		var err error
		if set, err = r.preferences(who.Nick); err != nil {
			return nil, nil, err
		}
		_ = r.countAll(&set) // of a history that can't be read, nothing is counted
		r.loading.Lock()
		defer r.loading.Unlock()
		if r.peers != nil { // another server may have changed them until now
			if set, err = r.preferences(who.Nick); err != nil {
				return nil, nil, err
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, ErrClosed
	}
	welcome := &Welcome{}
	if who.Guest() {
		who.Nick = r.people.freeGuest(who.Nick, r.directory)
	} else {
		last := r.people.seen[who.Nick]
		welcome.Left, welcome.LeftLost, welcome.last, welcome.WroteIn = last.at, last.lost, last.last, last.wroteIn
	}
	member := &Member{room: r, nick: who.Nick, quiet: who.Quiet, program: who.Program, sink: sink}
	welcome.Before = &Observer{member: member, before: r.lastID, Preferences: set}
	r.attendance.greeted++
	p := r.people.here[who.Nick]
	if p != nil && p.local {
		welcome.WroteIn = cmp.Or(p.wroteIn, Lobby)
	}
	switch {
	case p == nil || !p.local:
		if p == nil {
			p = r.people.add(who.Nick, r.bot(who.Nick))
		}
		p.become(set)
		p.local, p.renewed = true, time.Now()
		r.rooms[Lobby].enter(p)
		_, p.unsaved = r.people.unsaved[p.nick]
		delete(r.people.unsaved, p.nick)
		p.firstID = r.lastID
		if r.peers == nil { // above those on their way, too; in a cluster IDs are the log's
			p.firstID = r.ids.next(time.Now())
		}
		r.recordChange(KindJoin, p, false)
	case len(p.sessions) == 0:
		p.broken.Stop()
		welcome.Returned, welcome.last = true, p.lastShown
	}
	if !who.Quiet && !p.told {
		before := p.announced()
		p.told = true
		r.announceChange(p, before, false)
	}
	welcome.Rooms = r.enterRooms(p, !who.Program)
	p.active = time.Now()
	welcome.Absence = p.Absence
	member.display = &p.display
	p.sessions = append(p.sessions, member)
	r.people.arrived.Broadcast()
	r.rosterChanged()
	r.people.catchUp(p, member)
	welcome.Recent = r.rooms[Lobby].recentFor(p, welcome)
	welcome.OthersOnline = len(r.people.here) - r.people.bots
	if !p.bot {
		welcome.OthersOnline--
	}
	if welcome.OthersOnline <= greetByName {
		welcome.Others = slices.DeleteFunc(r.people.others(who.Nick), func(p Presence) bool { return p.Bot })
	}
	return member, welcome, nil
}

// addUnread adds unread messages and receipts. What exceeds a page stays unread: messages in the
// inbox, receipts for the next time.
func (welcome *Welcome) addUnread(unread []*Message) {
	for _, m := range unread {
		switch {
		case m.Kind == KindReceipt:
			if len(welcome.Receipts) < pageMessages {
				welcome.Receipts = append(welcome.Receipts, m)
			}
		case welcome.Returned && m.ID > welcome.last && len(welcome.Missed) < pageMessages:
			welcome.Missed = append(welcome.Missed, m)
		default:
			welcome.Unread.add(m)
		}
	}
}

// depart ends a person's presence on this server. r.mu is held.
func (r *Room) depart(p *person, cause Cause) {
	if p.broken != nil {
		p.broken.Stop()
	}
	if p.unsaved && !isGuest(p.nick) {
		r.people.unsaved[p.nick] = p.Preferences
	}
	p.local, p.unsaved, p.sessions = false, false, nil
	r.removeGone(p, departure{time.Now(), cause == Broke, p.lastShown, cmp.Or(p.wroteIn, Lobby)})
	r.recordChange(KindLeave, p, cause == Broke)
	r.announceLeaving(p, cause)
	r.rosterChanged()
}

// removeGone removes p, if p is on no server any more. r.mu is held.
func (r *Room) removeGone(p *person, how departure) {
	if p.local || len(p.elsewhere) > 0 {
		return
	}
	r.people.remove(p.nick, how)
	for _, j := range append(slices.Clip(p.Rooms), Joined{Room: Lobby}) {
		if c := r.rooms[j.Room]; c != nil {
			c.leave(p.nick, how)
		}
	}
}

// announceLeaving announces that p left this server, if the joining was announced. r.mu is held.
func (r *Room) announceLeaving(p *person, cause Cause) {
	before := p.announced()
	p.told = false
	r.announceChange(p, before, cause == Broke)
}

// WritesIn notes the room where a terminal's session writes from now on: see [Welcome.WroteIn].
func (s *Member) WritesIn(name string) {
	s.room.withPerson(s.nick, func(p *person) { s.writes, p.wroteIn = name, "" })
}

// Cause says how a session ended.
type Cause int

const (
	Quit  Cause = iota // the person left
	Broke              // the connection ended without a word
)

// Leave ends the session's part; later calls do nothing. With the last session the person
// leaves: at once, or, when a keyed person's connection broke, after a grace in
// which what is sent to them is kept.
func (s *Member) Leave(cause Cause) {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.people.visiting[s.nick] == s {
		delete(r.people.visiting, s.nick)
	}
	p := r.people.here[s.nick]
	if p == nil || !slices.Contains(p.sessions, s) {
		return
	}
	r.markRead(p)
	p.sessions = slices.DeleteFunc(p.sessions, func(other *Member) bool { return other == s })
	p.lastShown = r.lastID
	if s.writes != "" {
		p.wroteIn = ""
		if cause == Broke {
			p.wroteIn = s.writes
		}
	}
	switch {
	case len(p.sessions) > 0:
		if !slices.ContainsFunc(p.sessions, func(s *Member) bool { return !s.quiet }) {
			r.announceLeaving(p, cause)
		}
		r.rosterChanged()
	case cause == Quit || s.Guest() || r.closed:
		r.depart(p, cause)
	default:
		p.graceEnds = time.Now().Add(graceAfterBreak)
		p.broken = time.AfterFunc(graceAfterBreak, func() { r.graceOver(p) })
		r.rosterChanged()
	}
}

// graceOver ends p's presence unless p is back. It may be called by the timer of an earlier
// break, which fired just before it was stopped.
func (r *Room) graceOver(p *person) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.people.here[p.nick] == p && p.local && len(p.sessions) == 0 && !time.Now().Before(p.graceEnds) {
		r.depart(p, Broke)
	}
}
