package sessions

import (
	"errors"
	"time"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// defaultLines is how far back one looks when not asking for a number.
const defaultLines = 50

// What is read counts against the rate at which a nick may send: messageWorth bytes
// like a message. Of what was only searched it takes searchedWorth times as many.
const (
	messageWorth  = 64 << 10
	searchedWorth = 8
)

func linesAsked(call parse.Call) int {
	if call.N == 0 {
		return defaultLines
	}
	return call.N
}

func (s *session) inbox(call parse.Call) result.Result {
	if !call.All && call.Nick == "" {
		return result.Pages{Each: s.member.Inbox(), Unread: true, Doing: result.ReadingInbox, None: result.Done{What: result.InboxEmpty}}
	}
	pages := result.Pages{Each: s.member.Past(s.ctx, call.Nick, linesAsked(call)), Doing: result.ReadingHistory}
	switch n := call.Nick; {
	case n == "":
		pages.None = result.Done{What: result.NoMessages}
	case n == s.member.Nick() || s.known(n):
		pages.None = result.Done{What: result.NoMessagesWith, Nick: n}
	default:
		pages.None = s.nobody(n)
	}
	return pages
}

func (s *session) history(call parse.Call) result.Result {
	name := s.here(call)
	return result.Pages{
		Each: s.member.HistoryOf(s.ctx, name, linesAsked(call)), Room: name, Doing: result.ReadingRoom, None: result.Done{What: result.NothingSaid},
	}
}

// minID is how much of an id is needed at least, to search for it.
const minID = 4

// show shows a recent message whole, of which only the first rows were shown.
func (s *session) showMessage(call parse.Call) result.Result {
	none := result.Failure{Code: result.Refused, Reason: result.NoSuchMessage, About: call.Text}
	if len(call.Text) < minID {
		return none
	}
	return result.Pages{Each: s.member.Find(s.ctx, call.Text), Whole: true, Doing: result.FindingMessage, None: none}
}

// showPages shows what was said earlier, page by page. It waits while much is queued,
// and for the rate, so that however much is asked for, and however slowly it is taken,
// little more than a page of it is in memory.
func (s *session) showPages(pages result.Pages) {
	end, work, last := pages.None, 0, ""
	for page, err := range pages.Each {
		work += page.Searched / searchedWorth
		if len(page.Messages) > 0 {
			end = result.Done{}
			work += s.showPage(pages, page.Messages)
			if pages.Room != "" && pages.Room != room.Lobby {
				last = page.Messages[len(page.Messages)-1].ID
			}
		}
		switch {
		case errors.Is(err, room.ErrSearchLimit):
			end = result.Done{What: result.NotSearched}
		case s.ctx.Err() != nil:
			return
		case err != nil && pages.Room != "" && notThere(err):
			s.show(s.roomFailed(pages.Room, err))
			return
		case err != nil:
			s.show(s.failed(result.Failure{Reason: pages.Doing, Err: err}))
			return
		}
		if !s.paced(work/messageWorth, func() {}) {
			return
		}
		work %= messageWorth
	}
	s.show(end)
	if last != "" {
		_ = s.member.ReadUpTo(pages.Room, last) // or it is unread again
	}
}

// showPage shows messages and returns how many bytes that are.
func (s *session) showPage(pages result.Pages, messages []*room.Message) int {
	var lines []byte
	if s.tally.source == fromShell {
		for _, m := range messages {
			lines = s.appendFact(lines, m, true)
		}
	} else {
		style := s.style()
		style.Whole = pages.Whole
		lines = render.Messages(nil, messages, s.member.Nick(), style, time.Now())
	}
	var shown func(bool)
	if pages.Unread {
		s.pending.add(1)
		shown = func(ok bool) { go s.haveRead(messages, ok) }
	}
	s.print(string(lines), shown)
	return len(lines)
}

// haveRead marks messages as read once they were shown.
func (s *session) haveRead(messages []*room.Message, shown bool) {
	defer s.pending.add(-1)
	if !shown {
		return // they stay unread
	}
	if err := s.member.MarkRead(messages); err != nil {
		s.report(s.failed(result.Failure{Reason: result.MarkingMessages, Err: err}))
	}
}
