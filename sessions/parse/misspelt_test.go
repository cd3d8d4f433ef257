package parse_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"whoelse/sessions"
	"whoelse/sessions/parse"
)

// What is very likely a command is noticed.
func TestMisspelt(t *testing.T) {
	for line, want := range map[string]string{
		"sned bob hi": "send bob hi", "Snd bob hi": "send bob hi", "sendd ~bob hi": "send ~bob hi", "sedn eve,bob hi": "send eve,bob hi", "senf Bob, eve hi": "send Bob, eve hi",
		"inbx bob": "inbox bob", "iNbpx bob": "inbox bob",
		"block bob": "/block bob", "Unblock bob": "/unblock bob", "ignore bob": "/ignore bob", "unignore bob": "/unignore bob", "kick bob": "/kick bob", "mute ~bob": "/mute ~bob", "unmute Bob": "/unmute Bob",
		"join #sec": "/join #sec", "leave #sec": "/leave #sec", "topic #sec": "/topic #sec", "topic #sec new keys": "/topic #sec new keys", "mute #sec": "/mute #sec", "in #sec hi": "/in #sec hi",
		"history #sec 5": "/history #sec 5", "room #sec private": "/room #sec private", "search #sec key": "/search #sec key", "who #sec": "/who #sec", "join #2fast": "/join #2fast",
		"reply yes to you only": "/reply yes to you only",
		"quti":                  "quit", "exti": "exit", "hlep": "help", "inbxo": "inbox", "inbx": "inbox", "whoesle": "whoelse", "whoelsr": "whoelse", "wholsat": "wholast", "sned": "send", "brodcast": "broadcast", "Hlep": "help",
		"history": "/history", "rooms": "/rooms", "settings": "/settings", "motd": "/motd", "whoami": "/whoami",
	} {
		slip := misspelt(line, true)
		if slip == nil {
			t.Errorf("%q is said", line)
			continue
		}
		checkError(t, line, parse.Call{}, slip)
		if !strings.Contains(slip.Error(), "did you mean \""+want+"\"?") {
			t.Errorf("%q: %s", line, slip)
		}
	}
}

// What people say is not.
func TestNotMisspelt(t *testing.T) {
	for _, line := range []string{
		"", " sned bob hi", "/sned bob hi", "/send bob hi", "/inbox bob", "@send bob hi", "@sned hi", "send bob hi", "sned eve hi", "say hi bob", "sent bob the file", "sends bob regards", "spend time", "lend bob a hand",
		"end bob", "msg bob hi", "tell bob hi", "hi bob", "index bob", "bob: sned", "me too", strings.Repeat("s", 5000) + " bob", " hlep", " join #sec",
		"block eve", "block party", "block bob and eve", "ignore bob, he is joking", "ignore bob please", "ignore that", "kick bob out", "kick off is at 8", "mute yourself, bob", "invite bob", "watch bob", "ban bob",
		"join us", "join #sec please", "join us in #sec", "please join #sec", "leave #sec alone", "leave it", "leave", "topic of the day", "in #12 we changed that", "in a minute", "in", "room 5 is free", "topic 3",
		"topic #3 is next", "search me", "find bob", "who knows #sec?", "list them", "names?", "back in five", "back", "away", "away for lunch", "away lunch", "clear", "clear as mud", "search", "reply", "key", "keys", "nick", "r u there?",
		"r", "version", "bots", "blocked", "mute", "block", "join", "topic", "rooms are full", "history repeats itself", "settings are wrong",
		"help!", "help?", "help me", "quit smoking", "quiet", "quite", "quits", "quid", "quiz", "suit", "edit", "exist", "exits", "emit", "held", "hell", "hello", "helo", "heap", "helm", "helps", "halp", "yelp", "huit", "nuit",
		"sent", "send", "sed", "seen", "sand", "seed", "end", "inboxes", "index", "unbox", "xbox", "broadcasts", "no", "ok", "yes", "done", "whole", "else", "who else", "lists", "exec", "unit", "text", "next", "?", "??", "q", ":)", ":q?",
	} {
		if slip := misspelt(line, true); slip != nil {
			t.Errorf("%.40q: %v", line, slip)
		}
	}
	for _, line := range []string{"reply soon", "reply to that mail, please"} {
		if slip := misspelt(line, false); slip != nil {
			t.Errorf("before anybody wrote, %q: %v", line, slip)
		}
	}
}

// misspelt is Misspelt where somebody is called bob.
func misspelt(line string, written bool) *parse.Error {
	return sessions.Grammar.Misspelt(line,
		func(n string) bool { return n == "bob" || n == "~bob" }, func() bool { return written })
}

// From a shell an unknown word is named, and so are both ways out.
func TestUnknownCommandFromAShell(t *testing.T) {
	for line, want := range map[string]string{
		"hello room":              `no command "hello"; did you mean help? (to say it to everyone: ssh HOST say TEXT; for the list of commands: ssh HOST help)`,
		"it's $HOME":              `no command "it's" (to say it to everyone: ssh HOST say TEXT; for the list of commands: ssh HOST help)`,
		strings.Repeat("la ", 99): `no command "la" (to say it to everyone: ssh HOST say TEXT; for the list of commands: ssh HOST help)`,
		"sned bob hi":             `no command "sned"; did you mean send? (to say it to everyone: ssh HOST say TEXT; for the list of commands: ssh HOST help)`,
		"send":                    "send: missing nick; usage: send NICK[,NICK...] TEXT, for example: send bob see you at 8 (ssh HOST help lists the commands)",
	} {
		if _, err := sessions.Grammar.Command(line); err == nil || err.Error() != want {
			t.Errorf("%.40q: %v\nwant %s", line, err, want)
		}
	}
}

// All that is said about a wrong line of a known command ends in one form.
func TestUsageHasOneForm(t *testing.T) {
	for _, c := range sessions.Grammar {
		_, err := sessions.Grammar.Line("/" + c.Name + " b@d b@d b@d")
		e, ok := errors.AsType[*parse.Error](err)
		if !ok {
			continue // it takes any text
		}
		want := "; usage: " + c.Usage
		if c.Example != "" {
			want += ", for example: " + c.Example
		}
		if !strings.HasPrefix(e.Error(), c.Name+": ") || !strings.HasSuffix(e.Error(), want) {
			t.Errorf("%s: %s", c.Name, e)
		}
		if _, err := sessions.Grammar.Line(c.Example); c.Example != "" && err != nil {
			t.Errorf("the example %q: %v", c.Example, err)
		}
	}
	if slices.ContainsFunc(sessions.Grammar, func(c *parse.Syntax) bool { return strings.Contains(c.Example, "NICK") }) {
		t.Error("an example is another form")
	}
}
