package parse

import (
	"regexp"
	"strings"

	"whoelse/keys/duration"
	"whoelse/sessions/text"
)

// defaultTail is how many messages tail begins with unless it is told.
const defaultTail = 10

var wholeID = regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{11}$`)

// TailArgs takes the options of tail, in any order.
func TailArgs(rest string, call *Call) (problem string) {
	numbered := false
	for rest != "" && problem == "" {
		var name, value string
		name, value, rest = cutOption(rest, "-n", "--since", "--room")
		switch name {
		case "-n":
			numbered = true
			_, problem = number(0, maxLines)(value, call)
		case "--since":
			problem = call.tailSince(value)
		case "--room":
			_, problem = oneRoom(value, call)
		case "--direct":
			call.Direct = true
		case "--mentions":
			call.Mentions = true
		default:
			return "unexpected argument " + text.Quote(name, 24)
		}
	}
	since := call.Since != "" || call.For != 0
	switch {
	case problem != "":
	case call.Room != "" && (call.Direct || call.Mentions):
		return "--room can't be combined with --direct or --mentions"
	case call.Direct && call.Mentions:
		return "--mentions includes direct messages; leave out --direct"
	case numbered && since:
		return "give -n or --since, not both"
	case !numbered && !since:
		call.N = defaultTail
	}
	return problem
}

func (call *Call) tailSince(value string) (problem string) {
	if id := strings.ToLower(value); wholeID.MatchString(id) {
		call.Since = id
		return ""
	}
	d, err := duration.Parse(value)
	if call.For = d; err != nil {
		return text.Quote(value, 24) + " is neither the ID of a message nor a duration (10m, 2h)"
	}
	return ""
}

// IsID reports whether s is the whole ID of a message.
func IsID(s string) bool { return wholeID.MatchString(s) }
