package room

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Presence is what everyone may know of a nick.
type Presence struct {
	Nick     string
	Online   bool
	Since    time.Time // online since; zero when not online
	Active   time.Time // last typed something; when not online: left
	Away     bool
	Reason   string // for being away
	Sessions int    // 0 while a broken connection is waited for
	Quiet    bool   // the others were not told of the joining
	Lost     bool   // when not online: the connection was lost
}

// Others returns who else is online, by nick.
func (s *Seat) Others() []Presence {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return s.room.others(s.nick)
}

func (r *Room) others(nick string) []Presence {
	all := make([]Presence, 0, len(r.members))
	for _, m := range r.members {
		if m.nick != nick {
			all = append(all, m.presence())
		}
	}
	slices.SortFunc(all, func(a, b Presence) int { return strings.Compare(a.Nick, b.Nick) })
	return all
}

func (m *member) presence() Presence {
	return Presence{
		Nick: m.nick, Online: true, Since: m.since, Active: m.active,
		Away: m.absence.Away(), Reason: m.absence.Reason, Sessions: len(m.seats), Quiet: !m.told,
	}
}

// OnlineSince returns who else was online at any time since t: first who is online
// now, by nick, then who left, newest first.
func (s *Seat) OnlineSince(t time.Time) []Presence {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	var left []Presence
	for nick, d := range s.room.seen {
		if !d.at.Before(t) && nick != s.nick {
			left = append(left, Presence{Nick: nick, Active: d.at, Lost: d.lost})
		}
	}
	slices.SortFunc(left, func(a, b Presence) int {
		if c := b.Active.Compare(a.Active); c != 0 {
			return c
		}
		return strings.Compare(a.Nick, b.Nick)
	})
	return append(s.room.others(s.nick), left...)
}

// listOnline enters nick in r.online, or takes it out. r.mu is held.
func (r *Room) listOnline(nick string, is bool) {
	i, found := slices.BinarySearch(r.online, nick)
	switch {
	case is && !found:
		r.online = slices.Insert(r.online, i, nick)
	case !is && found:
		r.online = slices.Delete(r.online, i, i+1)
	}
}

// NicksAround returns nicks that are online, in alphabetical order: up to before of
// those that stand before name, and up to after of those from it on. It costs what it
// gives, however many there are. It is for completion and for suggesting what may
// have been meant.
func (r *Room) NicksAround(name string, before, after int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, _ := slices.BinarySearch(r.online, name)
	return slices.Clone(r.online[max(0, i-before):min(len(r.online), i+after)])
}

// Known reports whether nick is online or, unless it is a guest's, was lately.
func (r *Room) Known(nick string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, left := r.seen[nick]
	return r.members[nick] != nil || left && !isGuest(nick)
}

// Here reports whether nick is online, or its connection broke just now.
func (r *Room) Here(nick string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.members[nick] != nil
}

// flushPresence hands what recordPresence has gathered to the archive. r.mu is held.
func (r *Room) flushPresence() {
	if records := r.changes.unrecorded; len(records) > 0 {
		r.changes.unrecorded = nil
		r.archive.Append(nil, records...)
	}
}

// stillAlive leaves a mark in the presence history, so that after a crash it is
// known until when those who were online were. Who has been online for long gets
// one by name, because nobody looks for a join further back than seenFor.
func (r *Room) stillAlive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	now := time.Now()
	r.recordLate(writtenMost / 2)
	for _, m := range r.members {
		if now.Sub(m.renewed) >= renewEvery {
			r.unrecorded(r.newMessage(KindAlive, m.nick, nil, ""))
			m.renewed = now
		}
	}
	if len(r.members) > 0 {
		r.unrecorded(r.newMessage(KindAlive, "", nil, ""))
	}
	r.flushPresence()
	r.alive.Reset(aliveEvery)
}

// loadSeen fills r.seen from the presence history. Who joined and never left was
// online until the last sign of life.
func (r *Room) loadSeen(now time.Time) error {
	records, err := r.archive.Since(PresenceHistory, now.Add(-seenFor))
	if err != nil {
		return err
	}
	online := map[string]bool{}
	var last time.Time
	for _, m := range records {
		if m.Time.After(last) { // what was late is in the file after what was not
			last = m.Time
		}
		switch {
		case m.Kind == KindLeave:
			delete(online, m.From)
			r.remember(m.From, departure{m.Time, m.Text == connectionLost})
		case m.From != "":
			online[m.From] = true
		}
	}
	r.crashed(slices.Sorted(maps.Keys(online)), last)
	return nil
}

// crashed records that nicks left at the last sign of life before a crash, so that
// the next start does not take them for having been online since.
func (r *Room) crashed(nicks []string, last time.Time) {
	if len(nicks) == 0 {
		return
	}
	records := make([]Record, len(nicks))
	for i, nick := range nicks {
		m := r.newMessage(KindLeave, nick, nil, "")
		m.Time = last
		records[i] = Record{Owner: PresenceHistory, Message: m}
		r.remember(nick, departure{at: last})
	}
	r.archive.Append(nil, records...)
}

// departure is when somebody was last online, and how that ended.
type departure struct {
	at   time.Time
	lost bool // the connection
}

// remember notes how nick left and forgets the oldest when there are
// too many. r.mu is held, or the room not yet shared.
func (r *Room) remember(nick string, d departure) {
	r.seen[nick] = d
	if len(r.seen) > seenMost {
		r.forget(seenMost / 2)
	}
}

// forget reduces r.seen to the newest most nicks. Guests go first: a flood of
// names, which costs nothing, must not push out people.
func (r *Room) forget(most int) {
	nicks := slices.SortedFunc(maps.Keys(r.seen), func(a, b string) int {
		if isGuest(a) != isGuest(b) {
			return strings.Compare(b, a) // '~' is above all that nicks begin with
		}
		return r.seen[a].at.Compare(r.seen[b].at)
	})
	for _, nick := range nicks[:len(nicks)-most] {
		delete(r.seen, nick)
	}
}
