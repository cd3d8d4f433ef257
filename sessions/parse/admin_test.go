package parse_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whoelse/sessions"
	"whoelse/sessions/parse"
)

func TestAdminLines(t *testing.T) {
	for line, want := range map[string]parse.Call{
		"/key": {Name: "key"}, "/keys": {Name: "key"}, "/key add ssh-ed25519 AAAA x": {Name: "key", Verb: "add", Text: "ssh-ed25519 AAAA x"},
		"/key ADD a\nb": {Name: "key", Verb: "add", Text: "a\nb"}, "/key remove SHA256:x": {Name: "key", Verb: "remove", Target: "SHA256:x"},
		"/kick Bob": {Name: "kick", Nick: "bob"}, "/kick ~bob  too loud": {Name: "kick", Nick: "~bob", Why: "too loud"},
		"/kick bob two\nlines": {Name: "kick", Nick: "bob", Why: "two lines"}, "/kick bob -": {Name: "kick", Nick: "bob", Why: "-"},
		"/ban bob": {Name: "ban", Target: "bob"}, "/ban bob 2h": {Name: "ban", Target: "bob", For: 2 * time.Hour},
		"/ban bob 2h spam": {Name: "ban", Target: "bob", For: 2 * time.Hour, Why: "spam"}, "/ban bob spam": {Name: "ban", Target: "bob", Why: "spam"},
		"/ban bob forever 3 strikes": {Name: "ban", Target: "bob", Why: "3 strikes"}, "/ban bob FOREVER": {Name: "ban", Target: "bob"},
		"/ban bob anyway": {Name: "ban", Target: "bob", Anyway: true}, "/ban bob 1d Anyway so there": {Name: "ban", Target: "bob", For: 24 * time.Hour, Anyway: true, Why: "so there"},
		"/ban 2001:db8::/48 1w x": {Name: "ban", Target: "2001:db8::/48", For: 168 * time.Hour, Why: "x"},
		"/unban bob":              {Name: "unban", Target: "bob"}, "/bans": {Name: "bans"},
		"/mute bob": {Name: "mute", Nick: "bob"}, "/mute bob 90m": {Name: "mute", Nick: "bob", For: 90 * time.Minute}, "/unmute bob": {Name: "unmute", Nick: "bob"},
		"/invite carol": {Name: "invite", Nick: "carol"}, "/invite carol 3d": {Name: "invite", Nick: "carol", For: 72 * time.Hour},
		"/announce tea  time": {Name: "announce", Text: "tea  time"}, "/motd": {Name: "motd"},

		// none of them is a bare word
		"kick bob": say("kick bob"), "ban this": say("ban this"), "key": say("key"), "keys are here": say("keys are here"), "motd": say("motd"),
		"invite carol": say("invite carol"), "mute it": say("mute it"), "announce it": say("announce it"), "bans": say("bans"), "unban": say("unban"),
	} {
		got, err := sessions.Grammar.Line(line)
		if err != nil {
			t.Errorf("Line(%q): %v", line, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Line(%q) (-want +got):\n%s", line, diff)
		}
	}
}

func TestAdminLinesRefused(t *testing.T) {
	for line, want := range map[string]string{
		"/key x": "not add, remove or leave", "/key add": "missing key", "/key remove": "missing fingerprint", "/key remove a b": `unexpected argument "b"`,
		"/kick": "missing nick", "/kick b@d": "can't be a nick", "/kick bob " + strings.Repeat("x", 91): "91 bytes long, more than 90",
		"/ban": "missing nick", "/ban bob 90x": "is not a duration", "/ban bob 30 spam": "is not a duration", "/ban bob 0h": "is not a duration",
		"/ban bob 101y": "is not a duration", "/ban bob 1d " + strings.Repeat("x", 91): "more than 90", "/ban " + strings.Repeat("x", 101): "too long",
		"/ban bob 3strikes\x1b[2J\u202e": "is not a duration", "/ban bob 2\u202eh": "is not a duration",
		"/unban": "missing nick", "/unban a b": `unexpected argument "b"`, "/bans x": `unexpected argument "x"`,
		"/mute": "missing nick", "/mute bob soon": "is not a duration", "/mute bob 1h because": "is not a duration", "/unmute": "missing nick",
		"/invite": "missing nick", "/invite root": "can't be a nick", "/announce": "missing text", "/motd x": `unexpected argument "x"`,
	} {
		call, err := sessions.Grammar.Line(line)
		if err == nil {
			t.Errorf("Line(%.40q) is taken", line)
			continue
		}
		checkError(t, line, call, err)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Line(%.40q): %q lacks %q", line, err, want)
		}
	}
}
