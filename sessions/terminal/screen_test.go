package terminal

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var small = Config{Width: 20, Height: 6}

func TestTypedLineSurvivesPrints(t *testing.T) {
	play(t, small, func(r *rig) []any {
		return []any{
			r.expect(">"), // the prompt's space is trimmed
			"half", r.expect("> half"),
			r.print("bob: hi\n"), r.expect("bob: hi", "> half"),
			" typed", r.print("a\nb\n"), r.expect("bob: hi", "a", "b", "> half typed"),
			"\x02\x02\x02\x02\x02XY", r.expect("bob: hi", "a", "b", "> half XYtyped"),
			r.print("c\n"), "Z", r.expect("bob: hi", "a", "b", "c", "> half XYZtyped"),
		}
	})
}

func TestTypedRowsAreReplaced(t *testing.T) {
	long := strings.Repeat("0123456789", 5)
	for name, text := range map[string]string{
		"one row": "hi", "empty": "", "a full row": long[:18], "one more": long[:19], "rows": long,
		"full rows": long[:38], "wide": strings.Repeat("日", 30), "wide to the edge": strings.Repeat("日", 9),
		"wide at an odd edge": "a" + strings.Repeat("日", 20), "marks": strings.Repeat("e\u0301", 30),
		"mixed": strings.Repeat("日e\u0301x", 12),
	} {
		t.Run(name, func(t *testing.T) {
			play(t, small, func(r *rig) []any {
				said := r.print("bob: %s\n", "said")
				return []any{
					r.print("one\ntwo\n"), text, r.print("three\n"), "\r",
					said, r.expect("one", "two", "three", "bob: said", ">"),
				}
			})
		})
	}
}

func TestRowsOfALineEditedInItsMiddle(t *testing.T) {
	play(t, small, func(r *rig) []any {
		return []any{
			r.print("one\n"), strings.Repeat("日", 25), "\x01abc\x05\x02\x02\x02\x7f\x17x\x01", r.print("two\n"),
			"\r", r.print("said\n"), r.expect("one", "two", "said", ">"),
		}
	})
}

func TestTypedRowsStay(t *testing.T) {
	r := newRig(t, small)
	var asked []Line
	r.erase = func(l Line) bool { asked = append(asked, l); return false }
	r.script = []any{
		"/who\r", r.print("nobody\n"), r.expect("> /who", "nobody", ">"),
		"x\r", r.expect("> /who", "nobody", "> x", ">"),
	}
	r.run()
	if diff := cmp.Diff([]Line{{Text: "/who"}, {Text: "x"}}, asked); diff != "" {
		t.Error(diff)
	}
}

// Terminals differ in how many cells they give to an emoji of several parts. This one knows no such; it shows the first
// part, in two cells, and the text behind it where it belongs.
func TestEmojiOfSeveralParts(t *testing.T) {
	const family, flag = "👩\u200d👩\u200d👧\u200d👦", "🇩🇪"
	play(t, small, func(r *rig) []any {
		at := func(col int) func() {
			return func() {
				if _, got := r.screen.Cursor(); got != col {
					r.fail("the cursor is in column %d, not %d", got, col)
				}
			}
		}
		return []any{
			family, r.expect("> 👩\u200d"), at(4), flag, r.expect("> 👩\u200d🇩"), at(6), "x", r.expect("> 👩\u200d🇩x"), at(7),
			"\x02\x02", at(4), "\x02", at(2), "a", r.expect("> a👩\u200d🇩x"), at(3), "\x06", at(5), "\x7f", r.expect("> a🇩x"), at(3),
			"\x1b[3~", r.expect("> ax"), "\x05" + flag, r.expect("> ax🇩"), "\x7f", r.expect("> ax"), at(4),
			"❤\ufe0fy", r.expect("> ax❤\ufe0f y"), at(7), "\x15" + strings.Repeat("x", 13) + family, r.expect("> "+strings.Repeat("x", 13), "👩\u200d"), at(2),
		}
	})
}

func TestWideLineIsEditedInItsMiddle(t *testing.T) {
	play(t, small, func(r *rig) []any {
		return []any{
			r.print("one\n"), strings.Repeat("日", 12), r.expect("one", "> 日日日日日日日日日", "日日日"),
			"\x01a", r.expect("one", "> a日日日日日日日日", "日日日日"),
			"b", r.expect("one", "> ab日日日日日日日日", "日日日日"), "\x05\x7f", r.expect("one", "> ab日日日日日日日日", "日日日"),
			"e\u0301", r.expect("one", "> ab日日日日日日日日", "日日日e\u0301"), "\x7f", r.expect("one", "> ab日日日日日日日日", "日日日"),
			"\x15", r.expect("one", ">"), "\u0301", r.expect("one", "> \u0301"), "\x7f", r.expect("one", ">"),
		}
	})
}

func TestStayingLineWithTheCursorHigh(t *testing.T) {
	r := newRig(t, small)
	r.erase = func(Line) bool { return false }
	r.script = []any{strings.Repeat("日", 18), "\x01", "\r", r.expect("> 日日日日日日日日日", "日日日日日日日日日", ">")}
	r.run()
}

// TestFullRowLeavesNoGap ends a line exactly in the last column.
func TestFullRowLeavesNoGap(t *testing.T) {
	r := newRig(t, small)
	r.erase = func(Line) bool { return false }
	r.script = []any{"012345678901234567", "\r", r.expect("> 012345678901234567", ">")}
	r.run()
}

func TestPromptIsBelowWhatIsPrintedBeforeReading(t *testing.T) {
	r := newRig(t, small)
	r.print("welcome\n")()
	r.script = []any{r.expect("welcome", ">"), "x", r.expect("welcome", "> x")}
	r.run()
	if !r.screen.BracketedPaste {
		t.Error("pastes are not marked")
	}
}

func TestPrintWithoutNewline(t *testing.T) {
	play(t, small, func(r *rig) []any {
		return []any{"x", r.print("a"), r.print(""), r.expect("a", "> x")}
	})
}

func TestClear(t *testing.T) {
	play(t, small, func(r *rig) []any {
		clearIt := func() { r.term.Clear() }
		return []any{
			r.print("one\n"), "abc", clearIt, r.expect("> abc"), "d", r.expect("> abcd"),
			r.print("two\n"), r.expect("two", "> abcd"), "\x0ce", r.expect("> abcde"), "\r",
			clearIt, r.expect(">"),
		}
	})
}

func TestResize(t *testing.T) {
	text := "0123456789012345678901234567"
	for name, step := range map[string][][2]int{
		"narrower": {{10, 6}}, "wider": {{40, 6}}, "taller": {{20, 12}}, "lower": {{20, 3}},
		"to and fro": {{15, 6}, {30, 5}, {10, 8}, {20, 6}, {19, 6}, {18, 6}, {17, 6}, {16, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, small)
			r.script = []any{r.print("one\ntwo\n"), text}
			w := 0
			for _, s := range step {
				r.script = append(r.script, r.resize(s[0], s[1]))
				w = s[0]
			}
			typed := "> " + text
			rows := []string{"one", "two"}
			for len(typed) > w {
				rows, typed = append(rows, typed[:w]), typed[w:]
			}
			if typed != "" {
				rows = append(rows, typed)
			}
			r.script = append(r.script, func() {}, r.expect(rows...),
				"\x15ok\r", r.print("said\n"), r.expect("one", "two", "said", ">"))
			r.run()
		})
	}
}

func TestInterruptClearsTheLine(t *testing.T) {
	r := play(t, small, func(r *rig) []any {
		return []any{
			r.print("one\n"), strings.Repeat("x", 30) + "\x01\x06\x06", "\x03", r.expect("one", ">"),
			"\x03", r.expect("one", ">"), "abc", r.expect("one", "> abc"), "\r",
		}
	})
	if diff := cmp.Diff([]string{"abc"}, r.texts()); diff != "" {
		t.Error(diff)
	}
}

func TestLineLongerThanTheScreen(t *testing.T) {
	r := play(t, small, func(r *rig) []any {
		return []any{
			strings.Repeat("0123456789", 30), r.print("one\n"), "x\r", r.print("two\n"),
			func() {
				all := r.screen.All()
				if n := len(all); all[n-1] != ">" || all[n-2] != "two" {
					t.Errorf("%q", all)
				}
			},
		}
	})
	if len(r.texts()[0]) != 301 {
		t.Errorf("%d", len(r.texts()[0]))
	}
}

func TestRestore(t *testing.T) {
	r := play(t, small, func(r *rig) []any {
		return []any{r.print("one\n"), strings.Repeat("x", 30)}
	})
	r.term.Close()
	r.show()
	r.expect("one")()
	if r.failed != "" {
		t.Error(r.failed)
	}
	if row, col := r.screen.Cursor(); row != 1 || col != 0 || r.screen.BracketedPaste {
		t.Errorf("%d:%d %v", row, col, r.screen.BracketedPaste)
	}
	r.term.Print([]byte("late\n"))
	if out := r.term.Take(nil); len(out) > 0 {
		t.Errorf("after the end: %q", out)
	}
}
