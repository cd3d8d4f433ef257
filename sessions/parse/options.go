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
	maxKey  = 64 // characters of the key of a message
)

// options takes the options off rest, which follows the name of c, or of an unknown command, nil. Before
// a text they come first, and "--" ends them where the text begins like one. Without a text, --json
// may stand anywhere.
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

// jsonAnywhere takes --json out of the arguments of a command without a text.
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
		return "--id takes a key of 1 to 64 printable characters"
	}
	return ""
}

func (call *Call) waitFor(value string) (problem string) {
	d, err := duration.Parse(value)
	if call.Wait = d; err != nil || d > maxWait {
		return "--wait takes a duration of up to 10m (30s, 2m)"
	}
	return ""
}
