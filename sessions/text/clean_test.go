package text

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var cleanTests = []struct{ name, in, want string }{
	{"empty", "", ""},
	{"plain", "hello, world", "hello, world"},
	{"trailing spaces", "hello   ", "hello"},
	{"leading spaces", "  x", "  x"},
	{"inner spaces", "a  b", "a  b"},
	{"lines", "a\nb\n\nc", "a\nb\n\nc"},
	{"spaces at line ends", "a \nb\u00a0\u3000\n", "a\nb\n"},
	{"blanks at line ends", "a\u2800\nb \u1680\u2003\u2800\n", "a\nb\n"},
	{"blanks inside", "\u2803\u2800\u2803", "\u2803\u2800\u2803"},
	{"nothing but blanks", " \u2800\u1680\t\U0001d159\u3164\U00013441\U00013442\u00a0", ""},
	{"CRLF", "a\r\nb\rc\n\rd", "a\nb\nc\n\nd"},
	{"tab", "a\tb\t", "a    b"},
	{"colours", "\x1b[01;34mhome\x1b[0m \x1b[38:2::1:2:3mx\x1b[m", "home x"},
	{"title", "\x1b]0;pwned\x07x", "x"},
	{"link", "\x1b]8;;https://example.org\x1b\\here\x1b]8;;\x1b\\!", "here!"},
	{"strings", "a\x1bP1$r\x1b\\b\x1bX日\x1b\\c\x1b^x\u009cd\x1b_x\x07e", "abcde"},
	{"other sequences", "\x1b(B\x1b[mx\x1b7y\x1bcz\x1b[?25h\x1b[ q", "xyz"},
	{"C1", "\u009b31mx\u009d0;t\u009cy\u0090p\u009cz", "xyz"},
	{"title without an end", "\x1b]0;all the rest", "0;all the rest"},
	{"title over lines", "\x1b]0;a\nb\x07", "0;a\nb"},
	{"title in a title", "\x1b]0;a\x1b]0;b\x07c", "0;ac"},
	{"C1 without an end", "\u009d0;a\u009b1", "0;a1"},
	{"colour without an end", "\x1b[31é\x1b[1\nb\x1b[", "31é1\nb"},
	{"ESC alone", "a\x1b\nb\x1bé\x1b\x1b[mc\x1b", "a\nbéc"},
	{"sequence between emoji", "👩\u200d\x1b[m💻", "👩💻"},
	{"raw C1", "\x9b31mx", "\ufffd31mx"},
	{"NUL BEL DEL", "a\x00b\x07c\x7fd", "abcd"},
	{"next line", "a\u0085b", "ab"},
	{"separators", "a\u2028b\u2029c", "abc"},
	{"bidi", "\u202eabc\u202c\u2066d\u2069\u200e\u200f\u061c", "abcd"},
	{"zero width", "a\u200bb\u200cc\ufeffd\u2060e\u180ef\u00adg", "abcdefg"},
	{"zero width joiner", "a\u200db", "ab"},
	{"joined emoji", "👩\u200d💻 👨\u200d👩\u200d👧", "👩\u200d💻 👨\u200d👩\u200d👧"},
	{"joined to nothing", "👩\u200d", "👩"},
	{"joined to a letter", "a\u200d💻\u200db", "a💻b"},
	{"joined over a gap", "👩\u200d\u200b💻", "👩💻"},
	{"joined twice", "👩\u200d\u200d💻", "👩\u200d💻"},
	{"flag", "🏳\ufe0f\u200d🌈", "🏳\ufe0f\u200d🌈"},
	{"keycap", "1\ufe0f\u20e3", "1\ufe0f\u20e3"},
	{"style", "❤\ufe0f❤\ufe0e", "❤\ufe0f❤\ufe0e"},
	{"styles stacked", "❤\ufe0f\ufe0f\ufe0e", "❤\ufe0f"},
	{"style on a letter", "a\ufe0fb", "ab"},
	{"selectors", "a\ufe00b\U000e0100c", "abc"},
	{"tags", "🏴\U000e0067\U000e0062\U000e007f", "🏴"},
	{"annotation", "\ufff9a\ufffab\ufffb", "ab"},
	{"private use", "\ue000x\U000f0000\U0010fffd", "x"},
	{"noncharacters", "\ufdd0x\ufffe\U0001ffff", "x"},
	{"fillers", "\u3164\u115f\u1160\uffa0\u034f", ""},
	{"surrogate", "a\xed\xa0\x80b", "a\ufffdb"},
	{"invalid", "a\xff\xfe\xfdb\xffc", "a\ufffdb\ufffdc"},
	{"cut", "caf\xc3", "caf\ufffd"},
	{"replacement", "\ufffd\ufffd", "\ufffd\ufffd"},
	{"marks", "e\u0301", "e\u0301"},
	{"many marks", "e" + strings.Repeat("\u0301", 50) + "x", "e\u0301\u0301\u0301\u0301x"},
	{"mark first", "\u0301a\n\u0301b", "a\nb"},
	{"mark after a dropped one", "e\u200b\u0301", "e\u0301"},
	{"enclosing marks", "a" + strings.Repeat("\u0489", 9), "a" + strings.Repeat("\u0489", 4)},
	{"vowels without end", "가" + strings.Repeat("\u1161", 9), "가" + strings.Repeat("\u1161", 4)},
	{"wide", "日本語", "日本語"},
	{"thai", "ที่นี่", "ที่นี่"},
}

func TestClean(t *testing.T) {
	for _, tt := range cleanTests {
		if got := Clean(tt.in); got != tt.want {
			t.Errorf("%s: Clean(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
		checkClean(t, tt.in)
	}
}

func TestCleanLine(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb": "a b", "a\r\n\r\nb": "a  b", "a\n": "a", "\n\n": "", " a": " a", "x\t\n": "x",
	} {
		if got := CleanLine(in); got != want {
			t.Errorf("CleanLine(%q) = %q, want %q", in, got, want)
		}
	}
}

// fatal is what checkClean needs of a test, a fuzz target or a property.
type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkClean asserts everything that Clean promises for any input.
func checkClean(t fatal, in string) {
	t.Helper()
	out := Clean(in)
	if again := Clean(out); again != out {
		t.Fatalf("Clean(%q) = %q, and again %q", in, out, again)
	}
	if !utf8.ValidString(out) {
		t.Fatalf("Clean(%q) = %q is not UTF-8", in, out)
	}
	if len(out) > 4*len(in) {
		t.Fatalf("Clean(%q) grew to %d bytes", in, len(out))
	}
	zero := maxMarks
	for _, r := range out {
		if r != '\n' && !harmless(r) {
			t.Fatalf("Clean(%q) = %q has %U", in, out, r)
		}
		if zero++; RuneWidth(r) > 0 {
			zero = 0
		}
		if r != '\n' && zero > maxMarks+2 { // a style and a joiner
			t.Fatalf("Clean(%q) = %q stacks marks", in, out)
		}
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if strings.TrimRightFunc(line, inkless) != line {
			t.Fatalf("Clean(%q) = %q ends a line in space", in, out)
		}
	}
	line := CleanLine(in)
	if strings.Contains(line, "\n") || CleanLine(line) != line {
		t.Fatalf("CleanLine(%q) = %q", in, line)
	}
}

// inkless says in other words than isBlank which runes have nothing to see.
func inkless(r rune) bool {
	return unicode.In(r, unicode.Zs) || r >= '\t' && r <= '\r' || strings.ContainsRune("\u0085\u2800\U00013441\U00013442\U00016fe4\U0001d159", r)
}

// harmless says again, in other words than the table, what may come out.
func harmless(r rune) bool {
	switch {
	case r == joiner || r == textStyle || r == emojiStyle:
		return true
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Variation_Selector):
		return false
	case unicode.In(r, unicode.Noncharacter_Code_Point, unicode.Other_Default_Ignorable_Code_Point):
		return false
	}
	return true
}

// TestEveryRune puts each code point that there is between two letters.
func TestEveryRune(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		in := "a" + string(r) + "é" // which ends no escape sequence
		if 0xd800 <= r && r <= 0xdfff {
			in = "a" + string([]byte{0xed, 0xa0 | byte(r>>6)&0x1f, 0x80 | byte(r)&0x3f}) + "é"
		}
		checkClean(t, in)
		if got := Clean(" " + string(r)); strings.Trim(got, "\n") != "" && inkless(r) {
			t.Errorf("%U alone is %q", r, got)
		}
		if r != joiner && r != textStyle && r != emojiStyle && Allowed(r) != harmless(r) {
			t.Fatalf("Allowed(%U) is %v", r, Allowed(r))
		}
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 {
			if got := Clean(in); got != "aé" {
				t.Errorf("Clean(%q) = %q", in, got)
			}
		}
	}
}

func TestAllowedOutside(t *testing.T) {
	for _, r := range []rune{-1, unicode.MaxRune + 1, 0x7fffffff} {
		if Allowed(r) {
			t.Errorf("Allowed(%#x)", r)
		}
	}
}

func TestCleanProperties(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"a", " ", "\n", "\r", "\t", "\x00", "\x1b[", "\x1b]", "\x1b", "\\", "\u009b", "\u009c", "m", "\u0301", "\u1161", "\ufe0f", "\ufe0e", "\u200d",
		"\u200b", "👩", "💻", "🏽", "❤", "1", "\u20e3", "日", "\xff", "\xe2\x82", "\u3000", "\u2028", "\ue000",
	})
	rapid.Check(t, func(t *rapid.T) {
		checkClean(t, strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), ""))
	})
}

func TestNaughtyStrings(t *testing.T) {
	for _, s := range naughty(t) {
		checkClean(t, s)
		checkWrap(t, s, 20, 5)
	}
}

// naughty returns the Big List of Naughty Strings.
func naughty(t *testing.T) []string {
	data, err := os.ReadFile("../adversarial/testdata/blns.json")
	var list []string
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCleanIsLinear(t *testing.T) {
	for _, s := range []string{"e\u0301", "\u200d", "👩\u200d", "\xff", " ", "\t", "\r", " \n", "日", "\x1b]", "\x1b]x", "\u009d", "\x1b[1", "\x1b ", "\x1b[1 "} {
		in := strings.Repeat(s, 1<<18)
		if out := Clean(in); len(out) > 4*len(in) {
			t.Errorf("%q grew", s)
		}
	}
}

func TestPlainTextIsNotCopied(t *testing.T) {
	s := "just what people say, most of the time\nand more of it "
	if n := testing.AllocsPerRun(100, func() { Clean(s); CleanLine(s[:20]); Width(s[:20]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzClean(f *testing.F) {
	for _, tt := range cleanTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) { checkClean(t, s) })
}

func BenchmarkClean(b *testing.B) {
	for name, s := range map[string]string{
		"ascii": strings.Repeat("hello world ", 8) + "x",
		"mixed": strings.Repeat("héllo wörld 日本 ", 6) + "x",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Clean(s)
			}
		})
	}
}
