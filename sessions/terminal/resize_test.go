package terminal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// However a terminal arranges its rows when its window changes, there is one copy of a
// long line afterwards, below what was said.
func TestResizeOfALongLine(t *testing.T) {
	typed := strings.Repeat("abcdefghi ", 12) + "end"
	play(t, Config{Width: 80, Height: 12}, func(r *rig) []any {
		script := []any{r.print("12:05 \a\x1b[38;5;33mbob\x1b[0m: hello\n12:06 carol: hi\n"), "first\r", r.print("12:07 bob: first\n"), typed}
		for _, width := range []int{40, 120, 20, 63, 30, 80} {
			rearranged := func() {
				for row := range 12 {
					fmt.Fprintf(r.screen, "\x1b[%dH> abcdefghi abc", row+1)
				}
				fmt.Fprint(r.screen, "\x1b[3;5H")
			}
			rows := []string{"12:05 bob: hello", "12:06 carol: hi", "12:07 bob: first"}
			for rest := "> " + typed; rest != ""; {
				n := min(width, len(rest))
				rows = append(rows, strings.TrimRight(rest[:n], " "))
				rest = rest[n:]
			}
			r.screen.Bells = 0
			script = append(script, func() { r.screen.Bells = 0 }, rearranged, r.resize(width, 12), r.expect(rows...))
		}
		return script
	})
}

// What is known fills the window again, and what does not fit is in the terminal's history.
func TestResizeFillsTheWindow(t *testing.T) {
	play(t, Config{Width: 40, Height: 6}, func(r *rig) []any {
		visible := func(want ...string) func() {
			return func() {
				if got := r.screen.Screen(); !slices.Equal(got, want) {
					r.fail("the window shows\n%s\nwant\n%s", quoted(got), quoted(want))
				}
			}
		}
		return []any{
			r.print("%s\none\n%s\ntwo\n", strings.Repeat("old\n", 2000), strings.Repeat("wide ", 7)+"x"), strings.Repeat("z", 50),
			func() { fmt.Fprint(r.screen, "\x1b[H\x1b[2J") }, r.resize(20, 6),
			visible(strings.Repeat("wide ", 4)[:19], strings.Repeat("wide ", 3)+"x", "two", "> "+strings.Repeat("z", 18), strings.Repeat("z", 20), strings.Repeat("z", 12)),
			"\x0c", r.resize(40, 6), visible("> "+strings.Repeat("z", 38), strings.Repeat("z", 12), "", "", "", ""),
		}
	})
}

// What the window showed is not lost where it gets narrower and rows become more.
func TestResizeLosesNothing(t *testing.T) {
	play(t, Config{Width: 60, Height: 8}, func(r *rig) []any {
		r.erase = func(Line) bool { return false }
		return []any{
			r.print("one\ntwo\n"), strings.Repeat("entered ", 13), "\r", r.print("three\n"), strings.Repeat("typed ", 12),
			r.resize(14, 8), func() {
				r.show()
				r.checkSaid([]string{"one", "two", "three"})
			},
		}
	})
}
