package parse

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

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
	ShowArgs        = args(need("missing ID; the last line of a message that was cut shows its ID", messageID))
	FetchArgs       = args(need("missing ID; it is in the line that announced the file", messageID))
	OptionalNick    = args(optional(oneNick))
	NeedNick        = args(oneNick)
	NeedTarget      = args(target)
	KickArgs        = args(oneNick, reason)
	NickAndDuration = args(oneNick, optional(forDuration))
	BanArgs         = args(target, optional(durationOrReason), optional(anyway), reason)
	SendArgs        = args(nicks(cutNicks), anyText)
	atArgs          = args(nicks(cutAddress), anyText)
	NeedRoom        = args(oneRoom)
	OptionalRoom    = args(roomIfAny)
	InArgs          = args(oneRoom, anyText)
	WholastArgs     = args(roomIfAny, optional(number(1, maxMinutes)))
	HistoryArgs     = args(roomIfAny, optional(lines))
	SearchArgs      = args(roomIfAny, need("missing words to look for", anyText))
	TopicArgs       = args(roomIfAny, optional(anyText))
	MuteArgs        = args(need(missingTarget, roomOr(oneNick, optional(forDuration))))
	UnmuteArgs      = args(need(missingTarget, roomOr(oneNick)))
	InboxArgs       = args(verb(verbs{"all": optional(lines)}, inOrder(optional(oneNick), optional(lines))))
	BroadcastArgs   = args(verb(verbs{"user": inOrder(nicks(cutNicks), anyText)}, anyText))
	KeyArgs         = args(verb(verbs{
		"":       inOrder(),
		"add":    need("missing key; paste the contents of your .pub file", anyText),
		"remove": need("missing fingerprint; /key shows yours", target),
		"leave":  need("to give your nick up, type it once more: /key leave NICK", oneNick),
	}, noneOf("add, remove or leave")))
	SettingsArgs = args(verb(verbs{
		"":      inOrder(),
		"bell":  setTo(Mentions, All, Off),
		"joins": setTo(On, Off),
		"zone":  need(missingZone, anyText),
	}, noneOf("bell, joins or zone")))
	RoomArgs = args(roomIfAny, verb(verbs{
		"": inOrder(), "private": inOrder(), "public": inOrder(), "close": inOrder(),
		"invite": oneNick, "remove": oneNick, "owner": oneNick, "mute": oneNick, "unmute": oneNick,
		"guests": setTo(On, Off),
	}, noneOf("private, public, invite, remove, owner, mute, unmute, guests or close")))
)

// missingZone is the problem of a time zone that is none.
const missingZone = "missing time zone, such as Europe/Berlin, America/New_York or UTC"

// missingTarget is the problem of a command that takes a nick or a room.
const missingTarget = "missing nick or #ROOM"

func args(list ...arg) func(string, *Call) string {
	return func(rest string, call *Call) string {
		rest, problem := inOrder(list...)(rest, call)
		if problem == "" && rest != "" {
			problem = "unexpected argument " + text.Quote(rest, 24)
		}
		return problem
	}
}

// inOrder takes one argument after the other.
func inOrder(list ...arg) arg {
	return func(rest string, call *Call) (_, problem string) {
		for _, take := range list {
			if rest, problem = take(rest, call); problem != "" {
				break
			}
		}
		return rest, problem
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

// need is take with words of its own for nothing.
func need(missing string, take arg) arg {
	return func(rest string, call *Call) (string, string) {
		if rest == "" {
			return "", missing
		}
		return take(rest, call)
	}
}

// verbs is what follows each of some words.
type verbs map[string]arg

// verb takes one of these words, and what follows it, or else all of rest.
func verb(of verbs, otherwise arg) arg {
	return func(rest string, call *Call) (tail, problem string) {
		word, tail := cut(rest)
		word = strings.ToLower(word)
		take, known := of[word]
		if !known {
			return otherwise(rest, call)
		}
		call.Verb = word
		return take(tail, call)
	}
}

// noneOf takes nothing: the words that would be right are listed.
func noneOf(list string) arg {
	return func(rest string, _ *Call) (string, string) {
		word, _ := cut(rest)
		return "", text.Quote(word, 24) + " is not " + list
	}
}

// roomOr is oneRoom if a room is what comes next, else the others.
func roomOr(others ...arg) arg {
	return func(rest string, call *Call) (string, string) {
		if strings.HasPrefix(rest, nick.RoomMark) {
			return oneRoom(rest, call)
		}
		return inOrder(others...)(rest, call)
	}
}

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

var (
	roomIfAny = roomOr()
	lines     = number(1, maxLines)
)

// What a verb can be set to.
const (
	On       = "on"
	Off      = "off"
	All      = "all"
	Mentions = "mentions"
)

// setTo takes what the verb can be set to.
func setTo(values ...string) arg {
	return func(rest string, call *Call) (tail, problem string) {
		if call.Text = strings.ToLower(rest); !slices.Contains(values, call.Text) {
			last := len(values) - 1
			return "", call.Verb + " takes " + strings.Join(values[:last], ", ") + " or " + values[last]
		}
		return "", ""
	}
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
	return anyText(strings.ToLower(rest), call)
}

func number(from, limit int) arg {
	return func(rest string, call *Call) (tail, problem string) {
		n, err := strconv.Atoi(rest)
		if err != nil || n < from || n > limit {
			return "", text.Quote(rest, 24) + " is not a number from " + strconv.Itoa(from) + " to " + strconv.Itoa(limit)
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

// nicks takes the nicks that cut cuts off.
func nicks(cut func(string) (list []string, rest string)) arg {
	return func(rest string, call *Call) (tail, problem string) {
		list, tail := cut(rest)
		if len(list) > maxRecipients {
			return "", "at most " + strconv.Itoa(maxRecipients) + " people at once"
		}
		for _, item := range list {
			n, problem := parseNick(item)
			if item == "" && len(list) > 1 {
				problem = "missing nick beside a comma"
			}
			if problem != "" {
				return "", problem
			}
			if !slices.Contains(call.To, n) {
				call.To = append(call.To, n)
			}
		}
		return tail, ""
	}
}

// Nicks reads a list of nicks with commas between them, as in commands. The problem is in words.
func Nicks(list string) (to []string, problem string) {
	var call Call
	rest, problem := nicks(cutNicks)(list, &call)
	if problem == "" && rest != "" {
		problem = text.Quote(list, 34) + " can't be a nick"
	}
	return call.To, problem
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

// cutAddress cuts off the nicks behind an '@'. White space ends them, since "@bob, alice is wrong" is for bob alone, and
// so does a colon.
func cutAddress(s string) (list []string, rest string) {
	if i := strings.IndexFunc(s, func(r rune) bool { return r == ':' || unicode.IsSpace(r) }); i >= 0 {
		s, rest = s[:i], strings.TrimSpace(strings.TrimPrefix(s[i:], ":"))
	}
	list = strings.Split(strings.TrimSuffix(s, ","), ",")
	if strings.HasPrefix(rest, ",") { // "@bob , carol hi" may be for both
		list = append(list, "")
	}
	return list, rest
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
