package parse

import (
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

// options takes --id KEY and --wait DURATION off the front of what follows a command that is given
// from a shell. "--" ends them, where a text begins like an option.
func (call *Call) options(rest string) (tail, problem string) {
	for strings.HasPrefix(rest, "--") {
		word, tail := cut(rest)
		name, value, given := strings.Cut(word, "=")
		switch {
		case word == "--" && strings.HasPrefix(tail, "--"):
			return tail, ""
		case name != "--id" && name != "--wait":
			return rest, ""
		case !given:
			value, tail = cut(tail)
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
		rest = tail
	}
	return rest, ""
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
