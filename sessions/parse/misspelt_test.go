package parse_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"whoelse/sessions"
	"whoelse/sessions/parse"
)

// A slip in a command for one person is noticed, with whom it would have gone to; what
// people say in a sentence is none.
func TestMisspelt(t *testing.T) {
	for line, want := range map[string]string{
		"sned bob hi": "bob", "Snd bob hi": "bob", "sendd ~bob hi": "~bob", "sedn bob,carol hi": "bob carol", "senf Bob, carol hi": "bob carol",
		"inbx bob": "bob", "iNbpx bob": "bob",
	} {
		to, slip := sessions.Grammar.Misspelt(line)
		if slip == nil || strings.Join(to, " ") != want {
			t.Errorf("%q: to %q, %v; want %s", line, to, slip, want)
			continue
		}
		checkError(t, line, parse.Call{}, slip)
		if !strings.Contains(slip.Error(), "did you mean \"") {
			t.Errorf("%q: %s", line, slip)
		}
	}
	for _, line := range []string{
		"", " sned bob hi", "/sned bob hi", "/send bob hi", "/inbox bob", "@send bob hi", "@sned hi", "send bob hi", "say hi bob", "sent bob the file", "sends bob regards", "spend time", "lend bob a hand",
		"end bob", "msg bob hi", "tell bob hi", "block bob", "kick bob", "hi bob", "index bob", "bob: sned", "me too", strings.Repeat("s", 5000) + " bob",
	} {
		if to, slip := sessions.Grammar.Misspelt(line); slip != nil {
			t.Errorf("%.40q: to %q, %v", line, to, slip)
		}
	}
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
