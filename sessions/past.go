package sessions

import (
	"errors"
	"iter"
	"time"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/text"
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

func (a *actor) inbox(call parse.Call) {
	switch {
	case a.seat.Guest():
		a.fail("nothing is kept for guests; connect with a key to have an inbox")
	case call.All || call.Nick != "":
		a.pages(a.seat.Past(a.ctx, call.Nick, linesAsked(call)), nil, "reading your history", func() { a.nothingWith(call.Nick) })
	default:
		a.pages(a.seat.Inbox(), a.haveRead, "reading your inbox", func() { a.note("your inbox is empty: nothing unread; inbox all shows earlier messages") })
	}
}

// nothingWith says that there are no messages with somebody, or with anybody for "".
func (a *actor) nothingWith(n string) {
	switch {
	case n == "":
		a.note("no messages yet")
	case n == a.seat.Nick() || a.known(n):
		a.note("no messages yet between you and " + n)
	default:
		a.failAs(exitUnknown, a.wordsNobody(n))
	}
}

func (a *actor) history(call parse.Call) {
	a.pages(a.seat.History(a.ctx, linesAsked(call)), nil, "reading the room's history", func() { a.note("nothing has been said yet") })
}

// pages shows what was said earlier, page by page. It waits while much is queued, and
// for the rate, so that however much is asked for, and however slowly it is taken,
// little more than a page of it is in memory. shown, if not nil, is told of each page;
// none is called if there is none.
func (a *actor) pages(pages iter.Seq2[room.Page, error], shown func([]*room.Message, bool), what string, none func()) {
	empty, work := true, 0
	for page, err := range pages {
		work += page.Searched / searchedWorth
		if len(page.Messages) > 0 {
			empty = false
			work += a.page(page.Messages, shown)
		}
		switch {
		case errors.Is(err, room.ErrSearchLimit):
			empty = false
			a.note(wordsSearched)
		case a.ctx.Err() != nil:
			return
		case err != nil:
			a.trouble(what, err)
			return
		}
		if !a.host.pace.charge(a.seat.Nick(), work/messageWorth, func() {}, a.ctx.Done()) || a.out.why() != nil {
			return
		}
		work %= messageWorth
	}
	if empty {
		none()
	}
}

// minID is how much of an id is needed at least, to search for it.
const minID = 4

// show prints a recent message whole, of which only the first rows were shown.
func (a *actor) show(call parse.Call) {
	none := func() {
		a.fail("no recent message has the ID " + text.Quote(call.Text, 24) + "; a message that was cut has its ID in its last line")
	}
	if len(call.Text) < minID {
		none()
		return
	}
	a.whole = true
	defer func() { a.whole = false }()
	a.pages(a.seat.Find(a.ctx, call.Text), nil, "looking for that message", none)
}

// page shows messages and returns how many bytes that are.
func (a *actor) page(messages []*room.Message, shown func([]*room.Message, bool)) int {
	lines := a.rendered(messages)
	var then func(bool)
	if shown != nil {
		a.pending.add(1)
		then = func(ok bool) { go shown(messages, ok) }
	}
	a.printAll(lines, then)
	return len(lines)
}

// haveRead marks messages as read once they were shown.
func (a *actor) haveRead(messages []*room.Message, shown bool) {
	defer a.pending.add(-1)
	if !shown {
		return // they stay unread
	}
	if err := a.seat.MarkRead(messages); err != nil {
		a.trouble("marking your messages as read", err)
	}
}

func (a *actor) rendered(messages []*room.Message) string {
	style := a.style()
	style.Whole = a.whole
	return string(render.Messages(nil, messages, a.seat.Nick(), style, time.Now()))
}
