package room

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// How many lines of the room a Welcome has.
const (
	RecentLines = 20  // at least, if there are so many
	MissedLines = 500 // at most, of what was said since the person was here
)

// chatroom is one room: what it is, who is in it, and what was said there lately. Owned by Room.mu;
// RoomInfo changes with Room.setting held, too.
type chatroom struct {
	RoomInfo
	here      map[string]*person // online and in it, by nick
	observers map[*Observer]bool
	// speech is held for reading while a person writes in the room, and for writing while the room is closed or
	// made public. Taken after Room.setting, and before speaking and mu.
	speech  sync.RWMutex
	visited time.Time // when somebody was last in it, as far as that is known
	left    []parting // of any room but the lobby: the newest of this run, each nick once, oldest first

	recent []*Message // of the lobby: at least the newest MissedLines, if there are so many, oldest first
	tally             // of any other room
}

// parting records that a person left a room, or went offline in it.
type parting struct {
	nick string
	departure
}

// partingsMost is how many partings a room remembers.
const partingsMost = 200

func newChatroom(info RoomInfo) *chatroom {
	return &chatroom{RoomInfo: info, here: map[string]*person{}, observers: map[*Observer]bool{}}
}

// openLobby returns the lobby with the end of its history, if that can be read.
func (r *Room) openLobby() (*chatroom, error) {
	c := newChatroom(RoomInfo{Name: Lobby})
	var err error
	if c.recent, err = Collect(r.histories.Tail(RoomHistory, MissedLines, nil)); err != nil {
		err = fmt.Errorf("reading the history of #%s: %w", Lobby, err)
	}
	return c, err
}

// publish shows m, which mentions some nicks, to everyone in it, and observing it, who does not block
// its sender.
func (c *chatroom) publish(m *Message, mentioned []string) {
	if c.Name == Lobby {
		c.recent = append(c.recent, m)
	} else {
		c.tally.add(m, mentioned)
	}
	if len(c.recent) > 2*MissedLines {
		c.recent = slices.Clone(c.recent[len(c.recent)-MissedLines:])
	}
	if p := c.here[m.From]; p.watched() && p.joined(c).Muted { // of a muted room, the person is shown this one
		p.mark(c.Name, func(j *Joined) { c.shown(j, before(m.ID), m.ID) })
	}
	u := &Update{Message: m}
	for nick, p := range c.here {
		if len(p.sessions) == 0 || p.hides(m) {
			continue
		}
		quiet := nick != m.From && p.joined(c).Muted
		for _, s := range p.sessions {
			if !quiet || s.program { // which has asked for it
				s.sink.Put(u, nil)
			}
		}
	}
	for o := range c.observers {
		if !o.hides(m) {
			o.sink.Put(u, nil)
		}
	}
}

// enter makes p present.
func (c *chatroom) enter(p *person) {
	c.here[p.nick], c.visited = p, time.Now()
	c.left = slices.DeleteFunc(c.left, func(l parting) bool { return l.nick == p.nick })
}

func (c *chatroom) leave(nick string, how departure) {
	if c.here[nick] != nil && c.Name != Lobby { // of which people.seen knows, over restarts
		c.left = append(c.left[max(0, len(c.left)+1-partingsMost):], parting{nick, how})
	}
	delete(c.here, nick)
}

// tell shows a change of who is in it to those who are, if it is private. In a public room anybody could
// fill all screens by joining and leaving.
func (c *chatroom) tell(change *Change) {
	if !c.Private {
		return
	}
	u := &Update{Presence: change}
	for _, p := range c.here {
		if !p.joined(c).Muted {
			p.put(u)
		}
	}
}

// admit ends the presence and the observing of those who may not read it any more, and tells them.
func (c *chatroom) admit() {
	for nick, p := range c.here {
		if !c.access(nick).Read {
			c.leave(nick, departure{at: time.Now()})
			p.put(&Update{Presence: &Change{Room: c.Name, Removed: true}})
			if !c.Unusable { // else all are
				c.tell(&Change{Room: c.Name, Left: []string{nick}})
			}
			p.Rooms = slices.DeleteFunc(slices.Clone(p.Rooms), func(j Joined) bool { return j.Room == c.Name })
			p.unsaved = p.local
		}
	}
	maps.DeleteFunc(c.observers, func(o *Observer, _ bool) bool { return !c.access(o.member.nick).Read })
}

// recentFor returns the lines for p's new session: the last ones and all since p left, if that
// is known; after a broken connection all since it broke.
func (c *chatroom) recentFor(p *person, w *Welcome) (found []*Message) {
	for _, m := range slices.Backward(c.recent) {
		old := m.ID <= w.last
		if !w.Returned {
			old = len(found) >= RecentLines && (old || w.Left.IsZero())
		}
		if old || len(found) == MissedLines {
			break
		}
		if !p.hides(m) {
			found = append(found, m)
		}
	}
	slices.Reverse(found)
	return found
}

// Find gives the newest message that this person may see whose id ends in suffix: one
// of the lobby's or, if there is none, one to or from this person, or among the newest of the
// rooms that they are in. Errors are those of History.
func (s *Member) Find(ctx context.Context, suffix string) iter.Seq2[Page, error] {
	set, err := s.room.preferences(s.nick)
	if err != nil {
		return onePage(nil, err)
	}
	is := func(m *Message) bool {
		return strings.HasSuffix(m.ID, suffix) && m.Kind != KindReceipt && !set.hides(m)
	}
	var last *Message // a guest's is nowhere else
	s.room.withPerson(s.nick, func(p *person) { last = p.last })
	if last != nil && is(last) {
		return onePage([]*Message{last}, nil)
	}
	searches := []iter.Seq2[Page, error]{s.room.tail(ctx, RoomHistory, 1, is)}
	if !s.Guest() {
		searches = append(searches, s.room.tail(ctx, s.nick, 1, is))
	}
	if name := s.roomWith(suffix, &set); name != "" {
		searches = append(searches, s.room.tailOf(ctx, s.nick, name, 1, is))
	}
	return func(yield func(Page, error) bool) {
		for _, pages := range searches {
			for page, err := range pages {
				if !yield(page, err) || len(page.Messages) > 0 {
					return
				}
			}
		}
	}
}

// FindFile gives the newest direct or group message to or from this person that has a file and whose
// id ends in suffix. Errors are those of History.
func (s *Member) FindFile(ctx context.Context, suffix string) iter.Seq2[Page, error] {
	set, err := s.room.preferences(s.nick)
	if err != nil || s.Guest() {
		return onePage(nil, err)
	}
	return s.room.tail(ctx, s.nick, 1, func(m *Message) bool {
		return m.File != nil && strings.HasSuffix(m.ID, suffix) && !set.hides(m)
	})
}

// roomWith returns the room, of those that the person is in, that has lately had a message whose id
// ends in suffix; "" if none has.
func (s *Member) roomWith(suffix string, set *Preferences) string {
	if len(suffix) > idLen {
		return ""
	}
	end, digits := decodeID(strings.Repeat("0", idLen-len(suffix))+suffix), uint64(1)<<(5*len(suffix))-1
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range set.Rooms {
		c, may := r.lookup(j.Room, s.nick)
		if may.Read && set.joined(c).Room != "" && slices.ContainsFunc(c.ids, func(id uint64) bool { return id&digits == end }) {
			return c.Name
		}
	}
	return ""
}
