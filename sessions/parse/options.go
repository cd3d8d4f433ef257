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

// options parses the options in rest, the words after the name of c, which is nil for an unknown command,
// and returns the other words. In a command with a text, options come first, and "--" before a text that
// begins with "--" ends them. Otherwise --json may be anywhere.
func (call *Call) options(c *Syntax, rest string) (tail, problem string) {
	for strings.HasPrefix(rest, "--") {
		word, after := cut(rest)
		name, value, given := strings.Cut(word, "=")
		switch {
		case word == "--json" && !call.JSON:
			call.JSON, rest = true, after
			continue
		case c == nil || !c.Text:
			return call.jsonAnywhere(c, rest), ""
		case word == "--" && strings.HasPrefix(after, "--"):
			return after, ""
		case !c.Options || name != "--id" && name != "--wait":
			return rest, ""
		case !given:
			value, after = cut(after)
		}
		if name == "--id" {
			call.Key = value
			problem = badKey(value)
		} else {
			problem = call.waitFor(value)
		}
		if problem != "" {
			return "", problem
		}
		rest = after
	}
	return call.jsonAnywhere(c, rest), ""
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
