package room

import (
	"context"
	"iter"
	"slices"
	"time"
)

// Say says text to everyone, as kind KindSay, KindMe or KindNotice. stored, if not nil, is
// called once, when everyone has been given the message: with nil when it is on
// disk, else with an error that wraps ErrStorage (the room goes on without a
// disk, but the message will not be found later). stored must not block.
func (s *Seat) Say(kind Kind, text string, stored func(error)) {
	r := s.room
	s.Active()
	r.speaking.Lock()
	defer r.speaking.Unlock()
	m := r.newMessage(kind, s.nick, nil, text)
	r.archive.Append(func(err error) {
		r.publish(m)
		if stored != nil {
			stored(err)
		}
	}, Record{Owner: RoomHistory, Message: m})
}

// publish shows m to everyone who does not block its sender. The archive calls it
// in its order, which makes it everybody's order.
func (r *Room) publish(m *Message) {
	e := &Update{Message: m}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = m.ID
	r.said[m.Kind]++
	r.recent = append(r.recent, m)
	if len(r.recent) > 2*MissedLines {
		r.recent = append([]*Message(nil), r.recent[len(r.recent)-MissedLines:]...)
	}
	for _, member := range r.members {
		if !m.hidden(member.blocked) {
			member.put(e)
		}
	}
}

// recentFor returns what m's new session may want to see of the room: the last lines and
// all since left, if that is known; or, for one who returned, all that came after its
// connection broke. r.mu is held.
func (r *Room) recentFor(m *member, returned bool, left time.Time) []*Message {
	var lines []*Message
	for i := len(r.recent) - 1; i >= 0 && len(lines) < MissedLines; i-- {
		line := r.recent[i]
		old := len(lines) >= RecentLines && (left.IsZero() || line.Time.Before(left))
		if !returned && old || returned && line.ID <= m.lastSeen {
			break
		}
		if !line.hidden(m.blocked) {
			lines = append(lines, line)
		}
	}
	slices.Reverse(lines)
	return lines
}

// History gives the newest n lines of the room from its file, oldest first. The
// error, if there is one, comes with the last page and is [ErrSearchLimit], or
// wraps [ErrStorage].
func (s *Seat) History(ctx context.Context, n int) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		blocked, err := s.room.blockedBy(s.nick)
		if err != nil {
			yield(Page{}, err)
			return
		}
		s.room.tail(ctx, RoomHistory, n, func(m *Message) bool { return !m.hidden(blocked) })(yield)
	}
}

// hidden reports whether a line of the room is not for who blocks these.
func (m *Message) hidden(blocked map[string]bool) bool {
	return m.Kind != KindNotice && blocked[m.From]
}
