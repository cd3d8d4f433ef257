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
// not long. Each character taken out leaves a '?'.
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
	end := min(len(s), 40)
	for 0 < end && end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	q := strconv.QuoteToASCII(s[:end])
	if end < len(s) {
		q += "..."
	}
	return q
}
