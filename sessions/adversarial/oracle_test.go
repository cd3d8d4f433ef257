package adversarial

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// unclean returns what in s no screen and no log should ever get, "" if there is
// nothing. It goes by Unicode's categories, and shares no rule with what cleans.
func unclean(s string) string {
	marks := 0
	var last rune
	for i, r := range s {
		switch {
		case unicode.Is(unicode.M, r):
			marks++
		default:
			marks = 0
		}
		if bad := wrong(r, last, s[i:]); bad != "" || marks > 5 {
			return fmt.Sprintf("%s%U in %q", bad, r, s[max(0, i-60):min(len(s), i+60)])
		}
		last = r
	}
	return ""
}

func wrong(r, last rune, rest string) string {
	_, size := utf8.DecodeRuneInString(rest)
	switch {
	case r == utf8.RuneError && size == 1:
		return "invalid UTF-8, "
	case r == '\n' || r == '\r' && strings.HasPrefix(rest, "\r\n"):
		return ""
	case r == '\u200d' && last >= '\u2190': // within an emoji
		return ""
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp):
		return "control or format character "
	}
	return ""
}

func TestUnclean(t *testing.T) {
	for _, s := range []string{"\x00", "a\rb", "\t", "\x1b[m", "\u009b", "\u202e", "\u2066", "a\u200db", "\ufeff", "\xff", "\u2028", "\U000e0041", "a" + strings.Repeat("\u0301", 6)} {
		if unclean(s) == "" {
			t.Errorf("%q is clean", s)
		}
	}
	for _, s := range []string{"", "text\r\nmore\n", "e\u0301 日本 \u2764\ufe0f \U0001f469\u200d\U0001f680", "\ufffd"} {
		if bad := unclean(s); bad != "" {
			t.Errorf("%q: %s", s, bad)
		}
	}
}
