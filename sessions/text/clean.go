// Package text makes typed text fit to be shown on other people's screens, and
// measures and wraps it in terminal cells.
//
// Clean is applied once to all that a person says, on the way in. CleanLine is for
// everything else that a client chose and that ends up in one line of a screen or
// a log: nicks in errors, environment values, exec commands, reasons,
// TERM, client versions. Quote shows a piece of such input in an error.
//
// Everything here is a pure function of its arguments and safe to call
// concurrently.
package text

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxMarks is how many combining marks stay on one base: enough for every
	// living script, too few to paint over the rows above and below.
	maxMarks = 4

	// tabSpaces is what a tab becomes: a real tab has a width only the terminal knows.
	tabSpaces = "    "

	joiner     = '\u200d' // zero-width joiner
	textStyle  = '\ufe0e' // variation selector 15
	emojiStyle = '\ufe0f' // variation selector 16
)

// Clean returns s as it may be said in the room: valid UTF-8 whose only control
// character is '\n', without anything that moves a cursor, reorders text, hides
// text or stacks marks, and without blanks at the ends of lines, so that invisible
// text becomes empty. CRLF and a lone CR are newlines, a tab is four spaces, each run
// of invalid bytes is one U+FFFD, and the escape sequences of colours, titles and the like go as a whole. Clean is idempotent, its cost is linear, and its
// result is at most four times as long as s. Printable ASCII is returned as it is.
func Clean(s string) string {
	if isPlain(s) {
		return strings.TrimRight(s, " ")
	}
	out := make([]byte, 0, len(s)+len(s)/8)
	line := 0         // where the current line begins in out
	marks := maxMarks // on the current base, which a line begins without
	selects := false  // what came last may be followed by a variation selector
	joins := false    // or by a joiner
	bad := false      // what came last was not UTF-8
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		size = max(size, sequence(s[i:]))
		i += size
		again := bad
		bad = r == utf8.RuneError && size == 1
		keep := true
		switch {
		case r == '\r' && strings.HasPrefix(s[i:], "\n"):
			continue
		case r == '\n' || r == '\r':
			out = append(trimLine(out, line), '\n')
			line, marks, selects, joins = len(out), maxMarks, false, false
			continue
		case r == '\t':
			out = append(out, tabSpaces...)
			marks, selects, joins = 0, false, false
			continue
		case bad && again, !Allowed(r):
			continue
		case r == joiner: // only between two emoji
			next, _ := utf8.DecodeRuneInString(s[i:])
			keep = joins && isEmoji(next)
			selects, joins = selects && !keep, joins && !keep
		case r == textStyle || r == emojiStyle:
			// Only directly after what has two styles. One elsewhere is invisible, which is how
			// data is smuggled through text.
			keep, selects = selects, false
		case isMark(r):
			keep = marks < maxMarks
			marks++
			selects, joins = selects && !keep, joins && !keep
		default:
			joins = isEmoji(r)
			marks, selects = 0, hasStyles(r)
		}
		if keep {
			out = utf8.AppendRune(out, r)
		}
	}
	return string(trimLine(out, line))
}

// sequence returns the length of the escape sequence that s begins with, 0 if it begins with none. Of one that
// does not end, it is the length of the introducer: the text behind it is not to be lost.
func sequence(s string) int {
	r, _ := utf8.DecodeRuneInString(s)
	var kind byte
	switch {
	case r == 0x1b && len(s) > 1:
		kind = s[1]
	case r >= 0x80 && r < 0xa0: // stands for ESC and a letter
		kind = byte(r) - 0x40
	}
	const introducer = 2 // bytes, of either form
	switch {
	case kind == '[':
		if end := skip(s, skip(s, introducer, '0', '?'), ' ', '/'); end < len(s) && s[end] >= '@' && s[end] <= '~' {
			return end + 1
		}
		return introducer
	case kind != 0 && strings.IndexByte("]PX^_", kind) >= 0: // a string: until BEL or ST
		end := strings.IndexFunc(s[introducer:], unicode.IsControl)
		if end < 0 {
			return introducer
		}
		for _, terminator := range []string{"\a", "\x1b\\", "\u009c"} {
			if strings.HasPrefix(s[introducer+end:], terminator) {
				return introducer + end + len(terminator)
			}
		}
		return introducer
	case r == 0x1b:
		if end := skip(s, 1, ' ', '/'); end < len(s) && s[end] >= '0' && s[end] <= '~' {
			return end + 1
		}
	}
	return 0
}

// skip returns the index of the first byte, from s[i] on, that is outside the range.
func skip(s string, i int, from, to byte) int {
	for i < len(s) && s[i] >= from && s[i] <= to {
		i++
	}
	return i
}

// trimLine takes the blanks off the end of the line that begins at out[line:].
func trimLine(out []byte, line int) []byte {
	return out[:line+len(bytes.TrimRightFunc(out[line:], isBlank))]
}

// CleanLine is Clean for text that has to stay on one line: newlines become
// spaces.
func CleanLine(s string) string {
	return strings.TrimRightFunc(strings.ReplaceAll(Clean(s), "\n", " "), isBlank)
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

// forbidden has the characters that are not sent to other screens: controls, format
// characters (bidirectional, zero-width, tags, annotations), private use, surrogates,
// separators, variation selectors, noncharacters and invisible fillers.
var forbidden = []*unicode.RangeTable{
	unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Variation_Selector,
	unicode.Noncharacter_Code_Point, unicode.Other_Default_Ignorable_Code_Point,
}

// Allowed tells whether a typed or pasted r may enter an editor at all: it is
// printable, a combining mark, or one of the few format characters that Clean
// keeps in some places, by what stands beside them. Newlines and tabs are keys, not
// text, and are not allowed.
func Allowed(r rune) bool {
	switch {
	case r < 0x7f:
		return r >= 0x20
	case r == joiner || r == textStyle || r == emojiStyle:
		return true
	}
	return r <= unicode.MaxRune && !unicode.In(r, forbidden...)
}

// isBlank tells whether r looks like a space: it is one, or a character without ink.
func isBlank(r rune) bool {
	switch r {
	case '\u2800', '\U00013441', '\U00013442', '\U00016fe4', '\U0001d159': // Braille, Egyptian, Khitan, music
		return true
	}
	return unicode.IsSpace(r)
}

// isMark tells whether r is drawn onto the character before it.
func isMark(r rune) bool {
	return r >= 0x300 && (unicode.Is(unicode.M, r) || RuneWidth(r) == 0)
}

// hasStyles tells whether r may be drawn as an emoji or as text: a symbol, or what is on a keycap.
func hasStyles(r rune) bool { return isEmoji(r) || strings.ContainsRune("0123456789#*", r) }

// isEmoji tells whether r may be joined to others like it: that is wider than Unicode's
// Extended_Pictographic, by symbols for which it does no harm.
func isEmoji(r rune) bool {
	switch {
	case r < 0xa9 || isBlank(r) || r == utf8.RuneError:
		return false
	case r >= 0x1f000 && r <= 0x1faff || unicode.Is(unicode.So, r):
		return true
	}
	return strings.ContainsRune("‼⁉ℹ↔◻◼◽◾⤴⤵〰〽", r)
}
