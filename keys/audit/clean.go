package audit

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// textMax bounds each text of an entry, in characters.
const textMax = 1000

// clean makes text fit for any screen that the log is read on: on one line, and
// with a '?' for what is invalid, controls, reorders, hides or stacks.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > textMax {
			b.WriteString("...")
			break
		}
		switch {
		case r == '\n' || r == '\t':
			r = ' '
		case r == utf8.RuneError || r != ' ' && !unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S):
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}
