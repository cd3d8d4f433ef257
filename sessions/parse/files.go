package parse

import (
	"strings"

	"whoelse/sessions/text"
)

// PasteArgs takes nicks, and --name NAME before or behind them.
func PasteArgs(rest string, call *Call) (problem string) {
	for {
		word, tail := cut(rest)
		name, value, given := strings.Cut(word, "=")
		switch {
		case rest == "" && len(call.To) == 0:
			return "missing nick"
		case rest == "":
			return ""
		case name == "--name":
			if !given {
				value, tail = cut(tail)
			}
			if call.File = value; value == "" {
				return "missing name of the file"
			}
		case len(call.To) > 0:
			return "unexpected argument " + text.Quote(rest, 24)
		default:
			if tail, problem = nicks(rest, call); problem != "" {
				return problem
			}
		}
		rest = tail
	}
}

// FetchArgs takes the end of the id of a message with a file.
func FetchArgs(rest string, call *Call) string {
	if rest == "" {
		return "missing ID; it is in the line that announced the file"
	}
	return ShowArgs(rest, call)
}

// Nicks reads a list of nicks with commas between them, as in commands. The problem is in words.
func Nicks(list string) (to []string, problem string) {
	var call Call
	rest, problem := nicks(list, &call)
	if problem == "" && rest != "" {
		problem = text.Quote(list, 34) + " can't be a nick"
	}
	return call.To, problem
}
