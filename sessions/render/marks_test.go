package render_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"whoelse/room"
	"whoelse/sessions/render"
)

// What is for oneself looks different: bold, and a sign in the margin without colours.
func TestMarks(t *testing.T) {
	for name, tt := range map[string]struct {
		message *room.Message
		marked  bool
	}{
		"direct":           {message(room.KindDirect, "bob", "hi", "me"), true},
		"group":            {message(room.KindGroup, "bob", "hi", "carol", "me"), true},
		"mention":          {message(room.KindSay, "bob", "Me: hi"), true},
		"mention in /me":   {message(room.KindMe, "bob", "greets me"), true},
		"no mention":       {message(room.KindSay, "bob", "hi"), false},
		"one's own direct": {message(room.KindDirect, "me", "hi", "bob"), false},
		"one's own":        {message(room.KindSay, "me", "me: hi"), false},
	} {
		e := &room.Update{Message: tt.message}
		render.Event(nil, e, "carol", loud) // who may have been the first to render it
		render.Event(nil, e, "carol", plain)
		for _, got := range []string{string(render.Event(nil, e, "me", loud)), string(render.Message(nil, tt.message, "me", loud, noon))} {
			if bold := strings.Contains(got, "\x1b[1m"); bold != tt.marked {
				t.Errorf("%s: %q", name, got)
			}
		}
		for _, got := range []string{string(render.Event(nil, e, "me", plain)), string(render.Message(nil, tt.message, "me", plain, noon))} {
			if signed := strings.HasPrefix(got, "! 12:05 "); signed != tt.marked {
				t.Errorf("%s without colours: %q", name, got)
			}
		}
		if got := string(render.Event(nil, e, "me", render.Style{})); !strings.HasPrefix(got, "12:05 ") {
			t.Errorf("%s for a program: %q", name, got)
		}
	}
	got := string(render.Message(nil, message(room.KindSay, "bob", "me:\nlines"), "me", plain, noon))
	if want := "! 12:05 bob: me:\n             lines\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

var colour = regexp.MustCompile(`\x1b\[38;5;\d+m`)

// Those who are present have different colours while there are enough, and each the
// same from the first session to the last.
func TestColorsOfThosePresent(t *testing.T) {
	var colors render.Colors
	st := loud
	st.Colors = &colors
	of := func(nick string) string { return colour.FindString(string(render.Nick(nil, nick, st))) }
	seen := map[string]string{}
	for i := range 12 {
		nick := fmt.Sprint("nick", i)
		colors.Enter(nick)
		if other, taken := seen[of(nick)]; taken {
			t.Errorf("%s and %s have one colour", nick, other)
		}
		seen[of(nick)] = nick
	}
	before := of("nick3")
	colors.Enter("nick3")
	colors.Leave("nick3")
	colors.Enter("a 13th")
	if of("nick3") != before {
		t.Error("the colour of somebody present changes")
	}
	free := of("nick5")
	colors.Leave("nick5")
	colors.Enter("another")
	if of("another") != free {
		t.Error("a colour that is free is not given")
	}
	colors.Leave("who was never here")
}
