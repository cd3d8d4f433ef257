// Package sanitize makes text from a file or a peer fit to be shown and logged. Its
// functions are pure.
package sanitize

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textMax bounds, in characters, what is shown of a text.
const textMax = 100

// Text makes text from a file safe to show: no control, format (bidi, zero-width,
// tag), private or unassigned characters, no combining marks, nothing invalid, and
// not long. What is taken out leaves a '?' so that one sees that something was there.
func Text(s string) string { return Most(s, textMax) }

// Most is Text with up to n characters.
func Most(s string, n int) string {
	var b strings.Builder
	for _, r := range s {
		if n--; n < 0 {
			b.WriteString("...")
			break
		}
		if r == utf8.RuneError || r != ' ' && !unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Quote quotes the beginning of s in pure ASCII, for use inside an error's text.
func Quote(s string) string {
	const most = 40
	cut := s
	if len(s) > most {
		cut = s[:most]
		for len(cut) > 0 && !utf8.RuneStart(s[len(cut)]) {
			cut = cut[:len(cut)-1]
		}
	}
	q := strconv.QuoteToASCII(cut)
	if len(cut) < len(s) {
		q += "..."
	}
	return q
}
