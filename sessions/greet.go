package sessions

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"whoelse/room"
	"whoelse/sessions/render"
	"whoelse/sessions/terminal"
	"whoelse/sessions/text"
)

// greet shows a newcomer what was said last, what waits for them, and at last who they
// are and who is here, so that this is what they see. Without a terminal it is brief,
// and nothing is replayed, so that a program does not take the past for news.
func (s *session) greet(w *room.Welcome, err error) {
	style := s.styleNow()
	var past, greeting []byte
	if s.term != nil {
		past = append(past, motd(s.host.cfg.MOTD())...)
	}
	recent, rows := s.recent(w, style)
	if words := wordsMissed(w, len(recent), s.seat.Nick(), style); words != "" {
		past = render.Notice(past, words, style)
	}
	if w.Returned && len(recent) > 0 {
		past = render.Notice(past, "your connection was lost; meanwhile:", style)
	}
	past = append(past, rows...)
	kept, shown := s.kept(w)
	add := func(words string) { greeting = render.Notice(greeting, words, style) }
	s.introduce(w, add)
	if w.Unread.Messages > 0 {
		add(wordsUnread(w.Unread, s.host.cfg.Room.InboxFull(w.Unread.Messages)))
	}
	s.out.first(item{text: string(past) + kept, shown: shown}, item{text: string(greeting)})
	if err != nil {
		s.trouble("reading your inbox", err)
	}
}

// recent renders the last lines of the room, as many as fit into half the screen. Who
// comes back from a broken connection sees all that was missed, direct messages among
// the lines of the room.
func (s *session) recent(w *room.Welcome, style render.Style) (shown []*room.Message, rows []byte) {
	if s.term == nil {
		return nil, nil
	}
	now := time.Now()
	if w.Returned {
		shown = slices.Concat(w.Recent, w.Missed)
		slices.SortStableFunc(shown, func(a, b *room.Message) int { return strings.Compare(a.ID, b.ID) })
	} else {
		_, _, height, _ := s.ch.Pty()
		most, left := max(0, len(w.Recent)-room.RecentLines), terminal.ClampHeight(height)/2-1 // for the line about the rest
		first := len(w.Recent)
		for first > most {
			left -= bytes.Count(render.Message(nil, w.Recent[first-1], s.seat.Nick(), style, now), []byte{'\n'})
			if left < 0 && first < len(w.Recent) {
				break
			}
			first--
		}
		shown = w.Recent[first:]
	}
	return shown, render.Messages(nil, shown, s.seat.Nick(), style, now)
}

// introduce says who one is and who else is here.
func (s *session) introduce(w *room.Welcome, add func(string)) {
	you := "you are " + s.seat.Nick()
	switch {
	case w.Returned:
		you = "welcome back, " + s.seat.Nick()
	case s.login.Key == nil:
		you += ", a guest: nothing is kept for you when you leave"
		if asked := s.login.Nick; asked != s.seat.Nick() {
			you += " (" + asked + " is in use)"
		}
	case s.login.Claimed:
		you += "; this nick is now registered to your key"
	case !strings.EqualFold(s.login.Asked, s.seat.Nick()):
		you += ", by your key, not " + text.Quote(s.login.Asked, 32)
	}
	add(you)
	if s.login.Unused != "" {
		add("your key was not accepted: " + s.login.Unused)
	}
	if w.Absence.Away() {
		add(wordsAway(w.Absence, s.styleNow()))
	}
	add(wordsHere(w.Others, w.OthersOnline) + "; type help for a list of commands")
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
	text = s.rendered(w.Receipts)
	if s.term == nil {
		text = s.rendered(kept)
	}
	s.pending.add(1)
	return text, func(shown bool) { go s.haveRead(kept, shown) }
}

// motd cleans the message of the day: it is the operator's, but a file all the same.
func motd(raw string) []byte {
	if raw = strings.TrimRight(text.Clean(raw), "\n"); raw == "" {
		return nil
	}
	return []byte(raw + "\n")
}
