package sessions

import (
	"strings"
	"time"

	"whoelse/room"
	"whoelse/sessions/render"
	"whoelse/sessions/text"
)

// greet shows a newcomer who they are, who is here, what was said last and what
// waits for them. Without a terminal it is brief, and nothing is replayed, so that
// a program does not take the past for news.
func (s *session) greet(w *room.Welcome, err error) {
	style := s.styleNow()
	var lines []byte
	add := func(words string) { lines = render.Notice(lines, words, style) }
	if s.term != nil {
		lines = append(lines, motd(s.host.cfg.MOTD())...)
	}
	s.introduce(w, add)
	if s.term != nil {
		now := time.Now()
		for _, m := range w.Recent {
			lines = render.Message(lines, m, s.seat.Nick(), style, now)
		}
	}
	if w.Unread.Messages > 0 {
		add(wordsUnread(w.Unread, s.host.cfg.Room.InboxFull(w.Unread.Messages)))
	}
	s.out.first(append([]item{{text: string(lines)}}, s.kept(w)...)...)
	if err != nil {
		s.trouble("reading your inbox", err)
	}
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
	add(wordsHere(w.Others, w.OthersOnline) + "; type help for help")
}

// kept is what came while the connection was broken, and which messages of this
// person's were read. Both are marked as shown when they are.
func (s *session) kept(w *room.Welcome) []item {
	kept := append(w.Missed, w.Receipts...)
	if len(kept) == 0 {
		return nil
	}
	s.pending.add(1)
	return []item{{text: s.rendered(kept), shown: func(shown bool) { go s.haveRead(kept, shown) }}}
}

// motd cleans the message of the day: it is the operator's, but a file all the same.
func motd(raw string) []byte {
	if raw = strings.TrimRight(text.Clean(raw), "\n"); raw == "" {
		return nil
	}
	return []byte(raw + "\n")
}
