package parse_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whoelse/sessions"
	"whoelse/sessions/parse"
	"whoelse/sessions/text"
)

func say(s string) parse.Call { return parse.Call{Name: "say", Text: s} }

func send(s string, to ...string) parse.Call { return parse.Call{Name: "send", To: to, Text: s} }

func TestLine(t *testing.T) {
	broadcast := func(s string, to ...string) parse.Call {
		call := parse.Call{Name: "broadcast", To: to, Text: s}
		if len(to) > 0 {
			call.Verb = "user"
		}
		return call
	}
	call := func(name string) parse.Call { return parse.Call{Name: name} }
	for line, want := range map[string]parse.Call{
		"": call(""), "   ": call(""), "\n": call(""),
		"hello everyone": say("hello everyone"), "  hello": say(" hello"), "hello ": say("hello"),
		"a\nb": say("a\nb"), "\nb": say("b"), "it's": say("it's"),

		// what people say
		"me too": say("me too"), "back in five": say("back in five"), "who is coming?": say("who is coming?"),
		"list them": say("list them"), "names?": say("names?"), "away from here": say("away from here"),
		"exit through the gift shop": say("exit through the gift shop"),
		"quit smoking":               say("quit smoking"), "say something": say("say something"), "reply soon": say("reply soon"),
		"block party": say("block party"), "history repeats": say("history repeats"), "q": say("q"), "? what": say("? what"), "h": say("h"),
		"sender unknown": say("sender unknown"), "inboxes": say("inboxes"), "broadcasting live": say("broadcasting live"),
		"msg bob hi": say("msg bob hi"), "r hi": say("r hi"), "clear as mud": say("clear as mud"), `\q quits`: say(`\q quits`),
		"whoelse? bob": say("whoelse? bob"), "https://example.org/x": say("https://example.org/x"), "~": say("~"),

		// literally
		" /literal": say("/literal"), " send bob hi": say("send bob hi"), " @bob": say("@bob"), " quit": say("quit"),
		"/say whoelse": say("whoelse"), "/say /x": say("/x"), "/SAY x": say("x"),

		"whoelse": call("whoelse"), "Whoelse": call("whoelse"), "/whoelse": call("whoelse"), "whoelse ": call("whoelse"),
		"/who": call("whoelse"), "/names": call("whoelse"), "/list": call("whoelse"),
		"wholast": call("wholast"), "wholast 1": {Name: "wholast", N: 1}, "/wholast 10080": {Name: "wholast", N: 10080},
		"send bob hi": send("hi", "bob"), "/send bob hi": send("hi", "bob"), "/msg bob hi": send("hi", "bob"),
		"SEND Bob Hi": send("Hi", "bob"), "send bob,carol hi": send("hi", "bob", "carol"), "send ~bob hi": send("hi", "~bob"),
		"send bob,bob hi": send("hi", "bob"), "send bob two\nlines": send("two\nlines", "bob"), "send  bob   hi": send("hi", "bob"),
		"@bob hi": send("hi", "bob"), "@Bob,carol hi": send("hi", "bob", "carol"), "@~bob hi": send("hi", "~bob"), "@bob\nhi": send("hi", "bob"),
		"@bob, alice is wrong": send("alice is wrong", "bob"), "@bob: hi": send("hi", "bob"), "@bob:hi": send("hi", "bob"), "@bob,carol, hi": send("hi", "bob", "carol"),
		"@bob,carol: hi": send("hi", "bob", "carol"), "@bob,\u3000hi": send("hi", "bob"), "@bob,\ncarol hi": send("carol hi", "bob"), "@bob :)": send(":)", "bob"),
		"send bob, carol hi": send("hi", "bob", "carol"),
		"/reply hi":          {Name: "reply", Text: "hi"}, "/r hi": {Name: "reply", Text: "hi"},
		"broadcast hi all": broadcast("hi all"), "/broadcast hi": broadcast("hi"), "broadcast users are here": broadcast("users are here"),
		"broadcast user bob,carol hi": broadcast("hi", "bob", "carol"), "broadcast user bob, carol hi": broadcast("hi", "bob", "carol"),
		"broadcast user bob , carol hi": broadcast("hi", "bob", "carol"), "broadcast user bob hi, carol": broadcast("hi, carol", "bob"),
		"broadcast USER Bob hi": broadcast("hi", "bob"),
		"inbox":                 call("inbox"), "/inbox": call("inbox"), "inbox all": {Name: "inbox", Verb: "all"}, "inbox ALL 5": {Name: "inbox", Verb: "all", N: 5},
		"inbox bob": {Name: "inbox", Nick: "bob"}, "inbox bob 7": {Name: "inbox", Nick: "bob", N: 7},
		"/history": call("history"), "/history 3": {Name: "history", N: 3},
		"/away": call("away"), "/away out for lunch": {Name: "away", Text: "out for lunch"}, "/back": call("back"),
		"/block bob": {Name: "block", Nick: "bob"}, "/unblock Bob": {Name: "unblock", Nick: "bob"}, "/block ~bob": {Name: "block", Nick: "~bob"}, "/blocked": call("blocked"),
		"/me waves": {Name: "me", Text: "waves"}, "/nick": call("nick"), "/clear": call("clear"),
		"help send": {Name: "help", Text: "send"}, "help /block": {Name: "help", Text: "/block"}, "help History": {Name: "help", Text: "History"},
		"help me": say("help me"), "help me send": say("help me send"), "help us": say("help us"), "help names": say("help names"),
		"/nick Bob": {Name: "nick", Nick: "bob"}, "/show X": {Name: "show", Text: "x"},
		"help": call("help"), "Help": call("help"), "/help": call("help"), "/help send": {Name: "help", Text: "send"}, "/?": call("help"),
		"quit": call("quit"), "exit": call("quit"), "EXIT": call("quit"), `\q`: call("quit"), ":q": call("quit"), ":q!": call("quit"), "?": call("help"), "/quit": call("quit"), "/exit": call("quit"), "/q": call("quit"),
	} {
		got, err := sessions.Grammar.Line(line)
		if err != nil {
			t.Errorf("Line(%q): %v", line, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Line(%q) (-want +got):\n%s", line, diff)
		}
	}
}

// What begins like a command and is none is an error with its usage, the way to
// say it literally and, of an unknown word, what may have been meant.
func TestLineRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"whoelse is coming?": "usage: whoelse", "wholast x": "1 to 10080", "wholast 0": "1 to 10080", "wholast -5": "1 to 10080",
		"wholast 10081": "1 to 10080", "wholast 5 6": "usage: wholast", "wholast 99999999999999999999": "1 to 10080",
		"send": "usage: send NICK", "send bob": "missing text", "send bob, hi": "missing text", "send ,bob hi": "missing nick",
		"send b@d hi": "can't be a nick", "send root hi": "can't be a nick", "send \nbob": "missing text",
		"@": "usage: send NICK", "@bob": "missing text", "@ bob hi": "missing nick", "@@bob hi": "can't be a nick",
		"@bob,": "missing text", "@bob:": "missing text", "@: hi": "missing nick", "@, hi": "missing nick", "@bob,,carol hi": "missing nick", "@bob , carol hi": "missing nick", "send bob: hi": "can't be a nick",
		"broadcast": "missing text", "broadcast user": "usage: broadcast", "broadcast user bob": "missing text",
		"broadcast user bob,, carol hi": "missing nick", "broadcast user bob,": "missing nick",
		"inbox zero please": "usage: inbox", "inbox all x": "1 to 10000", "inbox bob 0": "1 to 10000", "inbox b@d": "can't be a nick",
		"/history x": "1 to 10000", "/reply": "missing text", "/me": "missing text", "/say": "missing text",
		"/block": "missing nick", "/block b@d": "can't be a nick", "/back now": `unexpected argument "now"`, "/clear all": `unexpected argument "all"`, "/nick b@d": "can't be a nick",
		"/show": "missing ID",
		"/":     `no command "/"`, "//": "no command", "/ send": "no command", "/sned bob hi": "did you mean /send?", "/whoesle": "did you mean /whoelse?",
		"/literal": "no command", "/etc/passwd": "no command", "/inbx": "did you mean /inbox?",
		"/\x1b[2J\u202e": "no command", "/" + strings.Repeat("x", 5000): "no command",
		"send " + strings.Repeat("a,", 101) + "b hi": "at most 100",
	} {
		call, err := sessions.Grammar.Line(line)
		if err == nil {
			t.Errorf("Line(%.40q) = %+v", line, call)
			continue
		}
		checkError(t, line, call, err)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Line(%.40q): %q lacks %q", line, err, want)
		}
	}
}

func checkError(t *testing.T, line string, call parse.Call, err error) {
	t.Helper()
	e, ok := errors.AsType[*parse.Error](err)
	if !ok {
		t.Fatalf("Line(%.40q): a %T", line, err)
	}
	// Who types / and a command's name, or nothing to be said, means the command.
	meant := line[0] == '/' && call.Name != "" || strings.Contains(e.Problem, ": missing text;")
	switch s := err.Error(); {
	case strings.Contains(e.Hint, "put a space in front") == meant:
		t.Errorf("Line(%.40q): the way out does not fit: %q", line, s)
	case s != text.CleanLine(s) || len(s) > 500:
		t.Errorf("Line(%.40q): not fit to show: %q", line, s)
	}
}

// Command takes every word as a command, and nothing as text.
func TestCommand(t *testing.T) {
	for line, want := range map[string]parse.Call{
		"send bob it's": send("it's", "bob"), "@bob hi": send("hi", "bob"), " @bob hi": send("hi", "bob"), "msg bob hi": send("hi", "bob"),
		"/say hi": say("hi"), "say hi": say("hi"), "me waves": {Name: "me", Text: "waves"}, "who": {Name: "whoelse"},
		"history 3": {Name: "history", N: 3}, "help send": {Name: "help", Text: "send"},
	} {
		got, err := sessions.Grammar.Command(line)
		if err != nil {
			t.Errorf("Command(%q): %v", line, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Command(%q) (-want +got):\n%s", line, diff)
		}
	}
	for _, line := range []string{"", " ", "hello everyone", "send bob", "@", "/", "it's"} {
		if call, err := sessions.Grammar.Command(line); err == nil {
			t.Errorf("Command(%q) = %+v", line, call)
		}
	}
}

func TestTail(t *testing.T) {
	const id = "1hm8p2kq4t0"
	for line, want := range map[string]parse.Call{
		"tail": {N: 10}, "tail -n 3": {N: 3}, "tail -n=3": {N: 3}, "tail -n 0": {}, "tail --since " + id: {Since: id}, "tail --since=" + strings.ToUpper(id): {Since: id},
		"tail --since 10m": {For: 10 * time.Minute}, "tail --since 1h30m --direct": {For: 90 * time.Minute, Direct: true},
		"tail --mentions -n 7": {N: 7, Mentions: true}, "tail  --direct  --since " + id: {Since: id, Direct: true}, "/tail --direct": {N: 10, Direct: true},
	} {
		want.Name = "tail"
		if got, err := sessions.Grammar.Command(line); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
	for line, want := range map[string]string{
		"tail -n": "0 to 10000", "tail -n -1": "0 to 10000", "tail -n 10001": "0 to 10000", "tail -n=": "0 to 10000", "tail -f": `unexpected argument "-f"`, "tail bob": `unexpected argument "bob"`,
		"tail --direct=yes": "unexpected argument", "tail --since": "neither the ID", "tail --since now": "neither the ID", "tail --since " + id + "0": "neither the ID",
		"tail --since 1hm8p2kq4tu": "neither the ID", "tail --since 10m -n 3": "give -n or --since", "tail -n 0 --since 10m": "-n or --since, not both",
		"tail --direct --mentions": "leave out --direct", "tail --since " + strings.Repeat("x", 5000): "neither the ID",
	} {
		if call, err := sessions.Grammar.Command(line); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 {
			t.Errorf("%s: %+v, %v", line, call, err)
		}
	}
}

// Names are unique, and everything that help shows can be typed.
func TestCommands(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range sessions.Grammar {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			if seen[name] || name != strings.ToLower(name) || strings.ContainsAny(name, " /@") {
				t.Errorf("the name %q", name)
			}
			seen[name] = true
			if sessions.Grammar.Find(name) != c || sessions.Grammar.Find("/"+name) != c {
				t.Errorf("%q is not found", name)
			}
		}
		if c.Usage == "" || c.Help == "" {
			t.Errorf("%s has no help", c.Name)
		}
	}
}
