package room

import (
	"maps"
	"slices"
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
	return s.room.people.others(s.nick)
}

// OnlineSince returns who else was online at any time since t: first who is online
// now, by nick, then who left, newest first.
func (s *Seat) OnlineSince(t time.Time) []Presence {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return append(s.room.people.others(s.nick), s.room.people.leftSince(t, s.nick)...)
}

// NicksAround returns nicks that are online, in alphabetical order: up to before of
// those that stand before name, and up to after of those from it on. It costs what it
// gives, however many there are. It is for completion and for suggesting what may
// have been meant.
func (r *Room) NicksAround(name string, before, after int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.people.around(name, before, after)
}

// Known reports whether nick is online or, unless it is a guest's, was lately.
func (r *Room) Known(nick string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, left := r.people.seen[nick]
	return r.people.members[nick] != nil || left && !isGuest(nick)
}

// Here reports whether nick is online, or its connection broke just now.
func (r *Room) Here(nick string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.people.members[nick] != nil
}

// flushPresence hands what recordPresence has gathered to the log. r.mu is held.
func (r *Room) flushPresence() {
	for _, e := range r.batch.unrecorded {
		r.log.Append(e, func(error) {}) // the next sign of life makes up for it
	}
	r.batch.unrecorded = nil
}

// heartbeat leaves a mark in the presence history, so that after a crash it is
// known until when those who were online were. Who has been online for long gets
// one by name, because nobody looks for a join further back than seenFor.
func (r *Room) heartbeat() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	now := time.Now()
	r.recordLate(writtenMost / 2)
	for _, m := range r.people.members {
		if now.Sub(m.renewed) >= renewEvery {
			r.unrecorded(r.newMessage(KindAlive, m.nick, nil, ""))
			m.renewed = now
		}
	}
	if len(r.people.members) > 0 {
		r.unrecorded(r.newMessage(KindAlive, "", nil, ""))
	}
	r.flushPresence()
	r.alive.Reset(aliveEvery)
}

// loadSeen fills people.seen from the presence history. Who joined and never left was
// online until the last sign of life before a crash. That is put on record with
// the next change of presence, so that the next start does not take them for having been
// online since.
func (r *Room) loadSeen(now time.Time) error {
	records, err := r.histories.Since(PresenceHistory, now.Add(-seenFor))
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
			r.people.remember(m.From, departure{m.Time, m.Text == connectionLost})
		case m.From != "":
			online[m.From] = true
		}
	}
	for _, nick := range slices.Sorted(maps.Keys(online)) {
		m := r.newMessage(KindLeave, nick, nil, "")
		m.Time = last
		r.unrecorded(m)
		r.people.remember(nick, departure{at: last})
	}
	return nil
}
