package terminal

import (
	"strconv"
	"unicode/utf8"

	"whoelse/sessions/text"
)

// tracker follows where the cursor of a terminal is, relative to where the
// prompt began, in what x/term writes while a line is edited: text, CR, LF,
// cursor movements and erasing. It does what an xterm does, by cells; x/term's
// own idea counts runes, and the two differ as soon as a character is wide.
type tracker struct {
	size     size
	row, col int
	low      int  // the lowest row reached
	wrap     bool // the last column is filled: the next character wraps
	escape   bool // in an escape sequence
	number   int  // its last parameter
}

// home makes the cursor's position the one where the next prompt begins.
func (t *tracker) home() {
	*t = tracker{size: t.size}
}

// feed follows one write. Characters and sequences are whole.
func (t *tracker) feed(p []byte) {
	for len(p) > 0 {
		r, n := rune(p[0]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(p)
		}
		p = p[n:]
		switch {
		case t.escape:
			t.sequence(r)
		case r >= 0x20 && r != 0x7f:
			t.char(r)
		case r == '\r':
			t.col, t.wrap = 0, false
		case r == '\n':
			t.down()
			t.wrap = false
		case r == '\x1b':
			t.escape, t.number = true, 0
		}
	}
}

func (t *tracker) char(r rune) {
	w := 1
	if r >= utf8.RuneSelf {
		if w = text.RuneWidth(r); w == 0 {
			return
		}
	}
	if t.wrap || t.col+w > t.size.width {
		t.col, t.wrap = 0, false
		t.down()
	}
	if t.col += w; t.col >= t.size.width {
		t.col, t.wrap = t.size.width-1, true
	}
}

func (t *tracker) down() {
	t.row++
	t.low = max(t.low, t.row)
}

// sequence takes one character after ESC.
func (t *tracker) sequence(r rune) {
	switch {
	case r >= '0' && r <= '9':
		t.number = min(10*t.number+int(r-'0'), 1<<20)
		return
	case r == '[':
		return
	case r == ';':
		t.number = 0
		return
	}
	t.escape = false
	t.move(r, max(t.number, 1))
}

// move does a cursor movement. Upwards it ends at the top of the screen, which
// is known only when the line is so long that its lowest row must be the bottom.
func (t *tracker) move(final rune, n int) {
	switch final {
	case 'A':
		t.row = max(t.row-n, t.low-t.size.height+1)
	case 'B':
		t.row = min(t.row+n, t.low)
	case 'C':
		t.col = min(t.col+n, t.size.width-1)
	case 'D':
		t.col = max(t.col-n, 0)
	default:
		return
	}
	t.wrap = false
}

// up appends the sequence that moves the cursor n rows up.
func up(dst []byte, n int) []byte {
	if n <= 0 {
		return dst
	}
	dst = append(dst, "\x1b["...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, 'A')
}
