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

func (c *commandContext) inbox(call parse.Call) result.Result {
	if !call.All && call.Nick == "" {
		return result.Pages{Each: c.seat.Inbox(), Unread: true, Doing: result.ReadingInbox, None: result.Done{What: result.InboxEmpty}}
	}
	pages := result.Pages{Each: c.seat.Past(c.ctx, call.Nick, linesAsked(call)), Doing: result.ReadingHistory}
	switch n := call.Nick; {
	case n == "":
		pages.None = result.Done{What: result.NoMessages}
	case n == c.seat.Nick() || c.known(n):
		pages.None = result.Done{What: result.NoMessagesWith, Nick: n}
	default:
		pages.None = c.nobody(n)
	}
	return pages
}

func (c *commandContext) history(call parse.Call) result.Result {
	return result.Pages{Each: c.seat.History(c.ctx, linesAsked(call)), Doing: result.ReadingRoom, None: result.Done{What: result.NothingSaid}}
}

// minID is how much of an id is needed at least, to search for it.
const minID = 4

// show shows a recent message whole, of which only the first rows were shown.
func (c *commandContext) showMessage(call parse.Call) result.Result {
	none := result.Failure{Code: result.Refused, Reason: result.NoSuchMessage, About: call.Text}
	if len(call.Text) < minID {
		return none
	}
	return result.Pages{Each: c.seat.Find(c.ctx, call.Text), Whole: true, Doing: result.FindingMessage, None: none}
}

// showPages shows what was said earlier, page by page. It waits while much is queued,
// and for the rate, so that however much is asked for, and however slowly it is taken,
// little more than a page of it is in memory.
func (c *commandContext) showPages(pages result.Pages) {
	empty, work := true, 0
	for page, err := range pages.Each {
		work += page.Searched / searchedWorth
		if len(page.Messages) > 0 {
			empty = false
			work += c.showPage(pages, page.Messages)
		}
		switch {
		case errors.Is(err, room.ErrSearchLimit):
			empty = false
			c.show(result.Done{What: result.NotSearched})
		case c.ctx.Err() != nil:
			return
		case err != nil:
			c.show(c.failed(result.Failure{Reason: pages.Doing, Err: err}))
			return
		}
		if !c.manager.rate.charge(c.seat.Nick(), work/messageWorth, func() {}, c.ctx.Done()) || c.out.why() != nil {
			return
		}
		work %= messageWorth
	}
	if empty {
		c.show(pages.None)
	}
}

// showPage shows messages and returns how many bytes that are.
func (c *commandContext) showPage(pages result.Pages, messages []*room.Message) int {
	style := c.style()
	style.Whole = pages.Whole
	lines := render.Messages(nil, messages, c.seat.Nick(), style, time.Now())
	var shown func(bool)
	if pages.Unread {
		c.pending.add(1)
		shown = func(ok bool) { go c.haveRead(messages, ok) }
	}
	c.print(string(lines), shown)
	return len(lines)
}

// haveRead marks messages as read once they were shown.
func (c *commandContext) haveRead(messages []*room.Message, shown bool) {
	defer c.pending.add(-1)
	if !shown {
		return // they stay unread
	}
	if err := c.seat.MarkRead(messages); err != nil {
		c.report(c.failed(result.Failure{Reason: result.MarkingMessages, Err: err}))
	}
}
