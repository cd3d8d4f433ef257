package room

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// How many lines of the room a Welcome has.
const (
	RecentLines = 20  // at least, if there are so many
	MissedLines = 500 // at most, of what was said since the person was here
)

// chatroom is one room: who is in it, and what was said there lately. Owned by Room.mu.
type chatroom struct {
	here   map[string]*person // by nick
	recent []line             // at least the newest MissedLines, if there are so many, oldest first
}

// line is something said in a room.
type line struct {
	*Message
	seq uint64 // its place in the log; 0: before this server started
}

// openChatroom returns the room called name with the end of its history, if that can be read.
func openChatroom(name string, histories Histories) (*chatroom, error) {
	c := &chatroom{here: map[string]*person{}}
	for m, err := range histories.Tail("#"+name, MissedLines, nil) {
		if err != nil {
			return c, fmt.Errorf("reading the history of #%s: %w", name, err)
		}
		c.recent = append(c.recent, line{m, 0})
	}
	return c, nil
}

// publish shows l to everyone in it who does not block its sender, and returns the update.
func (c *chatroom) publish(l line) *Update {
	c.recent = append(c.recent, l)
	if len(c.recent) > 2*MissedLines {
		c.recent = slices.Clone(c.recent[len(c.recent)-MissedLines:])
	}
	u := &Update{Message: l.Message}
	for _, p := range c.here {
		if !p.hides(l.Message) {
			p.put(u)
		}
	}
	return u
}

// recentFor returns the lines for p's new session: the last ones and all since p left, if that
// is known; after a broken connection all since it broke.
func (c *chatroom) recentFor(p *person, w *Welcome) (found []*Message) {
	for _, l := range slices.Backward(c.recent) {
		old := len(found) >= RecentLines && (w.Left.IsZero() || l.Time.Before(w.Left))
		if w.Returned {
			old = l.seq <= p.brokeAt
		}
		if old || len(found) == MissedLines {
			break
		}
		if !p.hides(l.Message) {
			found = append(found, l.Message)
		}
	}
	slices.Reverse(found)
	return found
}

// Say says text to everyone, as kind KindSay, KindMe or KindNotice. stored, if not nil, is
// called once: with nil when everyone has been given the message, or with an error that
// wraps ErrStorage if it is shown to nobody. stored must not block.
func (s *Member) Say(kind Kind, text string, stored func(error)) {
	s.Speak(kind, text, func(got Receipt) {
		if stored != nil {
			stored(got.Err)
		}
	})
}

// Speak is Say for who wants to know the message's ID: told has it, or Err, and no recipient.
func (s *Member) Speak(kind Kind, text string, told func(Receipt)) {
	s.Active()
	s.room.speaking.Lock()
	defer s.room.speaking.Unlock()
	e := &Event{Message: s.room.newMessage(kind, s.nick, nil, text)}
	e.Room = Lobby
	s.room.append(e, told)
}

// History gives the newest n lines of the room from its file, oldest first. The
// error, if there is one, comes with the last page and is [ErrSearchLimit], or
// wraps [ErrStorage].
func (s *Member) History(ctx context.Context, n int) iter.Seq2[Page, error] {
	set, err := s.room.preferences(s.nick)
	if err != nil {
		return func(yield func(Page, error) bool) { yield(Page{}, err) }
	}
	return s.room.tail(ctx, RoomHistory, n, func(m *Message) bool { return !set.hides(m) })
}

// Find gives the newest message that this person may see whose id ends in suffix: one
// of the room's or, if there is none, one to or from this person. Errors are those of
// History.
func (s *Member) Find(ctx context.Context, suffix string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		set, err := s.room.preferences(s.nick)
		if err != nil {
			yield(Page{}, err)
			return
		}
		is := func(m *Message) bool {
			return strings.HasSuffix(m.ID, suffix) && m.Kind != KindReceipt && !set.hides(m)
		}
		if m := s.findRecent(is); m != nil {
			yield(Page{Messages: []*Message{m}}, nil)
			return
		}
		owners := []string{RoomHistory}
		if !s.Guest() {
			owners = append(owners, s.nick)
		}
		for _, owner := range owners {
			for page, err := range s.room.tail(ctx, owner, 1, is) {
				if !yield(page, err) || len(page.Messages) > 0 {
					return
				}
			}
		}
	}
}

// findRecent is Find among what is in memory, where a guest's last direct message is, too.
func (s *Member) findRecent(is func(*Message) bool) *Message {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.people.here[s.nick]; p != nil && p.last != nil && is(p.last) {
		return p.last
	}
	for _, l := range slices.Backward(r.rooms[Lobby].recent) {
		if is(l.Message) {
			return l.Message
		}
	}
	return nil
}
