package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"whoelse/room"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// The last words of a session or a command, by the reason for its end.
const (
	Bye      = "bye"
	TooSlow  = "disconnected: your connection is too slow to keep up"
	Shutdown = "the server is shutting down; kept messages are safe; come back in a moment"
)

// asBot follows a bot's nick in places where people's nicks appear, too.
const asBot = " (bot)"

// asGuest follows the name of a guest.
const asGuest = ", a guest: nothing is kept for you when you leave"

// Greeting renders the newcomer's name, their unread messages, and who else is here.
func Greeting(dst []byte, w result.Welcome, st Style, now time.Time) []byte {
	you, _ := identity(w)
	if w.Returned && !w.Pending {
		you = "welcome back, " + w.Nick
	}
	dst = notices(dst, st, waiting(w.Rooms)...)
	return notices(dst, st,
		you,
		when(w.Unused != "", "your key was not accepted: "+w.Unused),
		awaySince(w.Absence, st, now),
		here(w.Others, w.OthersOnline)+"; type help for a list of commands",
		when(w.Unread.Messages > 0, unread(result.Unread{Waiting: w.Unread, Full: w.Full})),
		when(w.Writes != "", "what you type goes to "+place(w.Writes)),
	)
}

// place is where one writes.
func place(name string) string {
	if name == room.Lobby {
		return "the lobby"
	}
	return "#" + name
}

// awaySince reminds an away person of that; "" for others.
func awaySince(a room.Absence, st Style, now time.Time) string {
	why := when(a.Reason != "", " ("+a.Reason+")")
	return when(a.Away(), "you have been away since "+Clock(a.Since, now, st)+why+"; /back to return")
}

// identity tells somebody their name, and reports whether it is not the one they asked for.
func identity(w result.Welcome) (words string, otherwise bool) {
	words = "you are " + w.Nick
	switch {
	case w.Guest && w.Asked != w.Nick:
		return words + asGuest + " (" + w.Asked + " is in use)", true
	case w.Guest:
		return words + asGuest, false
	case w.Claimed:
		return words + "; this nick is now registered to your key", true
	case w.Pending:
		return words + "; this key is now confirmed. If you did not add it, remove it with /key remove, and connect under another nick", true
	case !strings.EqualFold(w.Asked, w.Nick):
		return words + ", not " + text.Quote(w.Asked, 32) + ": your key's nick is " + w.Nick, true
	}
	return words, false
}

// CommandAs is the name under which a command from a shell runs, if the caller may be surprised by it,
// and why their key was not accepted, if so; otherwise it is "".
func CommandAs(w result.Welcome) string {
	words, otherwise := identity(w)
	if w.Unused != "" {
		return words + "; your key was not accepted: " + w.Unused
	}
	return when(otherwise, words)
}

func here(others []room.Presence, total int) string {
	if total > len(others) {
		return Count(total) + " others are here; whoelse lists them"
	}
	return areIn(others, "here")
}

// areIn says which other people are somewhere, the first of them by name.
func areIn(others []room.Presence, where string) string {
	const most = 20
	nicks := make([]string, len(others))
	for i, p := range others {
		nicks[i] = p.Nick
	}
	switch len(nicks) {
	case 0:
		return "nobody else is " + where
	case 1:
		return nicks[0] + " is " + where
	}
	return People(nicks, most) + " are " + where
}

// unread counts the inbox: "3 unread: bob (2), carol (1); type inbox".
func unread(u result.Unread) string {
	const most = 8
	var parts []string
	for _, from := range u.Senders[:min(most, len(u.Senders))] {
		parts = append(parts, fmt.Sprintf("%s (%d)", from, u.Of[from]))
	}
	parts = append(parts, when(len(u.Senders) > most, "..."))
	full := when(u.Full, "your inbox is full, and nobody can write to you until you have read them: ")
	return fmt.Sprintf("%d unread: %s; %stype inbox", u.Messages, commas(parts...), full)
}

// Missed renders the line before the last lines of the room: how many more there are since
// the person left. After a lost connection it says so, and counts all of them.
func Missed(dst []byte, w result.Welcome, st Style, now time.Time) []byte {
	meanwhile := when(w.Returned && w.Shown > 0, "your connection was lost; meanwhile:")
	return notices(dst, st, missed(w, st, now), meanwhile)
}

func missed(w result.Welcome, st Style, now time.Time) string {
	if w.Left.IsZero() {
		return ""
	}
	left := w.Left.Truncate(time.Millisecond) // as the times of messages are
	since := slices.DeleteFunc(slices.Clone(w.Recent), func(m *room.Message) bool { return m.Time.Before(left) })
	all, above, mentions := len(since), max(0, len(since)-w.Shown), 0
	for _, m := range since[:above] {
		if m.From != w.Nick && Mentions(m.Text, w.Nick) {
			mentions++
		}
	}
	atLeast := when(all == room.MissedLines, "at least ")
	lost := "your connection was lost at " + Clock(w.Left, now, st) + "; "
	var words string
	switch {
	case w.LeftLost && all == 0:
		words = lost + "nothing was said in the room since then"
	case w.LeftLost:
		words = lost + atLeast + Number(all, "message", "messages") + " in the room since then"
	case above == 0:
		return ""
	case w.Shown == 0:
		words = atLeast + Number(above, "line", "lines") + " since you left"
	default:
		words = atLeast + Number(above, "more line above", "more lines above")
	}
	if above == 0 {
		return words
	}
	mention := when(mentions > 0, Number(mentions, "mentions you", "mention you"))
	lobby := when(w.Writes != "" && w.Writes != room.Lobby, "#lobby ")
	return fmt.Sprintf("%s: /history %s%d", commas(words, mention), lobby, above+w.Shown)
}

// MOTD cleans the message of the day: it is the operator's, but a file all the same.
func MOTD(dst []byte, raw string) []byte {
	if raw = strings.TrimRight(text.Clean(raw), "\n"); raw == "" {
		return dst
	}
	return append(dst, raw+"\n"...)
}

// TooFast tells somebody that their lines wait; rate is messages a second.
func TooFast(rate float64) string {
	return fmt.Sprintf("at most %g messages a second: the rest wait their turn", rate)
}

// NickTaken tells a guest that a key now holds their name, or one that it reads like.
func NickTaken(name string) string {
	return name + " is now registered to a key; come back under another name"
}
