package parse

import (
	"slices"
	"strconv"
	"strings"

	"whoelse/keys/duration"
	"whoelse/keys/nick"
	"whoelse/sessions/text"
)

// Limits of what one can ask for at once.
const (
	maxMinutes    = 7 * 24 * 60
	maxLines      = 10_000
	maxRecipients = 100

	maxReason = 90  // bytes
	maxTarget = 100 // bytes; a fingerprint has 50
)

// The functions below are for [Syntax.Args]: they parse what follows a command into
// call. They return what is wrong, in words, or "".

// NoArgs takes nothing.
func NoArgs(rest string, _ *Call) string {
	if rest != "" {
		return unexpected(rest)
	}
	return ""
}

func unexpected(s string) string { return "unexpected argument " + text.Quote(s, 24) }

// OptionalText takes any text, or none.
func OptionalText(rest string, call *Call) string {
	call.Text = rest
	return ""
}

// NeedText takes a text.
func NeedText(rest string, call *Call) string {
	if rest == "" {
		return noText
	}
	return OptionalText(rest, call)
}

// ShowArgs takes the end of a message's id.
func ShowArgs(rest string, call *Call) string {
	if rest == "" {
		return "missing ID; a message that was cut has its ID in its last line"
	}
	return OptionalText(strings.ToLower(rest), call)
}

// OptionalNick takes nothing, or a nick.
func OptionalNick(rest string, call *Call) string {
	if rest == "" {
		return ""
	}
	return NeedNick(rest, call)
}

// Minutes takes nothing, or how far back to look; Lines, how many lines to show.
func Minutes(rest string, call *Call) string { return number(maxMinutes, rest, call) }

// Lines is like Minutes.
func Lines(rest string, call *Call) string { return number(maxLines, rest, call) }

func number(limit int, rest string, call *Call) string {
	if rest == "" {
		return ""
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n < 1 || n > limit {
		return text.Quote(rest, 24) + " is not a number from 1 to " + strconv.Itoa(limit)
	}
	call.N = n
	return ""
}

// NeedNick takes a nick.
func NeedNick(rest string, call *Call) string {
	if rest == "" {
		return "missing nick"
	}
	n, err := nick.ParseAny(rest)
	if err != nil {
		return text.Quote(rest, 34) + " can't be a nick"
	}
	call.Nick = n
	return ""
}

// InboxArgs takes nothing, all [N], or NICK [N].
func InboxArgs(rest string, call *Call) string {
	word, tail := cut(rest)
	if word == "" {
		return ""
	}
	if problem := Lines(tail, call); problem != "" {
		return problem
	}
	if strings.EqualFold(word, "all") {
		call.All = true
		return ""
	}
	return NeedNick(word, call)
}

// SendArgs takes NICK[,NICK...] TEXT.
func SendArgs(rest string, call *Call) string {
	list, body := nickList(rest)
	if len(list) > maxRecipients {
		return "at most " + strconv.Itoa(maxRecipients) + " people at once"
	}
	for _, item := range list {
		if item == "" {
			return "missing nick"
		}
		n, err := nick.ParseAny(item)
		if err != nil {
			return text.Quote(item, 34) + " can't be a nick"
		}
		if !slices.Contains(call.To, n) {
			call.To = append(call.To, n)
		}
	}
	return NeedText(body, call)
}

// BroadcastArgs takes TEXT, or user NICK[,NICK...] TEXT.
func BroadcastArgs(rest string, call *Call) string {
	word, tail := cut(rest)
	if !strings.EqualFold(word, "user") {
		return NeedText(rest, call)
	}
	return SendArgs(tail, call)
}

// nickList cuts a list of nicks off s. White space around its commas does not count,
// so that body never begins with a comma: that would be text for the wrong people.
func nickList(s string) (list []string, body string) {
	item, body := listItem(s)
	list = append(list, item)
	for strings.HasPrefix(body, ",") {
		item, body = listItem(strings.TrimSpace(body[1:]))
		list = append(list, item)
	}
	return list, body
}

// listItem cuts one item off a list whose commas may have spaces around them.
func listItem(s string) (item, rest string) {
	i := strings.IndexAny(s, " \n\t,")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimSpace(s[i:])
}

// KeyArgs takes nothing, add KEY or remove FINGERPRINT.
func KeyArgs(rest string, call *Call) string {
	word, tail := cut(rest)
	call.Verb = strings.ToLower(word)
	switch call.Verb {
	case "":
		return ""
	case "add":
		if tail == "" {
			return "missing key; paste the contents of your .pub file"
		}
		return OptionalText(tail, call)
	case "remove":
		if tail == "" {
			return "missing fingerprint; /key shows yours"
		}
		return NeedTarget(tail, call)
	case "leave":
		if tail == "" {
			return "to give your nick up, type it once more: /key leave NICK"
		}
		return NeedNick(tail, call)
	}
	return text.Quote(word, 24) + " is not add, remove or leave"
}

// NeedTarget takes one word that names a ban or a key.
func NeedTarget(rest string, call *Call) string {
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

// BanArgs takes TARGET [DURATION] [anyway] [REASON].
func BanArgs(rest string, call *Call) string {
	word, tail := cut(rest)
	if problem := NeedTarget(word, call); problem != "" {
		return problem
	}
	tail, problem := parseDuration(tail, call)
	if problem != "" {
		return problem
	}
	if word, after := cut(tail); strings.EqualFold(word, "anyway") {
		call.Anyway, tail = true, after
	}
	return reason(tail, call)
}

// KickArgs takes NICK [REASON].
func KickArgs(rest string, call *Call) string {
	word, tail := cut(rest)
	if problem := NeedNick(word, call); problem != "" {
		return problem
	}
	return reason(tail, call)
}

// NickAndDuration takes NICK [DURATION].
func NickAndDuration(rest string, call *Call) string {
	word, tail := cut(rest)
	if problem := NeedNick(word, call); problem != "" {
		return problem
	}
	after, problem := parseDuration(tail, call)
	if problem == "" && after != "" {
		return text.Quote(after, 24) + " is not a duration; write 30m, 24h or 90d, or nothing"
	}
	return problem
}

// parseDuration takes how long something is to last off the front of rest, if that is
// there. What begins like a number has to be one, so that a slip in it does not
// become part of a reason, and the ban one for good.
func parseDuration(rest string, call *Call) (tail, problem string) {
	word, after := cut(rest)
	switch {
	case strings.EqualFold(word, "forever"):
		return after, ""
	case word == "" || word[0] < '0' || word[0] > '9':
		return rest, ""
	}
	d, err := duration.Parse(word)
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
