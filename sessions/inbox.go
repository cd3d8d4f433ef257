package sessions

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"strings"
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

func (s *session) inbox(call parse.Call) result.Result {
	if call.Verb == "" && call.Nick == "" {
		return s.showPages(pages{
			each: s.member.Inbox(), unread: true,
			doing: result.ReadingInbox, none: result.Done{What: result.InboxEmpty},
		})
	}
	past := pages{each: s.member.Past(s.ctx, call.Nick, cmp.Or(call.N, defaultLines)), doing: result.ReadingHistory}
	switch n := call.Nick; {
	case n == "":
		past.none = result.Done{What: result.NoMessages}
	case n == s.member.Nick() || s.known(n):
		past.none = result.Done{What: result.NoMessagesWith, Nick: n}
	default:
		past.none = s.nobody(n)
	}
	return s.showPages(past)
}

func (s *session) history(call parse.Call) result.Result {
	name, n := s.here(call), cmp.Or(call.N, defaultLines)
	return s.showPages(pages{
		each: s.member.HistoryOf(s.ctx, name, n), room: name, most: n, upTo: s.manager.cfg.Room.LastID(),
		doing: result.ReadingRoom, none: result.Done{What: result.NothingSaid},
	})
}

// search finds messages that have all the words; nicks of who wrote and got them count, too.
func (s *session) search(call parse.Call) result.Result {
	words := strings.Fields(strings.ToLower(call.Text))
	found := func(m *room.Message) bool {
		said := strings.ToLower(m.Text)
		if m.File != nil {
			said = strings.ToLower(m.File.Name)
		}
		return !slices.ContainsFunc(words, func(w string) bool {
			return w != m.From && !slices.Contains(m.To, w) && !strings.Contains(said, w)
		})
	}
	return s.showPages(pages{
		each: s.member.Search(s.ctx, call.Room, defaultLines, found), room: call.Room,
		doing: result.Searching, none: result.Done{What: result.NothingFound},
	})
}

// minID is how much of an id is needed at least, to search for it.
const minID = 4

// show shows a recent message whole, of which only the first rows were shown.
func (s *session) showMessage(call parse.Call) result.Result {
	none := result.Failure{Code: result.Refused, Reason: result.NoSuchMessage, About: call.Text}
	if len(call.Text) < minID {
		return none
	}
	found := s.member.Find(s.ctx, call.Text)
	return s.showPages(pages{each: found, whole: true, doing: result.FindingMessage, none: none})
}

// pages is earlier messages, and how they are shown.
type pages struct {
	each   iter.Seq2[room.Page, error]
	unread bool          // they are to be marked as read once they were shown
	room   string        // of which they are, if of one
	whole  bool          // long ones are not cut
	most   int           // if they are the newest lines of the room, which this reads: how many at most,
	upTo   string        // and the last ID of all, before that
	doing  result.Reason // of the failure when each has an error
	none   result.Result // if there are none
}

// eachPage passes on what was said earlier, page by page, to show, which returns how many bytes it has
// shown, and may wait. Reading and searching count against the rate, also where nothing is shown in the end,
// and eachPage waits for that. So however much is asked for, and however slowly it is taken, little more
// than a page of it is in memory. The error is that of pages, or errLost if the session ended.
func (s *session) eachPage(pages iter.Seq2[room.Page, error], show func([]*room.Message) int) error {
	work := 0
	for page, err := range pages {
		work += page.Searched / searchedWorth
		if len(page.Messages) > 0 {
			work += show(page.Messages)
		}
		switch paced := s.paced(work / messageWorth); {
		case err != nil:
			return err
		case !paced:
			return errLost
		}
		work %= messageWorth
	}
	return nil
}

// readFailed is the failure of eachPage, for a room or "": nil without an error, or if the session has ended.
func (s *session) readFailed(name string, doing result.Reason, err error) result.Result {
	if err == nil || s.ctx.Err() != nil || s.out.why() != nil {
		return nil
	}
	return s.failed(result.Failure{Reason: doing, Room: name, Err: err})
}

// showPages shows what was said earlier. It waits while much is queued.
func (s *session) showPages(pages pages) result.Result {
	end, n, first := pages.none, 0, ""
	err := s.eachPage(pages.each, func(messages []*room.Message) int {
		end, n, first = result.Done{}, n+len(messages), cmp.Or(first, messages[0].ID)
		return s.showPage(pages, messages)
	})
	switch {
	case errors.Is(err, room.ErrSearchLimit):
		end = result.Done{What: result.NotSearched}
	case err != nil:
		return s.readFailed(pages.room, pages.doing, err)
	}
	if pages.most > 0 && pages.room != room.Lobby && !s.frames { // a program says so itself
		if n < pages.most && err == nil { // nothing is before them
			first = ""
		}
		_ = s.member.MarkShown(pages.room, first, pages.upTo) // or it is unread again
	}
	return end
}

// showPage shows messages and returns how many bytes that are.
func (s *session) showPage(pages pages, messages []*room.Message) int {
	var lines []byte
	if s.tally.source == fromShell {
		lines = s.facts(messages, true)
	} else {
		style := s.style()
		style.Whole = pages.whole
		lines = render.Messages(nil, messages, s.member.Nick(), style, time.Now())
	}
	var shown func(bool)
	if pages.unread {
		s.pending.add(1)
		shown = func(ok bool) { go s.haveRead(messages, ok) }
	}
	s.out.print(string(lines), shown)
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
