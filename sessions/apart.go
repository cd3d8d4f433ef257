package sessions

import (
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
)

// What people do to be left alone: being away, and blocking others.

// setting does what changes something of the person's. Of a guest nothing is kept, so
// that a command, which nobody sees in the room, has nothing to change.
func setting(do func(*actor, parse.Call)) func(*actor, parse.Call) {
	return func(a *actor, call parse.Call) {
		if a.seat.Guest() && a.seat.Visiting() {
			a.fail("nothing is kept for guests, so " + call.Name + " works only in the room; connect with a key to have a nick of your own")
			return
		}
		do(a, call)
	}
}

func (a *actor) away(call parse.Call) {
	err := a.seat.Away(call.Text)
	switch {
	case err != nil:
		a.trouble("marking you away", err)
	case a.seat.Guest():
		a.note("you are marked away, but nothing is kept for guests; /back to return")
	default:
		a.note("you are marked away; direct messages will wait; /back to return")
	}
}

func (a *actor) back(parse.Call) {
	was, err := a.seat.Back()
	switch {
	case err != nil:
		a.trouble("marking you back", err)
		return
	case !was:
		a.note("you were not away")
		return
	}
	words := "welcome back"
	if unread, err := a.seat.Waiting(); err == nil && unread.Messages > 0 {
		words += "; " + wordsUnread(unread, a.host.cfg.Room.InboxFull(unread.Messages))
	}
	a.note(words)
}

func (a *actor) block(call parse.Call) {
	if call.Nick == a.seat.Nick() {
		a.fail("you can't block yourself")
		return
	}
	if !a.known(call.Nick) {
		a.failAs(exitUnknown, a.wordsNobody(call.Nick))
		return
	}
	changed, err := a.seat.Block(call.Nick)
	switch {
	case err != nil:
		a.trouble("blocking "+call.Nick, err)
	case changed:
		a.note(call.Nick + "'s messages are hidden; /unblock " + call.Nick + " shows them again")
	default:
		a.note("you already block " + call.Nick)
	}
}

func (a *actor) unblock(call parse.Call) {
	changed, err := a.seat.Unblock(call.Nick)
	switch {
	case err != nil:
		a.trouble("unblocking "+call.Nick, err)
	case changed:
		a.note(call.Nick + "'s messages are shown again")
	default:
		a.fail("you do not block " + call.Nick)
	}
}

func (a *actor) blocked(parse.Call) {
	list, err := a.seat.Blocked()
	switch {
	case err != nil:
		a.trouble("reading your list", err)
	case len(list) == 0:
		a.note("you block nobody")
	default:
		a.note("you block " + render.People(list, len(list)))
	}
}
