package room

import (
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
		Away: m.away, Reason: m.reason, Sessions: len(m.seats),
	}
}

// OnlineSince returns who else was online at any time since t: first who is online
// now, by nick, then who left, newest first.
func (s *Seat) OnlineSince(t time.Time) []Presence {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	var left []Presence
	for nick, at := range s.room.seen {
		if !at.Before(t) && nick != s.nick {
			left = append(left, Presence{Nick: nick, Active: at})
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

// Nicks returns every nick that is online or was lately, for completion and for
// suggesting what may have been meant.
func (r *Room) Nicks() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	nicks := make([]string, 0, len(r.members)+len(r.seen))
	for nick := range r.members {
		nicks = append(nicks, nick)
	}
	for nick := range r.seen {
		if !isGuest(nick) {
			nicks = append(nicks, nick)
		}
	}
	slices.Sort(nicks)
	return nicks
}

// Online returns how many nicks and sessions are present.
func (r *Room) Online() (nicks, sessions int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		sessions += len(m.seats)
	}
	return len(r.members), sessions
}

func (r *Room) recordPresence(kind Kind, nick string) {
	r.archive.Append(nil, Record{Owner: PresenceHistory, Message: r.newMessage(kind, nick, nil, "")})
}

// stillAlive leaves a mark in the presence history, so that after a crash it is
// known until when those who were online were.
func (r *Room) stillAlive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if len(r.members) > 0 {
		r.recordPresence(KindAlive, "")
	}
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
		last = m.Time
		switch m.Kind {
		case KindJoin:
			online[m.From] = true
		case KindLeave:
			delete(online, m.From)
			r.remember(m.From, m.Time)
		}
	}
	for nick := range online {
		r.remember(nick, last)
	}
	return nil
}

// remember notes when nick was last online and forgets the oldest when there are
// too many. r.mu is held, or the room not yet shared.
func (r *Room) remember(nick string, at time.Time) {
	r.seen[nick] = at
	if len(r.seen) <= seenMost {
		return
	}
	oldest := time.Now().Add(-seenFor)
	for n, t := range r.seen {
		if t.Before(oldest) || isGuest(n) {
			delete(r.seen, n)
		}
	}
	for n := range r.seen { // any will do: a flood of names is no history
		if len(r.seen) <= seenMost/2 {
			break
		}
		delete(r.seen, n)
	}
}
