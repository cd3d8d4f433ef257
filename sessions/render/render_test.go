package render_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"whoelse/room"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

var (
	noon  = time.Date(2026, 3, 14, 12, 5, 0, 0, time.UTC)
	plain = render.Style{Width: 40, Zone: time.UTC}
	loud  = render.Style{Width: 40, Zone: time.UTC, Color: true, Bell: render.ForViewer}
)

func message(kind room.Kind, from, text string, to ...string) *room.Message {
	return &room.Message{ID: "1", Time: noon, Kind: kind, From: from, To: to, Text: text}
}

func TestMessage(t *testing.T) {
	for want, m := range map[string]*room.Message{
		"12:05 bob: hello\n":                            message(room.KindSay, "bob", "hello"),
		"12:05 * bob waves\n":                           message(room.KindMe, "bob", "waves"),
		"! 12:05 [bob -> you] hi\n":                     message(room.KindDirect, "bob", "hi", "me"),
		"12:05 [you -> bob] hi\n":                       message(room.KindDirect, "me", "hi", "bob"),
		"! 12:05 [bob -> you, carol] hi\n":              message(room.KindGroup, "bob", "hi", "carol", "me"),
		"12:05 [you -> bob, carol] hi\n":                message(room.KindGroup, "me", "hi", "bob", "carol"),
		"! 12:05 [a -> 1, 2, 3, 4, 5, 6, 7, 8, ...] \n": message(room.KindGroup, "a", "", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
		"12:05 bob: two\n           lines\n":            message(room.KindSay, "bob", "two\nlines"),
		"12:05 bob: red\n           forged\n":           message(room.KindSay, "bob", "red\x1b[2J\rforged"),
		"12:05 bob: a line that is longer than\n":       message(room.KindSay, "bob", "a line that is longer than the window"),
	} {
		got := string(render.Message(nil, m, "me", plain, noon))
		if !strings.HasPrefix(got, strings.TrimSuffix(want, "\n")) && got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWrapKeepsTheTextColumn(t *testing.T) {
	m := message(room.KindDirect, "me", strings.Repeat("word ", 20), "bob")
	for i, row := range strings.Split(strings.TrimSuffix(string(render.Message(nil, m, "me", plain, noon)), "\n"), "\n") {
		if i > 0 && !strings.HasPrefix(row, strings.Repeat(" ", len("12:05 [you -> bob] "))+"word") || len(row) > 40 {
			t.Errorf("row %d is %q", i, row)
		}
	}
}

func TestReceipt(t *testing.T) {
	m := message(room.KindReceipt, "carol", "", "me")
	m.RefTime = noon.Add(-25 * time.Hour)
	if got := string(render.Message(nil, m, "me", render.Style{}, noon)); got != " * carol has read your message of 13 Mar 11:05\n" {
		t.Errorf("%q", got)
	}
}

// A sender learns whether a message was not stored, or may have been.
func TestClusterFails(t *testing.T) {
	const cant, uncertain = "not sent: the cluster can't store messages right now; try again",
		"not confirmed: the cluster did not answer in time; the message may still arrive"
	for err, want := range map[error]string{room.ErrCluster: cant, room.ErrUncertain: uncertain} {
		got := []string{
			render.Reason(result.Receipt{Receipt: room.Receipt{To: "bob", Outcome: room.Failed, Err: err}, Only: true}, plain, noon),
			render.Reason(result.Failure{Code: result.Storage, Reason: result.Sending, Err: err}, plain, noon),
		}
		if got[0] != want || got[1] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestClock(t *testing.T) {
	zone := time.FixedZone("east", 14*3600)
	for want, at := range map[string]time.Time{
		"12:05": noon, "13 Mar 12:05": noon.AddDate(0, 0, -1), "14 Mar 2025 12:05": noon.AddDate(-1, 0, 0), "00:00": noon.Add(-12*time.Hour - 5*time.Minute),
	} {
		if got := render.Clock(at, noon, plain); got != want {
			t.Errorf("%v is %q, want %q", at, got, want)
		}
	}
	if got := render.Clock(noon, noon, render.Style{Zone: zone}); got != "02:05" {
		t.Errorf("in another zone %q", got)
	}
	if got := render.Clock(noon.Add(-3*time.Hour), noon, render.Style{Zone: zone}); got != "14 Mar 23:05" {
		t.Errorf("in another zone, yesterday %q", got)
	}
}

// A nick has the same colour on every screen, and no colours means no sequences.
func TestColours(t *testing.T) {
	say := &room.Update{Message: message(room.KindSay, "bob", "hello")}
	direct := &room.Update{Message: message(room.KindDirect, "bob", "hello", "me")}
	colour := string(render.Nick(nil, "bob", loud))
	for _, e := range []*room.Update{say, direct} {
		if got := string(render.Event(nil, e, "me", loud)); !strings.Contains(got, colour) {
			t.Errorf("%q lacks %q", got, colour)
		}
		if got := string(render.Event(nil, e, "me", plain)); strings.ContainsAny(got, "\x1b\a") {
			t.Errorf("%q", got)
		}
	}
	if string(render.Nick(nil, "carol", loud)) == strings.Replace(colour, "bob", "carol", 1) {
		t.Error("bob and carol have one colour")
	}
}

func TestBell(t *testing.T) {
	louder := loud
	louder.Bell = render.ForAnybody
	for name, tt := range map[string]struct {
		message    *room.Message
		one, other int // bells for the viewer's lines, and for anybody's
	}{
		"mention":          {message(room.KindSay, "bob", "Me: look"), 1, 1},
		"mention in /me":   {message(room.KindMe, "bob", "greets me."), 1, 1},
		"no mention":       {message(room.KindSay, "bob", "mention"), 0, 1},
		"announcement":     {message(room.KindNotice, "bob", "soon"), 1, 1},
		"one's own":        {message(room.KindSay, "me", "me me me"), 0, 0},
		"direct":           {message(room.KindDirect, "bob", "x", "me"), 1, 1},
		"group":            {message(room.KindGroup, "bob", "x", "carol", "me"), 1, 1},
		"one's own direct": {message(room.KindDirect, "me", "x", "bob"), 0, 0},
		"receipt":          {message(room.KindReceipt, "bob", "", "me"), 0, 0},
		"BEL in the text":  {message(room.KindSay, "bob", "\a\a"), 0, 1},
	} {
		e := &room.Update{Message: tt.message}
		for st, want := range map[render.Style]int{loud: tt.one, louder: tt.other, plain: 0} {
			if got := strings.Count(string(render.Event(nil, e, "me", st)), "\a"); got != want {
				t.Errorf("%s: %d bells, not %d, of %v", name, got, want, st.Bell)
			}
		}
	}
}

func TestMentions(t *testing.T) {
	for s, want := range map[string]bool{
		"bob": true, "BOB!": true, "hi bob, hi": true, "(bob)": true, "bob.": true, "bob...": true, "@bob": true, "bob's": true, "bob-": true, "bob: x": true,
		"bobby": false, "abob": false, "bob-by": false, "bob.by": false, "bob_": false, "": false, "bo b": false, "b\u00f6b": false, "\u00e9bob": true,
	} {
		if got := render.Mentions(s, "bob"); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
	if !render.Mentions("hello visitor", "~visitor") || render.Mentions("x", "~") {
		t.Error("guests")
	}
}

func TestPresence(t *testing.T) {
	nicks := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint("n", i))
		}
		return all
	}
	for want, c := range map[string]*room.Change{
		" * bob joined\n":                {Joined: []string{"bob"}},
		" * bob left\n":                  {Left: []string{"bob"}},
		" * bob's connection was lost\n": {Lost: []string{"bob"}},
		" * zoe joined, the connections of bob\n   and carol were lost\n":                 {Joined: []string{"zoe"}, Lost: []string{"bob", "carol"}},
		" * bob and carol joined\n":                                                       {Joined: []string{"bob", "carol"}},
		" * bob, carol and dave joined\n":                                                 {Joined: []string{"bob", "carol", "dave"}},
		" * bob joined, carol left\n":                                                     {Joined: []string{"bob"}, Left: []string{"carol"}},
		" * n0, n1, n2, n3, n4 and 7 others\n   joined\n":                                 {Joined: nicks(12)},
		" * n0, n1, n2, n3, n4 and n5 joined, n0,\n   n1, n2, n3, n4 and 2 others left\n": {Joined: nicks(6), Left: nicks(7)},
	} {
		if got := string(render.Event(nil, &room.Update{Presence: c}, "me", plain)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// On a terminal a line names some of those who came, for programs all.
func TestProgramsReadAllNames(t *testing.T) {
	c := &room.Change{Joined: []string{"a", "b", "c", "d", "me", "e", "f", "g"}}
	for want, st := range map[string]render.Style{
		" * a, b, c, d, e and 2 others joined\n": plain,
		" * a, b, c, d, e, f and g joined\n":     {},
	} {
		if got := string(render.Event(nil, &room.Update{Presence: c}, "me", st)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// One's own coming is no news to oneself, whoever else came in the same second.
func TestOwnPresence(t *testing.T) {
	for want, c := range map[string]*room.Change{
		"":                          {Joined: []string{"me"}},
		" * bob joined\n":           {Joined: []string{"me", "bob"}},
		" * bob and carol joined\n": {Joined: []string{"bob", "me", "carol"}},
		" * bob left\n":             {Joined: []string{"me"}, Left: []string{"bob"}},
	} {
		if got := string(render.Event(nil, &room.Update{Presence: c}, "me", plain)); got != want {
			t.Errorf("%+v is %q, want %q", *c, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0 s": -time.Second, "59 s": 59 * time.Second, "1 min": time.Minute, "59 min": time.Hour - 1, "1 h": time.Hour, "47 h": 48*time.Hour - 1, "2 days": 48 * time.Hour,
	} {
		if got := render.Ago(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// However many styles there are, few of what they make of an event are kept.
func TestFewStylesAreKept(t *testing.T) {
	e := &room.Update{Message: message(room.KindSay, "bob", "hello there", "")}
	zone := time.FixedZone("X", 3600)
	for width := 40; width < 220; width++ {
		st := render.Style{Width: width, Zone: zone}
		if got := string(render.Event(nil, e, "me", st)); !strings.HasSuffix(got, "bob: hello there\n") {
			t.Errorf("%d columns wide: %q", width, got)
		}
	}
	kept := 0
	e.Rendered.Range(func(any, any) bool { kept++; return true })
	if kept != 4 {
		t.Errorf("%d are kept", kept)
	}
	same := &room.Update{Message: e.Message}
	for i := range 10 {
		render.Event(nil, same, "me", render.Style{Width: 80, Zone: zone, Bell: render.Bell(i % 3), HideJoins: i%2 == 0})
	}
	if n := same.Styles.Load(); n != 1 {
		t.Errorf("one style counts as %d", n)
	}
}
