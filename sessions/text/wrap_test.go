package text

import (
	"strings"
	"testing"

	"github.com/clipperhouse/displaywidth"
	"pgregory.net/rapid"
)

func TestAppendWrapped(t *testing.T) {
	tests := []struct {
		name       string
		s          string
		width, col int
		want       string
	}{
		{"fits", "hello", 20, 5, "hello"},
		{"fits to the last column", "hello", 10, 5, "hello"},
		{"breaks at a space", "hello world", 12, 4, "hello\n    world"},
		{"swallows spaces", "hello   world", 12, 4, "hello\n    world"},
		{"keeps spaces inside", "a  b", 12, 4, "a  b"},
		{"newline", "a\nb", 12, 4, "a\n    b"},
		{"newline first", "\nb", 12, 4, "\n    b"},
		{"empty line", "a\n\nb", 12, 4, "a\n\n    b"},
		{"indented line", "if x:\n  y", 20, 2, "if x:\n    y"},
		{"first word does not fit", "hello", 12, 10, "\n  hello"},
		{"long word", "abcdefghijklmnop", 10, 2, "abcdefgh\n  ijklmnop"},
		{"long word after a short one", "hi abcdefghijklmnop", 10, 2, "hi\n  abcdefgh\n  ijklmnop"},
		{"no width", strings.Repeat("long ", 50) + "\nx", 0, 4, strings.Repeat("long ", 50) + "\n    x"},
		{"wide", "日本語日本語", 10, 2, "日本語日\n  本語"},
		{"wide at the edge", "日本語日本語", 9, 2, "日本語\n  日本語"},
		{"wide after words", "ab cd日本語", 8, 0, "ab cd日\n本語"},
		{"emoji of several parts", "👩\u200d💻👩\u200d💻👩\u200d💻", 10, 2, "👩\u200d💻👩\u200d💻\n  👩\u200d💻"},
		{"marks", "e\u0301e\u0301 e\u0301e\u0301e\u0301", 6, 1, "e\u0301e\u0301\n e\u0301e\u0301e\u0301"},
		{"far right", "aaaa bbbb cccc", 8, 7, "\n  aaaa\n  bbbb\n  cccc"},
		{"column past the width", "abc def", 10, 23, "abc def"},
		{"trailing space", "abc ", 3, 0, "abc"},
		{"indented too far", "    word", 6, 0, "word"},
		{"mark on a space", "abcd \u0301x", 5, 0, "abcd \u0301\nx"},
		{"one column", "ab日", 1, 0, "a\nb\n日"},
		{"negative", "ab", 10, -3, "ab"},
	}
	for _, tt := range tests {
		got := string(AppendWrapped(nil, tt.s, tt.width, tt.col))
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		checkWrap(t, tt.s, tt.width, tt.col)
	}
}

func TestAppendWrappedAppends(t *testing.T) {
	if got := string(AppendWrapped([]byte("x: "), "y", 10, 3)); got != "x: y" {
		t.Error(got)
	}
}

// checkWrap asserts what wrapping promises: nothing lost but spaces, no row too
// wide unless by a single character, all later rows indented.
func checkWrap(t fatal, in string, width, col int) {
	t.Helper()
	s := Clean(in)
	out := string(AppendWrapped(nil, s, width, col))
	if bare(out) != bare(s) {
		t.Fatalf("wrapping %q at %d lost text: %q", s, width, out)
	}
	if width <= 0 {
		return
	}
	if strings.Count(out, "\n") > strings.Count(s, "\n")+len(s) {
		t.Fatalf("wrapping %q at %d,%d has empty rows: %q", s, width, col, out)
	}
	for i, row := range strings.Split(out, "\n") {
		cells := 0
		for _, r := range row {
			cells += RuneWidth(r)
		}
		cells = max(cells, displaywidth.String(row)) // terminals reckon in either way
		if i == 0 {
			cells += max(col, 0) % width
		}
		if cells > width && count(strings.TrimLeft(row, " ")) > 1 {
			t.Fatalf("wrapping %q at %d,%d: row %q takes %d", s, width, col, row, cells)
		}
	}
}

func bare(s string) string {
	return strings.NewReplacer(" ", "", "\n", "").Replace(s)
}

// count counts characters.
func count(s string) (n int) {
	for s != "" {
		size, _ := Character(s)
		s, n = s[size:], n+1
	}
	return n
}

func TestWrapProperties(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"a", "word", " ", "  ", "\n", "日", "👩\u200d💻", "e\u0301", " \u0301", "❤\ufe0f", "\u3000", "🇩🇪", "กำ",
		"\u110f\u110f\u110f\u110f", "क्षक्ष", "\u0d4e\u0d4e\u0d4e", "👩\u200d👩\u200d👧\u200d👦", "👍🏽", "1\ufe0f\u20e3",
		"abcdefghijklmnopqrstuvwxyz",
	})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")
		checkWrap(t, s, rapid.IntRange(0, 40).Draw(t, "width"), rapid.IntRange(0, 50).Draw(t, "col"))
	})
}

func FuzzAppendWrapped(f *testing.F) {
	f.Add("hello world", 10, 3)
	f.Add("日本語 👩\u200d💻\n e\u0301", 4, 1)
	f.Add(" \u0301 \u200d ", 2, 9)
	f.Add("x \ud7cf\n00x", 36, 9) // a mark by its width, not by its cluster
	f.Fuzz(func(t *testing.T, s string, width, col int) {
		checkWrap(t, s, width%200, col%300)
	})
}

func TestWidth(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "日本": 4, "e\u0301": 1, "👩\u200d💻": 4, "\u110f\u110f": 4, "❤\ufe0f": 2, "\x1b[1mb": 1, "a\x00\n": 1} {
		if got := Width(s); got != want {
			t.Errorf("Width(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestCutAndQuote(t *testing.T) {
	tests := []struct {
		s    string
		max  int
		want string
	}{
		{"abc", 3, `"abc"`},
		{"abcd", 3, `"ab…"`},
		{"日本語", 5, `"日本…"`},
		{"日本語", 4, `"日…"`},
		{"a\nb\x1b[2J", 20, `"a b"`},
		{"", 5, `""`},
		{"abc", 0, `""`},
		{"abc", -5, `""`},
		{"e\u0301e\u0301e\u0301", 2, "\"e\u0301…\""},
		{strings.Repeat("\x00", 1<<20) + "x", 5, `"x"`},
		{strings.Repeat("x", 1<<20), 5, `"xxxx…"`},
	}
	for _, tt := range tests {
		if got := Quote(tt.s, tt.max); got != tt.want {
			t.Errorf("Quote(%.20q, %d) = %q, want %q", tt.s, tt.max, got, tt.want)
		}
	}
}

func BenchmarkAppendWrapped(b *testing.B) {
	for name, s := range map[string]string{
		"fits":  "hello, how are you all today?",
		"ascii": strings.Repeat("hello world ", 30),
		"mixed": strings.Repeat("héllo wörld 日本 ", 30),
		"wide":  strings.Repeat("日本語", 60),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = AppendWrapped(dst[:0], s, 80, 12)
			}
		})
	}
}
