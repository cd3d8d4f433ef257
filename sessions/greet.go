package sessions

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"whoelse/room"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/terminal"
)

// greet shows a newcomer what was said last, what waits for them, and at last who they
// are and who is here, so that this is what they see. Without a terminal it is brief,
// and nothing is replayed, so that a program does not take the past for news.
func (s *session) greet(joined *room.Welcome, err error) {
	style, now := s.style(), time.Now()
	recent, rows := s.recent(joined, style)
	w := s.welcome(joined)
	w.Writes = s.resume(joined)
	w.Shown = len(recent)
	if !joined.Returned { // of the lobby's; the others are counted by room
		w.Shown = countIn(recent, room.Lobby)
	}
	w.Full = s.manager.cfg.Room.InboxFull(joined.Unread.Messages)
	var past []byte
	if s.term != nil {
		past = render.MOTD(past, s.manager.cfg.MOTD())
	}
	past = append(render.Missed(past, w, style, now), rows...)
	kept, shown := s.kept(joined)
	s.out.first(string(past)+kept+string(render.Greeting(nil, w, style, now)), shown)
	if err != nil {
		s.show(s.failed(result.Failure{Reason: result.ReadingInbox, Err: err}))
	}
}

// welcome is who somebody has become, as they may not have expected it.
func (s *session) welcome(joined *room.Welcome) result.Welcome {
	w := result.Welcome{Welcome: joined, Nick: s.member.Nick(), Asked: s.login.Asked, Guest: s.login.Key == nil, Claimed: s.login.Claimed, Pending: s.login.Pending, Unused: s.login.Unused}
	if w.Guest {
		w.Asked = s.login.Nick
	}
	return w
}

// recent renders the last lines of the room, as many as fit into half the screen. Who
// comes back from a broken connection sees all that was missed, direct messages among
// the lines of the room. After a lost connection, lines of other rooms are among them.
func (s *session) recent(w *room.Welcome, style render.Style) (shown []*room.Message, rows []byte) {
	if s.term == nil {
		return nil, nil
	}
	now := time.Now()
	shown = slices.Concat(w.Recent, w.InThem)
	if w.Returned {
		shown = append(shown, w.Missed...)
	}
	slices.SortStableFunc(shown, func(a, b *room.Message) int { return strings.Compare(a.ID, b.ID) })
	if !w.Returned {
		shown = s.fitting(shown, style, now)
	}
	for i := range w.Rooms {
		if r := &w.Rooms[i]; r.Shown && countIn(shown, r.Name) == countIn(w.InThem, r.Name) {
			r.Unread, r.Mentions = 0, 0
			_ = s.member.MarkShown(r.Name, "", s.manager.cfg.Room.LastID()) // or it is unread again
		}
	}
	return shown, render.Messages(nil, shown, s.member.Nick(), style, now)
}

// fitting returns the newest of some lines, as many as fit into half the screen of a terminal.
func (s *session) fitting(lines []*room.Message, style render.Style, now time.Time) []*room.Message {
	_, _, height, _ := s.ch.Pty()
	most, left := max(0, len(lines)-room.RecentLines), terminal.ClampHeight(height)/2-1 // for a line about the rest
	first := len(lines)
	for first > most {
		left -= bytes.Count(render.Message(nil, lines[first-1], s.member.Nick(), style, now), []byte{'\n'})
		if left < 0 && first < len(lines) {
			break
		}
		first--
	}
	return lines[first:]
}

// countIn counts the lines of a room.
func countIn(lines []*room.Message, name string) (n int) {
	for _, m := range lines {
		if m.Room == name {
			n++
		}
	}
	return n
}

// kept renders which messages of this person's were read, and without a terminal what
// came while the connection was broken. Both are marked as read by then, when they were
// shown; nil if there are none.
func (s *session) kept(w *room.Welcome) (text string, then func(shown bool)) {
	slices.SortStableFunc(w.Receipts, func(a, b *room.Message) int { return strings.Compare(a.From, b.From) }) // one line each
	kept := slices.Concat(w.Missed, w.Receipts)
	if len(kept) == 0 {
		return "", nil
	}
	shown := w.Receipts
	if s.term == nil {
		shown = kept
	}
	text = string(render.Messages(nil, shown, s.member.Nick(), s.style(), time.Now()))
	s.pending.add(1)
	return text, func(shown bool) { go s.haveRead(kept, shown) }
}
