// Package text makes what people type fit to be shown on other people's
// screens, and measures and wraps it in terminal cells.
//
// Clean is applied once to what a person says, on the way in. CleanLine is for
// everything else that somebody else chose and that ends up in one line of a
// screen or a log: nicks in errors, environment values, exec commands, reasons,
// TERM, client versions. Quote shows a piece of such input in an error.
//
// Everything here is a pure function of its arguments and safe to call
// concurrently.
package text

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxMarks is how many combining marks stay on one base: enough for every
// living script, too few to paint over the rows above and below.
const maxMarks = 4

// tabSpaces is what a tab becomes: a real tab has a width only the terminal knows.
const tabSpaces = "    "

// Clean returns s as it may be said in the room: valid UTF-8 whose only control
// character is '\n', without anything that moves a cursor, reorders text, hides
// text or stacks marks, and without blanks at the ends of lines: what has nothing to
// see becomes empty. CRLF and
// a lone CR are newlines, a tab is four spaces, each run of invalid bytes is one
// U+FFFD. Clean is idempotent, its cost is linear, and its result is at most
// four times as long as s. Printable ASCII is returned as it is.
func Clean(s string) string {
	if isPlain(s) {
		return strings.TrimRight(s, " ")
	}
	c := cleaner{out: make([]byte, 0, len(s)+len(s)/8)}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if r == '\r' && i < len(s) && s[i] == '\n' {
			continue
		}
		if r == utf8.RuneError && size == 1 {
			c.invalid()
			continue
		}
		c.put(r, s[i:])
		c.bad = false
	}
	c.trimLine()
	return string(c.out)
}

// CleanLine is Clean for text that has to stay on one line: newlines become
// spaces.
func CleanLine(s string) string {
	s = Clean(s)
	if strings.IndexByte(s, '\n') < 0 {
		return s
	}
	return strings.TrimRightFunc(strings.ReplaceAll(s, "\n", " "), isBlank)
}

// isPlain tells whether s is printable ASCII with newlines that follow no
// space: what Clean has nothing to do about, save at the end.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b >= 0x20 && b < 0x7f {
			continue
		}
		if b != '\n' || i > 0 && s[i-1] == ' ' {
			return false
		}
	}
	return true
}

// cleaner holds what Clean has to remember between two runes.
type cleaner struct {
	out       []byte
	lineStart int  // where the current line begins in out
	marks     int  // marks kept on the current base
	based     bool // the current line has a base to put marks on
	selects   bool // the last rune kept may be followed by a variation selector
	joins     bool // the last rune kept may be followed by a joiner
	bad       bool // the last bytes read were invalid
}

// invalid notes a byte that is not UTF-8.
func (c *cleaner) invalid() {
	if !c.bad {
		c.base(utf8.RuneError)
	}
	c.bad = true
}

// put keeps or drops r; rest is what follows it.
func (c *cleaner) put(r rune, rest string) {
	switch {
	case r == '\n' || r == '\r':
		c.newline()
	case r == '\t':
		c.out = append(c.out, tabSpaces...)
		c.based, c.marks, c.selects, c.joins = true, 0, false, false
	case !Allowed(r):
	case r == joiner:
		c.join(rest)
	case r == textStyle || r == emojiStyle:
		c.variation(r)
	case isMark(r):
		c.mark(r)
	default:
		c.base(r)
	}
}

func (c *cleaner) base(r rune) {
	c.out = utf8.AppendRune(c.out, r)
	c.based, c.marks = true, 0
	c.joins = isEmoji(r)
	c.selects = c.joins || isKeycap(r)
}

func (c *cleaner) mark(r rune) {
	if !c.based || c.marks == maxMarks {
		return
	}
	c.out = utf8.AppendRune(c.out, r)
	c.marks++
	c.selects, c.joins = false, false
}

// variation keeps one selector directly after what has two styles. A selector
// elsewhere is invisible, which is how data is smuggled through text.
func (c *cleaner) variation(r rune) {
	if !c.selects {
		return
	}
	c.out = utf8.AppendRune(c.out, r)
	c.selects = false
}

// join keeps a joiner only between two emoji.
func (c *cleaner) join(rest string) {
	next, _ := utf8.DecodeRuneInString(rest)
	if !c.joins || !isEmoji(next) {
		return
	}
	c.out = utf8.AppendRune(c.out, joiner)
	c.selects, c.joins = false, false
}

func (c *cleaner) newline() {
	c.trimLine()
	c.out = append(c.out, '\n')
	c.lineStart = len(c.out)
	c.based, c.marks, c.selects, c.joins = false, 0, false, false
}

func (c *cleaner) trimLine() {
	line := bytes.TrimRightFunc(c.out[c.lineStart:], isBlank)
	c.out = c.out[:c.lineStart+len(line)]
}
