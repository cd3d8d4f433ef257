package parse

import (
	"regexp"
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

// arg takes an argument off the front of rest and into call. It returns what is left, and
// what is wrong, in words, or "".
type arg func(rest string, call *Call) (tail, problem string)

// These are for [Syntax.Args]. More than their names say is unexpected.
var (
	NoArgs          = args()
	OptionalText    = args(optional(anyText))
	NeedText        = args(anyText)
	ShowArgs        = args(messageID)
	OptionalNick    = args(optional(oneNick))
	NeedNick        = args(oneNick)
	Lines           = args(optional(number(maxLines)))
	NeedTarget      = args(target)
	KickArgs        = args(oneNick, reason)
	NickAndDuration = args(oneNick, optional(forDuration))
	BanArgs         = args(target, optional(durationOrReason), optional(anyway), reason)
	SendArgs        = args(nicks, anyText)
)

func args(list ...arg) func(string, *Call) string {
	return func(rest string, call *Call) (problem string) {
		for _, take := range list {
			if rest, problem = take(rest, call); problem != "" {
				return problem
			}
		}
		if rest != "" {
			return "unexpected argument " + text.Quote(rest, 24)
		}
		return ""
	}
}

func optional(take arg) arg {
	return func(rest string, call *Call) (string, string) {
		if rest == "" {
			return "", ""
		}
		return take(rest, call)
	}
}

// InboxArgs takes nothing, all [N], or NICK [N].
func InboxArgs(rest string, call *Call) string {
	if word, tail := cut(rest); strings.EqualFold(word, "all") {
		call.All = true
		return Lines(tail, call)
	}
	return args(optional(oneNick), optional(number(maxLines)))(rest, call)
}

// BroadcastArgs takes TEXT, or user NICK[,NICK...] TEXT.
func BroadcastArgs(rest string, call *Call) string {
	if word, tail := cut(rest); strings.EqualFold(word, "user") {
		return SendArgs(tail, call)
	}
	return NeedText(rest, call)
}

// KeyArgs takes nothing, add KEY, remove FINGERPRINT or leave NICK.
func KeyArgs(rest string, call *Call) string {
	word, tail := cut(rest)
	call.Verb = strings.ToLower(word)
	verb, known := keyVerbs[call.Verb]
	switch {
	case word == "":
		return ""
	case !known:
		return text.Quote(word, 24) + " is not add, remove or leave"
	case tail == "":
		return verb.missing
	}
	return verb.args(tail, call)
}

var keyVerbs = map[string]struct {
	missing string
	args    func(string, *Call) string
}{
	"add":    {"missing key; paste the contents of your .pub file", NeedText},
	"remove": {"missing fingerprint; /key shows yours", NeedTarget},
	"leave":  {"to give your nick up, type it once more: /key leave NICK", NeedNick},
}

const noText = "missing text"

func anyText(rest string, call *Call) (tail, problem string) {
	if rest == "" {
		return "", noText
	}
	call.Text = rest
	return "", ""
}

// messageID takes the end of a message's id.
func messageID(rest string, call *Call) (tail, problem string) {
	if rest == "" {
		return "", "missing ID; a message that was cut has its ID in its last line"
	}
	return anyText(strings.ToLower(rest), call)
}

func number(limit int) arg {
	return func(rest string, call *Call) (tail, problem string) {
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 || n > limit {
			return "", text.Quote(rest, 24) + " is not a number from 1 to " + strconv.Itoa(limit)
		}
		call.N = n
		return "", ""
	}
}

func oneNick(rest string, call *Call) (tail, problem string) {
	word, tail := cut(rest)
	call.Nick, problem = parseNick(word)
	return tail, problem
}

func parseNick(s string) (n, problem string) {
	if s == "" {
		return "", "missing nick"
	}
	n, err := nick.ParseAny(s)
	if err != nil {
		return "", text.Quote(s, 34) + " can't be a nick"
	}
	return n, ""
}

func nicks(rest string, call *Call) (tail, problem string) {
	list, tail := cutNicks(rest)
	if len(list) > maxRecipients {
		return "", "at most " + strconv.Itoa(maxRecipients) + " people at once"
	}
	for _, item := range list {
		n, problem := parseNick(item)
		if problem != "" {
			return "", problem
		}
		if !slices.Contains(call.To, n) {
			call.To = append(call.To, n)
		}
	}
	return tail, ""
}

// nickList is nicks and commas. White space around the commas does not count, so that what
// follows never begins with a comma: that would be text for the wrong people.
var nickList = regexp.MustCompile(strings.ReplaceAll(`^[^,_]*([_]*,[_]*[^,_]*)*`, "_", `\s\v\x{85}\pZ`))

// cutNicks cuts a list of nicks off s.
func cutNicks(s string) (list []string, rest string) {
	found := nickList.FindString(s)
	for item := range strings.SplitSeq(found, ",") {
		list = append(list, strings.TrimSpace(item))
	}
	return list, strings.TrimSpace(s[len(found):])
}

// target takes one word that names a ban or a key.
func target(rest string, call *Call) (tail, problem string) {
	word, tail := cut(rest)
	switch {
	case word == "":
		return "", "missing nick, fingerprint or address"
	case len(word) > maxTarget:
		return "", text.Quote(word, 24) + " is too long"
	}
	call.Target = word
	return tail, ""
}

func forDuration(rest string, call *Call) (tail, problem string) {
	d, err := duration.Parse(rest)
	if err != nil && !strings.EqualFold(rest, "forever") {
		return "", err.Error()
	}
	call.For = d
	return "", ""
}

// durationOrReason takes how long something is to last, if a reason does not begin there.
// What begins like a number has to be one, so that a slip in it does not become part of
// the reason, and the ban one for good.
func durationOrReason(rest string, call *Call) (tail, problem string) {
	word, tail := cut(rest)
	if (word[0] < '0' || word[0] > '9') && !strings.EqualFold(word, "forever") {
		return rest, ""
	}
	_, problem = forDuration(word, call)
	return tail, problem
}

func anyway(rest string, call *Call) (tail, problem string) {
	word, tail := cut(rest)
	if call.Anyway = strings.EqualFold(word, "anyway"); call.Anyway {
		return tail, ""
	}
	return rest, ""
}

// reason takes why something is done, which goes into files and on other screens.
func reason(rest string, call *Call) (tail, problem string) {
	if len(rest) > maxReason {
		return "", "the reason is " + strconv.Itoa(len(rest)) + " bytes long, more than " + strconv.Itoa(maxReason)
	}
	call.Why = text.CleanLine(rest)
	return "", ""
}
