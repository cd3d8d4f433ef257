package render

import (
	"fmt"
	"strings"
	"time"

	"whoelse/room"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

// greetMost is how many people a greeting names before it only counts them, and of how
// many senders it counts what is unread.
const (
	greetMost   = 20
	sendersMost = 8
)

// Greeting says who one is, what waits, and who else is here.
func Greeting(dst []byte, w result.Welcome, st Style, now time.Time) []byte {
	add := func(words string) { dst = Notice(dst, words, st) }
	you := "you are " + w.Nick
	switch {
	case w.Returned:
		you = "welcome back, " + w.Nick
	case w.Guest:
		you += ", a guest: nothing is kept for you when you leave"
		if w.Asked != w.Nick {
			you += " (" + w.Asked + " is in use)"
		}
	case w.Claimed:
		you += "; this nick is now registered to your key"
	case !strings.EqualFold(w.Asked, w.Nick):
		you += ", by your key, not " + text.Quote(w.Asked, 32)
	}
	add(you)
	if w.Unused != "" {
		add("your key was not accepted: " + w.Unused)
	}
	if w.Absence.Away() {
		words := "you have been away since " + Clock(w.Absence.Since, now, st)
		if w.Absence.Reason != "" {
			words += " (" + w.Absence.Reason + ")"
		}
		add(words + "; /back to return")
	}
	add(here(w.Others, w.OthersOnline) + "; type help for a list of commands")
	if w.Unread.Messages > 0 {
		add(unread(result.Unread{Waiting: w.Unread, Full: w.Full}))
	}
	return dst
}

func here(others []room.Presence, total int) string {
	switch {
	case total == 0:
		return "nobody else is here"
	case total > len(others):
		return fmt.Sprintf("%d others are here; whoelse lists them", total)
	}
	nicks := make([]string, len(others))
	for i, p := range others {
		nicks[i] = p.Nick
	}
	if len(nicks) == 1 {
		return nicks[0] + " is here"
	}
	return People(nicks, greetMost) + " are here"
}

// unread counts the inbox: "3 unread: bob (2), carol (1); type inbox". Of a full one it
// tells what that means for its owner.
func unread(u result.Unread) string {
	var parts []string
	for i, from := range u.Senders {
		if i == sendersMost {
			parts = append(parts, "...")
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%d)", from, u.Of[from]))
	}
	words := fmt.Sprintf("%d unread: %s; ", u.Messages, strings.Join(parts, ", "))
	if u.Full {
		words += "your inbox is full, and nobody can write to you until you have read them: "
	}
	return words + "type inbox"
}

// Missed renders what is shown before the last lines of the room: how much was said
// there since the person left and is not among them. Whose connection was lost is told
// so, with the count of all that was said.
func Missed(dst []byte, w result.Welcome, st Style, now time.Time) []byte {
	if words := missed(w, st, now); words != "" {
		dst = Notice(dst, words, st)
	}
	if w.Returned && w.Shown > 0 {
		dst = Notice(dst, "your connection was lost; meanwhile:", st)
	}
	return dst
}

func missed(w result.Welcome, st Style, now time.Time) string {
	if w.Left.IsZero() {
		return ""
	}
	left := w.Left.Truncate(time.Millisecond) // as the times of messages are
	all, above, mentions := 0, 0, 0
	for i, m := range w.Recent {
		if m.Time.Before(left) {
			continue
		}
		all++
		if i >= len(w.Recent)-w.Shown {
			continue
		}
		above++
		if m.From != w.Nick && Mentions(m.Text, w.Nick) {
			mentions++
		}
	}
	atLeast := ""
	if all == room.MissedLines {
		atLeast = "at least "
	}
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
	if mentions > 0 {
		words += ", " + Number(mentions, "mentions you", "mention you")
	}
	return fmt.Sprintf("%s: /history %d", words, above+w.Shown)
}

// CommandAs tells who runs a command from a shell where that may be a surprise, "" where
// it is none.
func CommandAs(w result.Welcome) string {
	switch {
	case w.Guest && w.Nick != w.Asked:
		return "you are " + w.Nick + " for this command (" + w.Asked + " is in use)"
	case w.Claimed:
		return "the nick " + w.Nick + " is now your key's"
	case !w.Guest && !strings.EqualFold(w.Asked, w.Nick):
		return "you are " + w.Nick + ", by your key, not " + text.Quote(w.Asked, 32)
	}
	return ""
}

// Ending says why a session or a command ends.
func Ending(why result.Ending) string {
	switch why {
	case result.Bye:
		return "bye"
	case result.TooSlow:
		return "disconnected: your connection is too slow to keep up"
	}
	return "the server is shutting down; kept messages are safe; come back in a moment"
}

// TooFast tells somebody that their lines wait; rate is messages a second.
func TooFast(rate float64) string {
	return fmt.Sprintf("at most %g messages a second: the rest wait their turn", rate)
}

// NickTaken tells a guest that a key now holds their name, or one that it reads like.
func NickTaken(name string) string {
	return name + " now belongs to somebody's key; come back under another name"
}
