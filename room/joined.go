package room

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// Joined is a room that a person is in, online or not.
type Joined struct {
	Room  string `json:"room"`
	Read  string `json:"read"`            // all lines up to this ID were shown; never less than the room's ID
	Muted bool   `json:"muted,omitempty"` // its lines are counted, not shown

	// Lines after Read up to Counted were only counted; those after Counted up to Shown were shown. Each ID only grows,
	// and the greater one of two servers is right.
	Counted string `json:"counted,omitempty"`
	Shown   string `json:"shown,omitempty"`
}

// seen is the ID up to which each line was shown or counted.
func (j Joined) seen() string { return max(j.Read, j.Shown) }

// joined returns what p has of a room, the zero value if p is not in it: what is older than the room
// is about another one of that name.
func (p *Preferences) joined(c *chatroom) (j Joined) {
	if i := slices.IndexFunc(p.Rooms, func(j Joined) bool { return j.Room == c.Name }); i >= 0 && p.Rooms[i].Read >= c.ID {
		j = p.Rooms[i]
	}
	return j
}

// change returns the rooms of p with one of them changed.
func (p *Preferences) change(name string, f func(*Joined)) []Joined {
	rooms := slices.Clone(p.Rooms)
	for i := range rooms {
		if rooms[i].Room == name {
			f(&rooms[i])
		}
	}
	return rooms
}

// unreadMost is how many of the newest lines of a room count as unread.
const unreadMost = 1000

// mentionsMost is how many of the mentions in a room's lines are known.
const mentionsMost = 200

// mention is a nick that a line has in it.
type mention struct {
	id   uint64
	nick string
}

// tally counts the newest lines of a room, and who is mentioned in them, from memory. Owned by Room.mu.
type tally struct {
	counting bool // add is called for each line since
	ids      []uint64
	mentions []mention
}

func (t *tally) add(m *Message, nicks []string) {
	if !t.counting {
		return
	}
	id := decodeID(m.ID)
	t.ids = append(t.ids, id)
	if len(t.ids) > 2*unreadMost {
		t.ids = slices.Clone(t.ids[len(t.ids)-unreadMost:])
	}
	for _, nick := range nicks {
		t.mentions = append(t.mentions, mention{id, nick})
	}
	if len(t.mentions) > 2*mentionsMost {
		t.mentions = slices.Clone(t.mentions[len(t.mentions)-mentionsMost:])
	}
}

// between counts the lines after one ID up to another, and those of them that mention nick.
func (t *tally) between(after, upTo, nick string) (lines, mentions int) {
	first, end := decodeID(after)+1, decodeID(upTo)+1
	i, _ := slices.BinarySearch(t.ids, first)
	n, _ := slices.BinarySearch(t.ids, end)
	for _, m := range t.mentions {
		if m.id >= first && m.id < end && m.nick == nick {
			mentions++
		}
	}
	return max(n-i, 0), mentions
}

// has reports whether there are lines after one ID up to another.
func (t *tally) has(after, upTo string) bool {
	n, _ := t.between(after, upTo, "")
	return n > 0
}

// shown notes that the lines after one ID up to another were shown. Earlier ones that were not are only counted.
func (t *tally) shown(j *Joined, after, upTo string) {
	if t.has(j.seen(), after) {
		j.Counted = after
	}
	if t.has(j.Read, min(j.Counted, after)) {
		j.Shown = max(j.Shown, upTo)
	} else {
		j.Read = max(j.Read, upTo)
	}
}

// mentionedBy returns the nicks that m, a line of a room, mentions. r.mu need not be held.
func (r *Room) mentionedBy(m *Message) []string {
	if m.Room == Lobby {
		return nil // there the last lines themselves are known
	}
	return mentioned(m.Text, func(word string) bool { return word != m.From && !r.directory.Free(word) })
}

// mentioned returns the words of text that may be nicks, each once: a few of its first ones.
func mentioned(text string, nick func(string) bool) (nicks []string) {
	words := 0
	for word := range strings.FieldsFuncSeq(text, func(c rune) bool { return !isNickRune(c) }) {
		word = strings.TrimRight(word, ".-")
		if word == "" || len(word) > 32 {
			continue
		}
		if word = strings.ToLower(word); !slices.Contains(nicks, word) && nick(word) {
			nicks = append(nicks, word)
		}
		if words++; words == 100 || len(nicks) == 16 {
			break
		}
	}
	return nicks
}

func isNickRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// count has c's tally made from its history, once. r.setting is held.
func (r *Room) count(c *chatroom) error {
	r.mu.Lock()
	name, before, known := c.Name, r.lastID, c.counting
	c.counting = true
	r.mu.Unlock()
	if known {
		return nil
	}
	past := tally{counting: true}
	var err error
	for m, failed := range r.histories.Tail("#"+name, unreadMost, nil) {
		if err = failed; err == nil && m.ID <= before { // what is newer comes through Apply
			past.add(m, r.mentionedBy(m))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		c.tally = tally{} // the next one tries again
		return err
	}
	c.ids, c.mentions = append(past.ids, c.ids...), append(past.mentions, c.mentions...)
	return nil
}

// RoomSummary is what a person sees of a room in a list.
type RoomSummary struct {
	Name, Topic string
	Owners      []string
	People      int // who are in it and online
	Private     bool
	Joined      bool
	Own         bool // the person is one of the owners
	Muted       bool // by the person, for themselves
	Unread      int  // lines that the person was not shown; of a room that was joined
	More        bool // and perhaps more than that: older ones are not counted
	Mentions    int  // how many of these mention the person, at least
	Shown       bool // in a Welcome: all of these are in it
}

// summary is about c for nick, who may see it. r.mu is held.
func (r *Room) summary(c *chatroom, nick string, set *Preferences) RoomSummary {
	s := RoomSummary{Name: c.Name, Topic: c.Topic, Owners: c.Owners, People: len(c.here), Private: c.Private}
	var j Joined
	if c.access(nick).Read {
		j = set.joined(c)
	}
	s.Joined, s.Own, s.Muted = c.Name == Lobby || j.Room != "", slices.Contains(c.Owners, nick), j.Muted
	if j.Room == "" {
		return s
	}
	s.Unread, s.Mentions = c.between(j.Read, j.Counted, nick)
	if j.Muted || !c.here[nick].watched() {
		lines, mentions := c.between(j.seen(), r.lastID, nick)
		s.Unread, s.Mentions = s.Unread+lines, s.Mentions+mentions
	}
	s.More = s.Unread >= unreadMost
	s.Unread = min(s.Unread, unreadMost)
	return s
}

// RoomNames returns the names of the rooms that the person may know of, in any order, for completion. It
// answers from memory.
func (s *Member) RoomNames() (names []string) {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, c := range r.rooms {
		if c.access(s.nick).See {
			names = append(names, name)
		}
	}
	return names
}

// Rooms returns the rooms that the person may know of: the lobby, those joined, in the order of
// joining, then the others by name. Errors wrap [ErrStorage]: the counts of some are missing.
func (s *Member) Rooms() ([]RoomSummary, error) {
	r := s.room
	r.setting.Lock()
	defer r.setting.Unlock()
	set, err := r.preferences(s.nick)
	if err == nil {
		err = r.countAll(&set)
	}
	var all []RoomSummary
	r.mu.Lock()
	for _, c := range r.rooms {
		if c.access(s.nick).See {
			all = append(all, r.summary(c, s.nick, &set))
		}
	}
	r.mu.Unlock()
	place := func(of RoomSummary) int {
		switch {
		case of.Name == Lobby:
			return -1
		case !of.Joined:
			return len(set.Rooms)
		}
		return slices.IndexFunc(set.Rooms, func(j Joined) bool { return j.Room == of.Name })
	}
	slices.SortFunc(all, func(a, b RoomSummary) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a.Name, b.Name))
	})
	return all, err
}

// countAll is count for all rooms that a person is in. r.setting is held.
func (r *Room) countAll(set *Preferences) (err error) {
	for _, j := range set.Rooms {
		r.mu.Lock()
		c := r.rooms[j.Room]
		r.mu.Unlock()
		if c != nil {
			err = cmp.Or(err, r.count(c))
		}
	}
	return err
}

// enterRooms makes p present in the rooms that p has joined, and sums them up, for a session that shows lines to a
// person or not. Rooms that are gone, or that p may not read any more, are forgotten. r.mu is held.
func (r *Room) enterRooms(p *person, screen bool) (found []RoomSummary) {
	var rooms []Joined
	for _, j := range p.Rooms {
		c, may := r.lookup(j.Room, p.nick)
		switch {
		case c != nil && c.Unusable: // until its file is repaired
			rooms = append(rooms, j)
		case may.Read && p.joined(c).Room != "":
			sum := r.summary(c, p.nick, &p.Preferences)               // before p is in it: what p has missed
			if screen && sum.Unread > 0 && !j.Muted && !p.watched() { // what comes from now on is shown
				c.shown(&j, r.lastID, r.lastID)
			}
			rooms = append(rooms, j)
			c.enter(p)
			sum.People = len(c.here)
			found = append(found, sum)
		}
	}
	p.unsaved = p.unsaved || !slices.Equal(rooms, p.Rooms)
	p.Rooms = rooms
	return found
}

// watched reports whether p has a session that shows lines to a person, not a program's, or one that is just ending. Any
// session on another server counts, since its kind is not known here. p may be nil.
func (p *person) watched() bool {
	return p != nil && (slices.ContainsFunc(p.sessions, func(s *Member) bool { return !s.program }) || p.connectedElsewhere())
}

// missedBytes bounds what readMissed reads, as searchCost counts.
const missedBytes = 256 << 10

// readMissed reads the lines of the person's rooms since the connection was lost, except muted rooms: the newest lines
// of each, up to lines in all. Lines that can't be read are only counted.
func (welcome *Welcome) readMissed(lines int) {
	o, bytes := welcome.Before, missedBytes
	for i := range welcome.Rooms {
		s := &welcome.Rooms[i]
		if s.Muted || s.Unread == 0 || lines == 0 {
			continue
		}
		r := o.member.room
		at := slices.IndexFunc(o.Rooms, func(j Joined) bool { return j.Room == s.Name })
		if at < 0 { // it was joined on another server just now
			continue
		}
		j := o.Rooms[at]
		whole := s.Unread <= lines && j.Counted <= j.Read // else there are earlier ones
		newest := r.histories.Tail("#"+s.Name, min(s.Unread, lines), func(m *Message) (bool, error) {
			switch {
			case m.ID > o.before || o.hides(m): // the session gets it anyway, or must not see it
				return false, nil
			case m.ID <= j.seen():
				return false, errEnough
			case bytes < searchCost(m):
				whole = false
				return false, errEnough
			}
			bytes -= searchCost(m)
			return true, nil
		})
		found, err := Collect(guarded(r.mayRead(o.member.nick, s.Name), without(errEnough, newest)))
		if err == nil {
			welcome.InThem = append(welcome.InThem, found...)
			lines -= len(found)
			s.Shown = whole
		}
	}
}

// mark changes, in memory, what p has read of a room.
func (p *person) mark(name string, f func(*Joined)) {
	p.Rooms, p.unsaved = p.change(name, f), p.local
}

// markRead notes, as a session of p ends, that all that was said in p's rooms meanwhile was shown. r.mu is held.
func (r *Room) markRead(p *person) {
	if !p.watched() {
		return
	}
	for _, j := range p.Rooms {
		c := r.rooms[j.Room]
		if c == nil || j.Muted || c.here[p.nick] != p {
			continue
		}
		if c.has(j.seen(), r.lastID) || !c.counting {
			p.mark(j.Room, func(j *Joined) { c.shown(j, j.seen(), r.lastID) })
		}
	}
}

// lookup returns the room called name, and what nick may do in it. r.mu is held.
func (r *Room) lookup(name, nick string) (*chatroom, Access) {
	if c := r.rooms[name]; c != nil {
		return c, c.access(nick)
	}
	return nil, Access{Why: ErrNoRoom}
}

// JoinRoom makes the person be in a room, over restarts, and reports whether it was made for that;
// mayMake is whether the server lets the person make rooms. A person who is in it already stays, and
// a room without an owner gets one. The name is canonical.
//
// A name that can't be had because of a private room is refused as if the person might not make
// rooms. That such names are not free can't be hidden, so attempts count as rooms made.
func (s *Member) JoinRoom(name string, mayMake bool) (made bool, err error) {
	r := s.room
	r.setting.Lock()
	defer r.setting.Unlock()
	made, err = s.joinRoom(name, mayMake)
	if errors.Is(err, errMade) {
		made, err = s.joinRoom(name, mayMake)
	}
	return made, err
}

func (s *Member) joinRoom(name string, mayMake bool) (made bool, err error) {
	r := s.room
	set, err := r.preferences(s.nick)
	if err != nil || name == Lobby {
		return false, err
	}
	r.mu.Lock()
	c, may := r.lookup(name, s.nick)
	in := c != nil && may.Read && set.joined(c).Room != ""
	ownerless := may.Read && len(c.Owners) == 0
	set.Rooms = r.notGone(&set, s.nick)
	r.mu.Unlock()
	if ownerless && !s.Guest() && (in || len(set.Rooms) < MaxJoined) {
		err := r.changeInfo(c, func(info *RoomInfo) error {
			if len(info.Owners) == 0 {
				info.Owners = []string{s.nick}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	switch {
	case in:
		return false, nil
	case len(set.Rooms) >= MaxJoined:
		return false, ErrJoinedMost
	case !may.Read && may.See:
		return false, may.Why
	case !may.Read:
		if c, err = r.make(name, s.nick, mayMake); err == nil {
			made = true
		}
	}
	if err == nil {
		err = r.count(c)
	}
	if err != nil {
		return made, err
	}
	r.mu.Lock()
	mark := max(c.ID, r.lastID)
	r.mu.Unlock()
	return made, s.setNow(func(p *Preferences) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		rooms := slices.DeleteFunc(r.notGone(p, s.nick), func(j Joined) bool { return j.Room == name })
		p.Rooms, p.KnowsRooms = append(rooms, Joined{Room: name, Read: mark}), true
		return nil
	})
}

// notGone returns the rooms of nick's preferences, except rooms that are closed, or that nick may not
// read any more. r.mu is held.
func (r *Room) notGone(set *Preferences, nick string) []Joined {
	return slices.DeleteFunc(slices.Clone(set.Rooms), func(j Joined) bool {
		c, may := r.lookup(j.Room, nick)
		return c == nil || !c.Unusable && (!may.Read || set.joined(c).Room == "")
	})
}

// mayStayIn returns the rooms of nick's preferences, except those that nick may not read any more: else an invitation alone
// would make nick be in them again.
func (r *Room) mayStayIn(set *Preferences, nick string) []Joined {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(set.Rooms), func(j Joined) bool {
		c, may := r.lookup(j.Room, nick)
		return c != nil && !c.Unusable && !may.Read
	})
}

// place makes p present in the rooms that p has joined, and not in those that p has left: before has
// those joined before. r.mu is held.
func (r *Room) place(p *person, before []Joined) {
	for _, j := range slices.Concat(before, p.Rooms) {
		c, may := r.lookup(j.Room, p.nick)
		if c == nil {
			continue
		}
		in, was := may.Read && p.joined(c).Room != "", c.here[p.nick] != nil
		switch {
		case in:
			c.enter(p)
			if !was {
				c.tell(&Change{Room: c.Name, Joined: []string{p.nick}})
			}
		case was:
			c.leave(p.nick, departure{at: time.Now()})
			u := &Update{Presence: &Change{Room: c.Name, Removed: true}}
			for _, s := range p.sessions {
				if s.leaves != c.Name { // else it knows
					s.sink.Put(u, nil)
				}
			}
			c.tell(&Change{Room: c.Name, Left: []string{p.nick}})
		}
	}
}

// LeaveRoom ends JoinRoom. The person's other sessions are told. The last owner who leaves hands the room on: see [Room.handOn].
func (s *Member) LeaveRoom(name string) error {
	r := s.room
	r.setting.Lock()
	defer r.setting.Unlock()
	if name == Lobby {
		return ErrLobby
	}
	set, err := r.preferences(s.nick)
	if err != nil {
		return err
	}
	c, may, err := s.inRoom(name, &set)
	if err != nil {
		return err
	}
	s.leaving(name)
	err = s.setNow(func(p *Preferences) error {
		p.Rooms = slices.DeleteFunc(slices.Clone(p.Rooms), func(j Joined) bool { return j.Room == name })
		return nil
	})
	s.leaving("")
	if err == nil && may.Own {
		err = r.handOn(c, s.nick, false)
	}
	if errors.Is(err, ErrBackup) { // then it is closed later, as an unused room
		return nil
	}
	return err
}

func (s *Member) leaving(name string) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.leaves = name
}

// inRoom returns a room that the person, who has these preferences, is in. r.mu is not held.
func (s *Member) inRoom(name string, set *Preferences) (*chatroom, Access, error) {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	c, may := s.room.lookup(name, s.nick)
	switch {
	case !may.Read:
		return nil, may, may.Why
	case name != Lobby && set.joined(c).Room == "":
		return nil, may, ErrNotJoined
	}
	return c, may, nil
}

// maySpeak is why the person may not speak in a room, or nil. The room "" is for what is sent to people.
func (s *Member) maySpeak(name string) error {
	if name == "" || name == Lobby {
		return nil
	}
	set, err := s.room.preferences(s.nick)
	if err != nil {
		return err
	}
	_, may, err := s.inRoom(name, &set)
	if err == nil && !may.Speak {
		err = may.Why
	}
	return err
}

// speakIn says text in a room that the person is in, with a retry key or "". If it returns an error, nothing
// was said and told is not called. It waits until nobody is making the room public, or closing it.
func (s *Member) speakIn(key, name string, kind Kind, text string, told func(Receipt)) error {
	s.Active()
	r := s.room
	var set Preferences
	if name != Lobby {
		var err error
		if set, err = r.preferences(s.nick); err != nil {
			return err
		}
	}
	c, _, err := s.inRoom(name, &set)
	if err != nil {
		return err
	}
	c.speech.RLock()
	defer c.speech.RUnlock()
	r.speaking.Lock() // nobody is muted or removed until the log has the line
	defer r.speaking.Unlock()
	now, may, err := s.inRoom(name, &set)
	switch {
	case err != nil:
		return err
	case now != c: // it was closed meanwhile, and this is another one
		return ErrNoRoom
	case !may.Speak:
		return may.Why
	}
	r.appendNow(&Event{Message: Message{Kind: kind, From: s.nick, Room: name, Text: text, Key: key}}, told)
	return nil
}

// MuteRoom has the lines of a room that the person is in counted and not shown, or ends that.
func (s *Member) MuteRoom(name string, muted bool) error {
	if name == Lobby {
		return ErrLobby
	}
	r := s.room
	return s.setJoined(name, func(j *Joined) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if c := r.rooms[name]; c != nil && muted != j.Muted && r.people.here[s.nick].watched() {
			if muted { // all until now was shown
				c.shown(j, j.seen(), r.lastID)
			} else { // or counted
				c.shown(j, r.lastID, r.lastID)
			}
		}
		j.Muted = muted
	})
}

// MarkShown notes that the person has read the lines of a room from the message with one ID, or for "" from the first, up
// to that with another; in memory at first. The lines that come to a room that is not muted count as read when a session
// that showed them ends.
func (s *Member) MarkShown(name, from, upTo string) error {
	r := s.room
	r.mu.Lock()
	upTo = min(upTo, r.lastID) // what a program says it has read
	p, c := r.people.here[s.nick], r.rooms[name]
	in := p != nil && p.local && c != nil && c.here[s.nick] == p
	read := func(j *Joined) {
		if from == "" {
			j.Read = max(j.Read, upTo)
			return
		}
		if !j.Muted && p.watched() { // what has come meanwhile was shown
			c.shown(j, j.seen(), r.lastID)
		}
		c.shown(j, before(from), upTo)
	}
	if in {
		p.mark(name, read)
	}
	r.mu.Unlock()
	if in || name == Lobby {
		return nil
	}
	return s.setJoined(name, func(j *Joined) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p, c = r.people.here[s.nick], r.rooms[name]; c != nil { // which may be another one by now
			read(j)
		}
	})
}

// before is the ID before the one of a message.
func before(id string) string { return encodeID(max(decodeID(id), 1) - 1) }

// LastID is the ID of the last event: what comes later has greater ones.
func (r *Room) LastID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastID
}

// setJoined changes what the person has of a room that they are in, on disk first.
func (s *Member) setJoined(name string, f func(*Joined)) error {
	r := s.room
	r.setting.Lock()
	defer r.setting.Unlock()
	set, err := r.preferences(s.nick)
	if err != nil {
		return err
	}
	c, _, err := s.inRoom(name, &set)
	if err != nil {
		return err
	}
	_ = r.count(c) // of a history that can't be read, nothing is counted
	return s.setNow(func(p *Preferences) error { p.Rooms = p.change(name, f); return nil })
}

// In returns who is in a room that the person may read, and online, by nick.
func (s *Member) In(name string) ([]Presence, error) {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	c, may := r.lookup(name, s.nick)
	if !may.Read {
		return nil, may.Why
	}
	return r.present(c), nil
}

// present returns who is in c and online, by nick. r.mu is held.
func (r *Room) present(c *chatroom) []Presence {
	if c.Name == Lobby {
		return r.people.others("") // which are sorted
	}
	all := make([]Presence, 0, len(c.here))
	for _, p := range c.here {
		all = append(all, p.presence())
	}
	slices.SortFunc(all, func(a, b Presence) int { return strings.Compare(a.Nick, b.Nick) })
	return all
}

// Lately lists people who were in a room.
type Lately struct {
	People   []Presence
	More     int // departures before these, of others
	Searched int // people and departures, for it
}

// InSince returns the other people who were in a room, and online, at any time since t: first those who still are,
// by nick, then the last most who left, newest first. For rooms other than the lobby it knows the last partingsMost people
// who left since this server started. The error says why the person may not read the room.
func (s *Member) InSince(name string, t time.Time, most int) (Lately, error) {
	here, gone, err := s.inAndGone(name)
	if err != nil {
		return Lately{}, err
	}
	found := Lately{Searched: len(here) + len(gone)}
	listed := map[string]bool{s.nick: true}
	for _, p := range here {
		if !listed[p.Nick] {
			listed[p.Nick] = true
			found.People = append(found.People, p)
		}
	}
	var left []parting
	for _, l := range slices.Backward(gone) {
		switch {
		case l.at.Before(t) || listed[l.nick]:
		case len(left) == most:
			found.More++
		default:
			listed[l.nick] = true
			left = append(left, l)
		}
	}
	slices.SortFunc(left, func(a, b parting) int { // which it nearly is
		return cmp.Or(b.at.Compare(a.at), strings.Compare(a.nick, b.nick))
	})
	for _, l := range left {
		found.People = append(found.People, Presence{Nick: l.nick, Bot: s.room.bot(l.nick), Active: l.at, Lost: l.lost})
	}
	return found, nil
}

// inAndGone returns who is in a room, and all who left it: those who came back, too, and nicks more than once. With the
// lock held it copies little: a list of all who left the server can be long.
func (s *Member) inAndGone(name string) (here []Presence, gone []parting, err error) {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	c, may := r.lookup(name, s.nick)
	switch {
	case !may.Read:
		return nil, nil, may.Why
	case name == Lobby:
		return r.present(c), r.people.gone, nil
	}
	return r.present(c), slices.Clone(c.left), nil
}

// HistoryOf gives the newest n lines of a room that the person may read, oldest first. It ends where the person
// may not any more. The error, if there is one, comes with the last page and is [ErrSearchLimit], one of
// rooms, or wraps [ErrStorage].
func (s *Member) HistoryOf(ctx context.Context, name string, n int) iter.Seq2[Page, error] {
	set, err := s.room.preferences(s.nick)
	if err != nil {
		return onePage(nil, err)
	}
	return s.room.tailOf(ctx, s.nick, name, n, func(m *Message) bool { return !set.hides(m) })
}

// tailOf is tail of a room's history, for nick.
func (r *Room) tailOf(ctx context.Context, nick, name string, n int, keep func(*Message) bool) iter.Seq2[Page, error] {
	return guarded(r.mayRead(nick, name), r.tail(ctx, "#"+name, n, keep))
}

// mayRead returns a function that returns why nick may not read the room called name now, nil if it
// is the same room and nick may.
func (r *Room) mayRead(nick, name string) func() error {
	id := ""
	return func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		c, may := r.lookup(name, nick)
		switch {
		case !may.Read:
			return may.Why
		case id != "" && id != c.ID:
			return ErrNoRoom
		}
		id = c.ID
		return nil
	}
}

// guarded gives a sequence as long as may returns nil before each step, then its error.
func guarded[T any](may func() error, of iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		if err := may(); err != nil {
			yield(zero, err)
			return
		}
		for x, err := range of {
			if bad := may(); bad != nil {
				yield(zero, bad)
				return
			}
			if !yield(x, err) {
				return
			}
		}
	}
}

// saveMarks saves read marks that are only in memory: of those who have left, and of up to most
// who are here.
func (r *Room) saveMarks(most int) {
	r.mu.Lock()
	due := slices.Collect(maps.Keys(r.people.unsaved))
	for nick, p := range r.people.here {
		if p.unsaved && !isGuest(nick) && most > 0 {
			due = append(due, nick)
			most--
		}
	}
	r.mu.Unlock()
	for _, nick := range due {
		m := &Member{room: r, nick: nick}
		err := m.set(func(*Preferences) error { return nil }) // tried again later; else lines are unread again
		if err != nil && r.peers != nil {                     // each would wait, with r.setting held
			return
		}
	}
}
