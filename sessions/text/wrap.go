package text

import (
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// AppendWrapped appends clean text s, broken into rows of at most width cells,
// to dst. The first row begins in column col, whatever stands before it having
// been printed already; all later rows, wrapped or after a newline of s, are
// indented by indent spaces. Rows are separated by '\n', with none at the end.
//
// Rows break at spaces, which are swallowed there, and before and after wide
// characters; a word longer than a row is broken between grapheme clusters.
// With a width of zero or less only s's own newlines break rows. An indent that
// would take more than half the width is replaced by a small one.
func AppendWrapped(dst []byte, s string, width, col, indent int) []byte {
	w := wrapper{dst: dst, width: width, col: col, indent: max(indent, 0)}
	if width > 0 {
		if w.indent > width/2 {
			w.indent = min(2, width/4)
		}
		w.col = max(col, 0) % width
	}
	for {
		line, rest, more := strings.Cut(s, "\n")
		w.line(line)
		if !more {
			return w.dst
		}
		w.newline(rest != "" && rest[0] != '\n')
		s = rest
	}
}

// wrapper is the state of one AppendWrapped.
type wrapper struct {
	dst                []byte
	width, col, indent int
	used               bool // the current row holds something that a break could part from
}

// newline begins a row, indented if anything is to stand on it.
func (w *wrapper) newline(indented bool) {
	w.dst = append(w.dst, '\n')
	w.col, w.used = 0, false
	if indented {
		w.spaces(w.indent)
	}
}

func (w *wrapper) spaces(n int) {
	for range n {
		w.dst = append(w.dst, ' ')
	}
	w.col += n
}

func (w *wrapper) put(s string, cells int) {
	w.dst = append(w.dst, s...)
	w.col += cells
	w.used = true
}

// line wraps one line, whose first row may have begun.
func (w *wrapper) line(s string) {
	if w.width <= 0 || len(s) <= w.width-w.col && isASCII(s) {
		w.dst = append(w.dst, s...)
		return
	}
	w.used = w.col > w.indent
	for s != "" {
		gap := countSpaces(s)
		word, cells := nextWord(s[gap:])
		s = s[gap+len(word):]
		if word == "" {
			return
		}
		w.word(gap, word, cells)
	}
}

// word puts a word that gap spaces stand before.
func (w *wrapper) word(gap int, word string, cells int) {
	room := w.width - w.col
	switch {
	case gap+cells <= room:
		w.spaces(gap)
		w.put(word, cells)
	case cells > w.width-w.indent:
		w.spaces(max(0, min(gap, room-1)))
		w.split(word)
	case w.used:
		w.newline(true)
		w.put(word, cells)
	default:
		w.spaces(max(0, room-cells))
		w.put(word, cells)
	}
}

// split breaks a word that fits on no row.
func (w *wrapper) split(word string) {
	for g := displaywidth.StringGraphemes(word); g.Next(); {
		cells := g.Width()
		if w.col+cells > w.width && (w.used || w.col > w.indent) {
			w.newline(true)
		}
		w.put(g.Value(), cells)
	}
}

// countSpaces returns how many spaces s begins with that nothing is drawn onto.
func countSpaces(s string) int {
	n := 0
	for n < len(s) && s[n] == ' ' {
		n++
	}
	if n == 0 || n == len(s) || s[n] < utf8.RuneSelf {
		return n
	}
	if r, _ := utf8.DecodeRuneInString(s[n:]); isMark(r) || r == joiner {
		n--
	}
	return n
}

// nextWord returns what s begins with that is not to be broken: all up to the
// next space or wide character, or one wide character. What it begins with is
// never a break, even a space, which then has a mark.
func nextWord(s string) (word string, cells int) {
	n := 0
	for n < len(s) && s[n] > ' ' && s[n] < utf8.RuneSelf {
		n++
	}
	if n == len(s) || n > 0 && s[n] == ' ' {
		return s[:n], n
	}
	n = 0
	for g := displaywidth.StringGraphemes(s); g.Next(); {
		v, wide := g.Value(), g.Width()
		if n > 0 && (v == " " || wide > 1) {
			break
		}
		n += len(v)
		cells += wide
		if wide > 1 {
			break
		}
	}
	return s[:n], cells
}
