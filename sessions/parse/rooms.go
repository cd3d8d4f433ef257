package parse

import (
	"strings"

	"whoelse/keys/nick"
	"whoelse/sessions/text"
)

// These are for [Syntax.Args], too.
var (
	NeedRoom     = args(oneRoom)
	OptionalRoom = args(roomIfAny)
	InArgs       = args(oneRoom, anyText)
	WholastArgs  = args(roomIfAny, optional(number(maxMinutes)))
	HistoryArgs  = args(roomIfAny, optional(number(maxLines)))
	TopicArgs    = args(roomIfAny, optional(anyText))
)

// oneRoom takes "#name".
func oneRoom(rest string, call *Call) (tail, problem string) {
	word, tail := cut(rest)
	if word == "" {
		return "", "missing room"
	}
	name, err := nick.Room(word)
	if err != nil {
		return "", text.Quote(word, 34) + " can't be a room; a room looks like #ops"
	}
	call.Room = name
	return tail, ""
}

// roomIfAny is oneRoom if a room is what comes next.
func roomIfAny(rest string, call *Call) (tail, problem string) {
	if !strings.HasPrefix(rest, nick.RoomMark) {
		return rest, ""
	}
	return oneRoom(rest, call)
}

// missingTarget is the problem of a command that takes a nick or a room.
const missingTarget = "missing nick or #ROOM"

// MuteArgs takes #ROOM, or NICK [DURATION].
func MuteArgs(rest string, call *Call) string {
	if rest == "" {
		return missingTarget
	}
	if strings.HasPrefix(rest, nick.RoomMark) {
		return NeedRoom(rest, call)
	}
	return NickAndDuration(rest, call)
}

// UnmuteArgs takes #ROOM, or NICK.
func UnmuteArgs(rest string, call *Call) string {
	if rest == "" {
		return missingTarget
	}
	if strings.HasPrefix(rest, nick.RoomMark) {
		return NeedRoom(rest, call)
	}
	return NeedNick(rest, call)
}

// RoomArgs takes [#ROOM], and then nothing or a verb with what it needs.
func RoomArgs(rest string, call *Call) string {
	rest, problem := roomIfAny(rest, call)
	if problem != "" {
		return problem
	}
	word, tail := cut(rest)
	call.Verb = strings.ToLower(word)
	switch call.Verb {
	case "", "private", "public", "close":
		return NoArgs(tail, call)
	case "invite", "remove", "owner", "mute", "unmute":
		return NeedNick(tail, call)
	case "guests":
		call.Text = strings.ToLower(tail)
		if call.Text != "on" && call.Text != "off" {
			return "guests is on or off"
		}
		return ""
	}
	return text.Quote(word, 24) + " is not private, public, invite, remove, owner, mute, unmute, guests or close"
}

// InRoom parses a line of the form "#room text". ok is false if line does not begin like one.
func (t Table) InRoom(line string) (call Call, err error, ok bool) {
	if !strings.HasPrefix(line, nick.RoomMark) || len(line) < 2 || strings.ContainsAny(line[1:2], " #\n\t") {
		return Call{}, nil, false
	}
	call, err = run(t.Find("in"), line, sayHint)
	return call, err, true
}

// Addressed returns call, or, if its text begins with a room, the call of "in" for that room, or an error.
func (t Table) Addressed(call Call) (Call, error) {
	in, err, ok := t.InRoom(call.Text)
	if !ok || len(call.To) > 0 {
		return call, nil
	}
	in.JSON, in.Key = call.JSON, call.Key
	return in, err
}
