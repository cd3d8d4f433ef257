package room

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"
)

// lines is what was said in a room lately. Owned by Room.mu.
type lines struct {
	recent []*Message // at least the newest MissedLines, if there are so many, oldest first
	said   int        // how many were added
}

func (l *lines) add(m *Message) {
	l.said++
	l.recent = append(l.recent, m)
	if len(l.recent) > 2*MissedLines {
		l.recent = append([]*Message(nil), l.recent[len(l.recent)-MissedLines:]...)
	}
}

// recentFor returns what m's new session may want to see: the last lines and all since
// left, if that is known; or, for one who returned, all that came after its connection broke.
func (l *lines) recentFor(m *member, returned bool, left time.Time) (found []*Message) {
	for i, line := range slices.Backward(l.recent) {
		old := len(found) >= RecentLines && (left.IsZero() || line.Time.Before(left))
		if returned {
			old = l.said-len(l.recent)+i < m.heard
		}
		if old || len(found) == MissedLines {
			break
		}
		if !line.hidden(m.blocked) {
			found = append(found, line)
		}
	}
	slices.Reverse(found)
	return found
}

// find returns the newest line whose id ends in suffix, nil if there is none.
func (l *lines) find(suffix string, blocked map[string]bool) *Message {
	for _, m := range slices.Backward(l.recent) {
		if strings.HasSuffix(m.ID, suffix) && !m.hidden(blocked) {
			return m
		}
	}
	return nil
}

// Say says text to everyone, as kind KindSay, KindMe or KindNotice. stored, if not nil, is
// called once, when everyone has been given the message: with nil, else with an error
// that wraps ErrStorage: nobody was shown it. stored must not block.
func (s *Seat) Say(kind Kind, text string, stored func(error)) {
	s.Active()
	e := &Event{Message: s.room.newMessage(kind, s.nick, nil, text), Room: Lobby}
	s.room.append(e, func(got Receipt) {
		if stored != nil {
			stored(got.Err)
		}
	})
}

// publish shows m to everyone who does not block its sender. r.mu is held.
func (r *Room) publish(m *Message) {
	r.said[m.Kind]++
	r.lobby.add(m)
	e := &Update{Message: m}
	for _, member := range r.people.members {
		if !m.hidden(member.blocked) {
			member.put(e)
		}
	}
}

// History gives the newest n lines of the room from its file, oldest first. The
// error, if there is one, comes with the last page and is [ErrSearchLimit], or
// wraps [ErrStorage].
func (s *Seat) History(ctx context.Context, n int) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		w, err := s.room.wishesOf(s.nick)
		if err != nil {
			yield(Page{}, err)
			return
		}
		s.room.tail(ctx, RoomHistory, n, func(m *Message) bool { return !m.hidden(w.blocked) })(yield)
	}
}

// hidden reports whether a line of the room is not for who blocks these.
func (m *Message) hidden(blocked map[string]bool) bool {
	return m.Kind != KindNotice && blocked[m.From]
}
