package render

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Count renders n with a comma between thousands.
func Count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", Count(n/1000), n%1000)
}

// Number counts things: "1 key is", "2 keys are".
func Number(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// People joins nicks as one does in a sentence, of more than most the first ones.
func People(nicks []string, most int) string {
	n := len(nicks)
	switch {
	case n > most+1: // one more is as long as the word about it
		return fmt.Sprintf("%s and %s others", strings.Join(nicks[:most], ", "), Count(n-most))
	case n > 1:
		return strings.Join(nicks[:n-1], ", ") + " and " + nicks[n-1]
	}
	return strings.Join(nicks, "")
}

// Ago renders a span of time in its largest whole unit.
func Ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Mentions reports whether s has nick in it as a word of its own, in any case.
func Mentions(s, nick string) bool {
	nick = strings.TrimPrefix(nick, "~") // a guest is spoken to without it
	if nick == "" {
		return false
	}
	for i := 0; i+len(nick) <= len(s); i++ {
		if s[i]|0x20 != nick[0]|0x20 { // cheap: most places are not even the first letter
			continue
		}
		if strings.EqualFold(s[i:i+len(nick)], nick) && wordEnds(s[:i], false) && wordEnds(s[i+len(nick):], true) {
			return true
		}
	}
	return false
}

// wordEnds reports whether s ends (or, with after, begins) without being part of a
// longer nick. Full stops and hyphens behind a nick are punctuation if nothing follows.
func wordEnds(s string, after bool) bool {
	if s == "" {
		return true
	}
	if !after {
		r, _ := utf8.DecodeLastRuneInString(s)
		return !nickRune(r)
	}
	s = strings.TrimLeft(s, ".-") // unless the nick goes on behind them
	r, _ := utf8.DecodeRuneInString(s)
	return s == "" || !nickRune(r)
}

func nickRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.'
}
