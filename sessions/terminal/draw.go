package terminal

import (
	"strconv"
	"unicode/utf8"

	"whoelse/sessions/text"
)

// place is a position on the screen, relative to where the prompt begins.
type place struct {
	row, col int
	full     bool // the last column is filled: what comes next stands in the next row
}

// add goes over one character, as a terminal does that knows no clusters. It
// tells whether the character begins a row.
func (p *place) add(r rune, width int) (wraps bool) {
	w := text.RuneWidth(r)
	if w > 0 && (p.full || p.col+w > width) {
		*p, wraps = place{row: p.row + 1}, true
	}
	p.col += w
	p.full = p.col == width
	return wraps
}

// rest is where the cursor is put.
func (p place) rest() place {
	if p.full {
		return place{row: p.row + 1}
	}
	return p
}

// over goes over a text.
func (p place) over(s string, width int) place {
	for _, r := range s {
		p.add(r, width)
	}
	return p
}

// draw brings line onto the screen, from the first difference on to what is
// there, and puts the cursor at pos.
func (d *display) draw(line string, pos int) {
	if !d.shown {
		d.begin()
	}
	w := d.size.width
	prompt := place{}.over(d.bare, w)
	if line != d.line {
		same := commonStart(d.line, line)
		at := prompt.over(line[:same], w).rest()
		if at.row < d.top() || same == 0 && (drawnOnto(d.line) || drawnOnto(line)) {
			d.erase()
			d.begin()
			same, at = 0, prompt.rest()
		}
		d.moveTo(at)
		if same < len(d.line) {
			d.emit(d.eraser())
		}
		d.write(line[same:])
		d.line = line
	}
	d.pos = pos
	d.moveTo(prompt.over(line[:pos], w).rest())
}

// begin writes the prompt.
func (d *display) begin() {
	d.home()
	d.shown = true
	d.emit(d.prompt)
	d.arrive(place{}.over(d.bare, d.size.width))
}

// write writes text where the cursor is, beginning rows by itself.
func (d *display) write(s string) {
	at := place{row: d.row, col: d.col}
	for _, r := range s {
		if at.add(r, d.size.width) {
			d.emit("\r\n")
		}
		d.buf = utf8.AppendRune(d.buf, r)
	}
	d.arrive(at)
}

// arrive notes where the cursor is after writing, and gets it out of a filled
// last column.
func (d *display) arrive(at place) {
	if at.full {
		d.emit("\r\n")
	}
	at = at.rest()
	d.row, d.col = at.row, at.col
	d.low = max(d.low, d.row)
}

// erase removes the line from the screen and leaves the cursor where the prompt
// began. Should that have scrolled off, it is left at the screen's top.
func (d *display) erase() {
	if !d.shown {
		return
	}
	d.move(d.row, 'A')
	d.row, d.col = 0, 0
	d.emit("\r" + d.eraser())
	d.home()
}

// eraser erases from the cursor to the line's end. In the usual case, a line of
// one row, that is not the rest of the screen: some terminals take a screen
// erased from its top for one to be kept in their history.
func (d *display) eraser() string {
	if d.row == d.low {
		return "\x1b[K"
	}
	return "\x1b[J"
}

// home notes that there is no line on the screen.
func (d *display) home() {
	d.shown, d.line, d.pos = false, "", 0
	d.row, d.col, d.low = 0, 0, 0
}

// top returns the uppermost row that is on the screen. It is not the first one
// when the line is so long that its lowest row must be at the bottom.
func (d *display) top() int {
	return max(0, d.low-d.size.height+1)
}

// moveTo moves the cursor, as near as the screen allows.
func (d *display) moveTo(at place) {
	row := max(at.row, d.top())
	d.move(d.row-row, 'A')
	d.move(row-d.row, 'B')
	if at.col == 0 && d.col > 0 {
		d.emit("\r")
	} else {
		d.move(at.col-d.col, 'C')
		d.move(d.col-at.col, 'D')
	}
	d.row, d.col = row, at.col
}

// move emits a cursor movement, if there is any.
func (d *display) move(n int, final byte) {
	if n <= 0 {
		return
	}
	d.buf = append(d.buf, "\x1b["...)
	if n > 1 {
		d.buf = strconv.AppendInt(d.buf, int64(n), 10)
	}
	d.buf = append(d.buf, final)
}

// commonStart returns how many bytes of a and b are the same at their beginning
// and need not be drawn again: in either, the next character is not one that is
// drawn onto them.
func commonStart(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && (drawnOnto(a[n:]) || drawnOnto(b[n:])) {
		_, size := utf8.DecodeLastRuneInString(a[:n])
		n -= size
	}
	return n
}

// drawnOnto tells whether s goes on with what belongs to the character before:
// a mark, or bytes within a character.
func drawnOnto(s string) bool {
	if s == "" || s[0] < utf8.RuneSelf {
		return false
	}
	r, _ := utf8.DecodeRuneInString(s)
	return r == utf8.RuneError || text.RuneWidth(r) == 0
}
