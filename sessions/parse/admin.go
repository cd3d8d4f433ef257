package parse

import (
	"strconv"
	"strings"

	"whoelse/keys/span"
	"whoelse/sessions/text"
)

// Limits of what follows the commands about keys and people.
const (
	maxReason = 90  // bytes
	maxTarget = 100 // bytes; a fingerprint has 50
)

// keyArgs takes nothing, add KEY or remove FINGERPRINT.
func keyArgs(rest string, call *Call) string {
	word, tail := cut(rest)
	call.Verb = strings.ToLower(word)
	switch call.Verb {
	case "":
		return ""
	case "add":
		if tail == "" {
			return "missing key; paste the contents of your .pub file"
		}
		return optionalText(tail, call)
	case "remove":
		if tail == "" {
			return "missing fingerprint; /key shows yours"
		}
		return needTarget(tail, call)
	case "leave":
		if tail == "" {
			return "to give your nick up, type it once more: /key leave NICK"
		}
		return needNick(tail, call)
	}
	return text.Quote(word, 24) + " is not add, remove or leave"
}

// needTarget takes one word that names a ban or a key.
func needTarget(rest string, call *Call) string {
	word, tail := cut(rest)
	switch {
	case word == "":
		return "missing nick, fingerprint or address"
	case tail != "":
		return unexpected(tail)
	case len(word) > maxTarget:
		return text.Quote(word, 24) + " is too long"
	}
	call.Target = word
	return ""
}

// banArgs takes TARGET [DURATION] [anyway] [REASON].
func banArgs(rest string, call *Call) string {
	word, tail := cut(rest)
	if problem := needTarget(word, call); problem != "" {
		return problem
	}
	tail, problem := duration(tail, call)
	if problem != "" {
		return problem
	}
	if word, after := cut(tail); strings.EqualFold(word, "anyway") {
		call.Anyway, tail = true, after
	}
	return reason(tail, call)
}

// kickArgs takes NICK [REASON].
func kickArgs(rest string, call *Call) string {
	word, tail := cut(rest)
	if problem := needNick(word, call); problem != "" {
		return problem
	}
	return reason(tail, call)
}

// muteArgs takes NICK [DURATION].
func muteArgs(rest string, call *Call) string {
	word, tail := cut(rest)
	if problem := needNick(word, call); problem != "" {
		return problem
	}
	after, problem := duration(tail, call)
	if problem == "" && after != "" {
		return text.Quote(after, 24) + " is not a duration; write 30m, 24h or 90d, or nothing"
	}
	return problem
}

// inviteArgs takes NICK [DURATION].
func inviteArgs(rest string, call *Call) string { return muteArgs(rest, call) }

// duration takes how long something is to last off the front of rest, if that is
// there. What begins like a number has to be one, so that a slip in it does not
// become part of a reason, and the ban one for good.
func duration(rest string, call *Call) (tail, problem string) {
	word, after := cut(rest)
	switch {
	case strings.EqualFold(word, "forever"):
		return after, ""
	case word == "" || word[0] < '0' || word[0] > '9':
		return rest, ""
	}
	d, err := span.Parse(word)
	if err != nil {
		return "", err.Error()
	}
	call.For = d
	return after, ""
}

// reason takes why something is done, which goes into files and on other screens.
func reason(rest string, call *Call) string {
	if len(rest) > maxReason {
		return "the reason is " + strconv.Itoa(len(rest)) + " bytes long, more than " + strconv.Itoa(maxReason)
	}
	call.Why = text.CleanLine(rest)
	return ""
}
