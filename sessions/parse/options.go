package parse

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"whoelse/keys/duration"
	"whoelse/sessions/text"
)

const (
	maxWait = 10 * time.Minute
	maxKey  = 64 // characters of a retry key
)

// cutOption cuts an option off rest, with its value if it is one of valued: "--name VALUE" or "--name=VALUE".
func cutOption(rest string, valued ...string) (name, value, tail string) {
	word, tail := cut(rest)
	name, value, given := strings.Cut(word, "=")
	if !slices.Contains(valued, name) {
		return word, "", tail
	}
	if !given {
		value, tail = cut(tail)
	}
	return name, value, tail
}

// options parses the options in rest, the words after the name of c, which is nil for an unknown command,
// and returns the other words. In a command with a text, options come first, and "--" before a text that
// begins with "--" ends them. Otherwise --json may be anywhere.
func (call *Call) options(c *Syntax, rest string) (tail, problem string) {
	for strings.HasPrefix(rest, "--") && problem == "" {
		name, value, after := cutOption(rest, "--id", "--wait")
		switch {
		case name == "--json" && !call.JSON:
			call.JSON = true
		case c == nil || !c.Text:
			return call.jsonAnywhere(c, rest), ""
		case name == "--" && strings.HasPrefix(after, "--"):
			return after, ""
		case c.Options && name == "--id":
			call.Key, problem = value, badKey(value)
		case c.Options && name == "--wait":
			problem = call.waitFor(value)
		default:
			return rest, ""
		}
		rest = after
	}
	return call.jsonAnywhere(c, rest), problem
}

// jsonAnywhere removes --json from the arguments of a command without a text.
func (call *Call) jsonAnywhere(c *Syntax, rest string) string {
	words := strings.Fields(rest)
	if c == nil || c.Text || !slices.Contains(words, "--json") {
		return rest
	}
	call.JSON = true
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "--json" }), " ")
}

func badKey(key string) (problem string) {
	if key == "" || utf8.RuneCountInString(key) > maxKey || text.CleanLine(key) != key {
		return "--id takes a retry key of 1 to 64 printable characters"
	}
	return ""
}

func (call *Call) waitFor(value string) (problem string) {
	d, err := duration.Parse(value)
	if call.Wait = d; err != nil || d > maxWait {
		return "--wait takes a duration of up to 10m, such as 30s or 2m"
	}
	return ""
}

// PasteArgs takes nicks, and --name NAME before or behind them.
func PasteArgs(rest string, call *Call) (problem string) {
	for rest != "" && problem == "" {
		name, value, tail := cutOption(rest, "--name")
		switch {
		case name == "--name" && value == "":
			return "missing name of the file"
		case name == "--name":
			call.File = value
		case len(call.To) > 0:
			return "unexpected argument " + text.Quote(rest, 24)
		default:
			tail, problem = nicks(cutNicks)(rest, call)
		}
		rest = tail
	}
	if problem == "" && len(call.To) == 0 {
		problem = "missing nick"
	}
	return problem
}
