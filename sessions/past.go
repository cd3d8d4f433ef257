package sessions

import (
	"time"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
)

// defaultLines is how far back one looks when not asking for a number.
const defaultLines = 50

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
		messages, err := a.seat.Past(call.Nick, linesAsked(call))
		a.past(messages, err, "reading your history", "there is nothing yet")
	default:
		a.unread()
	}
}

// unread shows what is in the inbox and marks it read when it has been shown.
func (a *actor) unread() {
	messages, err := a.seat.Inbox()
	switch {
	case err != nil:
		a.trouble("reading your inbox", err)
	case len(messages) == 0:
		a.note("your inbox is empty: nothing unread")
	default:
		a.pending.add(1)
		a.printAll(a.rendered(messages), func(shown bool) {
			go a.haveRead(messages, shown)
		})
	}
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

func (a *actor) history(call parse.Call) {
	messages, err := a.seat.History(linesAsked(call))
	a.past(messages, err, "reading the room's history", "nothing was said yet")
}

func (a *actor) past(messages []*room.Message, err error, what, none string) {
	switch {
	case err != nil:
		a.trouble(what, err)
	case len(messages) == 0:
		a.note(none)
	default:
		a.printAll(a.rendered(messages), nil)
	}
}

func (a *actor) rendered(messages []*room.Message) string {
	var lines []byte
	now, style := time.Now(), a.style()
	for _, m := range messages {
		lines = render.Message(lines, m, a.seat.Nick(), style, now)
	}
	return string(lines)
}
