package render_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"whoelse/room"
	"whoelse/sessions/render"
	"whoelse/sessions/text"
)

var sgr = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// FuzzEvent asserts that nothing that anybody typed, or that stands in a history,
// gets onto a screen as anything but text within the window.
func FuzzEvent(f *testing.F) {
	f.Add("say", "hello bob", "", uint8(80), true)
	f.Add("me", "\x1b[2J\x1b]0;x\a", "lunch", uint8(10), true)
	f.Add("direct", "日本語 👩\u200d💻 e\u0301\u202e\u2066\u200b\u0085\u009b2J", "a\nb", uint8(12), false)
	f.Add("group", "cr\rlf\n\n\ttab \xff\xfe", "x", uint8(0), false)
	f.Add("receipt", "x", strings.Repeat("long ", 50), uint8(30), true)
	f.Fuzz(func(t *testing.T, kind, said, notice string, width uint8, colour bool) {
		st := render.Style{Color: colour, Zone: time.UTC}
		if colour {
			st.Bell = render.ForAnybody
		}
		if width > 0 {
			st.Width = max(10, int(width)) // what a terminal's size is clamped to
		}
		m := &room.Message{ID: "1", Time: noon, RefTime: noon, Kind: room.Kind(kind), From: "bob", To: []string{"carol", "me"}, Text: said}
		for _, out := range [][]byte{
			render.Event(nil, &room.Update{Message: m}, "me", st),
			render.Notice(nil, notice, st),
			render.Message(nil, m, "carol", st, noon.AddDate(1, 0, 0)),
		} {
			checkRows(t, string(out), st)
		}
		checkFact(t, string(render.Fact(nil, m)))
	})
}

// checkFact asserts that a fact is one line of six columns, and text.
func checkFact(t *testing.T, fact string) {
	t.Helper()
	columns := strings.Split(strings.TrimSuffix(fact, "\n"), "\t")
	bad := func(r rune) bool { return r == '\n' || !text.Allowed(r) }
	if len(columns) != 6 || !strings.HasSuffix(fact, "\n") || slices.ContainsFunc(columns, func(c string) bool { return strings.ContainsFunc(c, bad) }) {
		t.Fatalf("the fact %q", fact)
	}
}

// longestHead is what stands before the text, at most.
const longestHead = len("14 Mar 2025 12:05 [bob -> you, carol] ")

func checkRows(t *testing.T, out string, st render.Style) {
	t.Helper()
	if !st.Color && strings.ContainsRune(out, '\x1b') {
		t.Fatalf("colours in %q", out)
	}
	bare := sgr.ReplaceAllString(out, "")
	if strings.HasPrefix(bare, "\a") && st.Bell != render.Silent {
		bare = bare[1:]
	}
	if out != "" && !strings.HasSuffix(out, "\n") || !utf8.ValidString(out) {
		t.Fatalf("%q", out)
	}
	for n, row := range strings.Split(strings.TrimSuffix(bare, "\n"), "\n") {
		if i := strings.IndexFunc(row, func(r rune) bool { return !text.Allowed(r) }); i >= 0 {
			t.Fatalf("%q in the row %q", row[i:], row)
		}
		// Time and nicks are not broken: in a narrow window the terminal has to.
		if st.Width > 0 && text.Width(row) > st.Width && (n > 0 || st.Width > longestHead) {
			t.Fatalf("the row %q takes %d of %d cells", row, text.Width(row), st.Width)
		}
	}
}
