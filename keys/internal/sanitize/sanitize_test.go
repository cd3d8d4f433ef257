package sanitize

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"bob's key, 2nd":              "bob's key, 2nd",
		"gr\u00fc\u00df \u4f60":       "gr\u00fc\u00df \u4f60",
		"a\x1b[2Jb\nc\td\u0085":       "a?[2Jb?c?d?",
		"\u202ereversed\u200b":        "?reversed?",
		"e\u0301":                     "e?",
		"\xff":                        "?",
		strings.Repeat("\u00e4", 100): strings.Repeat("\u00e4", 100),
		strings.Repeat("\u00e4", 101): strings.Repeat("\u00e4", 100) + "...",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
	if got := Most("a\nbc", 3); got != "a?b..." {
		t.Errorf("at most 3: %q", got)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"":                           `""`,
		"a\nb\u202e":                 `"a\nb\u202e"`,
		strings.Repeat("x", 41):      `"` + strings.Repeat("x", 40) + `"...`,
		strings.Repeat("\u20ac", 14): `"` + strings.Repeat(`\u20ac`, 13) + `"...`, // cut between characters
	} {
		if got := Quote(in); got != want || !utf8.ValidString(got) {
			t.Errorf("%q gives %s, want %s", in, got, want)
		}
	}
}
