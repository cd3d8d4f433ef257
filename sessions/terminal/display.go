package terminal

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"whoelse/sessions/text"
)

const (
	usual      = "> "     // the prompt, until SetPrompt
	keepOutput = 1 << 10  // the largest buffer that is kept when its content was taken
	maxKept    = 64 << 10 // bytes that wait for Take; with more, entered lines do not stay on the screen
	maxAbove   = 3 << 10  // bytes of what was shown that are kept: enough for most windows
)

type size struct{ width, height int }

// place is a position on the screen, relative to where the prompt begins.
type place struct{ row, col int }

// glyph is a character as it is drawn.
type glyph struct {
	size   int    // of the character, in bytes
	shown  string // it, or in a narrow window its first rune
	cells  int    // that it is to take
	most   int    // that it may take at first
	unsure bool   // terminals differ: the cursor is to be put behind its cells, and the others erased
}

// glyphOf is how the first character of s is drawn.
func glyphOf(s string, width int) (g glyph) {
	size, sequence := text.Character(s)
	g = glyph{size: size, shown: s[:size], unsure: sequence}
	parts := 0
	for _, r := range g.shown {
		w := text.RuneWidth(r)
		g.cells += w
		parts += min(w, 1)
	}
	g.most = g.cells
	if !sequence {
		return g
	}
	g.cells = 2
	if g.most = max(2*parts, g.cells+1); g.most > width {
		r, size := utf8.DecodeRuneInString(s)
		g.shown, g.cells = s[:size], text.RuneWidth(r)
		g.most, g.unsure = g.cells, false
	}
	return g
}

// add goes over one character. It tells whether that begins a row.
func (p *place) add(g glyph, width int) (wraps bool) {
	if wraps = g.cells > 0 && p.col+g.most > width; wraps {
		*p = place{row: p.row + 1}
	}
	p.col += g.cells
	return wraps
}

// rest is where the cursor is put: never behind a filled last column, where terminals
// differ, but in the next row.
func (p place) rest(width int) place {
	if p.col >= width {
		return place{row: p.row + 1}
	}
	return p
}

// after is where the cursor is behind s.
func after(s string, width int) (p place) {
	for len(s) > 0 {
		g := glyphOf(s, width)
		p.add(g, width)
		s = s[g.size:]
	}
	return p.rest(width)
}

// display keeps the line being edited on the screen, below everything that was printed, and
// collects what that takes for Take. It locks by itself, for no longer than that
// takes, so any goroutine may call its methods.
type display struct {
	mu   sync.Mutex
	size size

	prompt string
	wanted string // the line that is to be seen, with the prompt; "" for none
	want   int    // where its cursor is to be, in bytes

	line  string // on the screen, with the prompt; "" if there is none
	pos   int    // the cursor's, in bytes of line
	place        // the cursor's on the screen
	low   int    // the lowest row that was reached

	above []byte // the last lines that were shown above it, the first one perhaps cut

	buf    []byte
	closed bool // nothing is drawn any more

	wake func() // Config.Wake
}

// SetPrompt changes the prompt of the next line; "" is the usual one. It is one row of ASCII.
func (d *display) SetPrompt(prompt string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prompt = cmp.Or(prompt, usual)
}

// show has Take show the line as it is now, with the prompt. However much is typed between two
// calls of Take, the screen gets what has changed in the end.
func (d *display) show(line string, pos int) {
	d.mu.Lock()
	before, same := strings.CutPrefix(d.wanted, d.prompt)
	changed := !same || before != line || d.want != len(d.prompt)+pos
	if changed {
		d.wanted, d.want = d.prompt+line, len(d.prompt)+pos
	}
	d.mu.Unlock()
	if changed {
		d.wake()
	}
}

// enter ends the line: its rows are erased, or stay as they are. They do not stay if the client takes
// no output while its user types on.
func (d *display) enter(line string, gone bool) {
	defer d.wake()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
	case (gone || len(d.buf) > maxKept) && d.top() > 0:
		d.wipe(d.size.height-1, d.size.width)
	case gone || len(d.buf) > maxKept:
		d.erase()
	default:
		line = d.prompt + line
		d.draw(line, len(line))
		if d.col > 0 || d.row == 0 {
			d.emit("\r\n")
		}
		d.remember([]byte(line + "\n"))
		d.home()
	}
	d.wanted = ""
}

// Print shows p, which is whole lines ending in "\n", above the line being
// edited. One call for all there is to show is much cheaper than one for each
// line. p may hold SGR sequences and BEL, and is not kept. All of it waits for Take
// then, whatever its length: its bounds are the writer's. The writer's only.
func (d *display) Print(p []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.erase()
	d.lines(p)
	d.remember(p)
}

// Resize follows a change of the person's window. Some terminals wrap the rows on the screen
// anew, others cut or extend them, so nobody knows where the rows of a long line are
// then: all is erased, and what stood above it shown again as far as it is known.
// The writer's only.
func (d *display) Resize(width, height int) {
	to := clampSize(width, height)
	d.mu.Lock()
	defer d.mu.Unlock()
	row := after(d.line, min(to.width, d.size.width)).row
	switch {
	case d.closed || to == d.size:
		return
	case row > 0 && to.width != d.size.width:
		// Rows that are too many are kept in the terminal's history.
		d.wipe(max(to.height, d.size.height), max(to.width, d.size.width))
	default:
		d.erase()
	}
	d.size = to
}

// Clear erases the screen; the prompt and what is being typed move to its top.
func (d *display) Clear() {
	const clear = "\x1b[H\x1b[2J"
	defer d.wake()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || bytes.HasSuffix(d.buf, []byte(clear)) {
		return
	}
	d.emit(clear)
	d.above = d.above[:0]
	d.home()
}

// Close leaves the person's terminal as it was: without the prompt, the cursor at the
// start of a row, and pastes no longer marked. Nothing is shown after it.
func (d *display) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.erase()
	d.emit("\x1b[?2004l")
	d.closed = true
}

// Take appends all output that waits to dst, the last change of the line among it, and forgets it.
func (d *display) Take(dst []byte) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted != "" && !d.closed {
		d.draw(d.wanted, d.want)
	}
	dst = append(dst, d.buf...)
	d.buf = d.buf[:0]
	if cap(d.buf) > keepOutput {
		d.buf = nil
	}
	return dst
}

// The caller of all below holds mu.

func (d *display) emit(s string) { d.buf = append(d.buf, s...) }

// lines appends p with a CR before each LF, and an LF at the end.
func (d *display) lines(p []byte) {
	d.buf = slices.Grow(d.buf, len(p)+bytes.Count(p, []byte{'\n'})+64)
	for len(p) > 0 {
		line, rest, _ := bytes.Cut(p, []byte{'\n'})
		d.buf = append(append(d.buf, line...), '\r', '\n')
		p = rest
	}
}

// remember keeps p, which was shown last.
func (d *display) remember(p []byte) {
	p = p[max(0, len(p)-maxAbove):]
	old := d.above[max(0, len(d.above)+len(p)-maxAbove):]
	d.above = append(append(d.above[:0], old...), p...)
}

// wipe erases the screen and shows what stood above the line again, as many rows as are
// known. The first row is erased last: a screen erased from its top at once is kept in
// the history of some terminals.
func (d *display) wipe(rows, width int) {
	d.emit("\x1b[2H\x1b[J\x1b[H\x1b[K")
	d.home()
	from := len(d.above)
	for from > 0 && rows > 0 {
		start := bytes.LastIndexByte(d.above[:from-1], '\n') + 1
		if start == 0 && len(d.above) == maxAbove {
			break // a piece of a line
		}
		cells := text.Width(string(d.above[start : from-1]))
		rows -= max(1, (cells+width-1)/width)
		from = start
	}
	d.lines(bytes.ReplaceAll(d.above[from:], []byte{'\a'}, nil))
}

// draw brings line onto the screen, from the first difference on to what is
// there, and puts the cursor at pos.
func (d *display) draw(line string, pos int) {
	width := d.size.width
	if line != d.line {
		same := commonStart(d.line, line)
		at := after(line[:same], width)
		if at.row < d.top() {
			d.erase()
			same, at = 0, d.place
		}
		d.moveTo(at)
		if same < len(d.line) {
			d.emit(d.eraser())
		}
		d.write(line[same:])
		d.line = line
	}
	d.pos = pos
	d.moveTo(after(line[:pos], width))
}

// home notes that there is no line on the screen.
func (d *display) home() {
	d.line, d.pos, d.place, d.low = "", 0, place{}, 0
}

// write writes text where the cursor is, beginning rows by itself, and gets the cursor out
// of a filled last column.
func (d *display) write(s string) {
	at, width := d.place, d.size.width
	for len(s) > 0 {
		g := glyphOf(s, width)
		if at.add(g, width) {
			d.emit("\r\n")
		}
		d.emit(g.shown)
		if g.unsure {
			d.emit("\r")
			d.move(at.col, 'C')
			d.emit("\x1b[K")
		}
		s = s[g.size:]
	}
	if d.place = at.rest(width); d.place != at {
		d.emit("\r\n")
	}
	d.low = max(d.low, d.row)
}

// erase removes the line from the screen and leaves the cursor where the prompt
// began. Should that have scrolled off, it is left at the screen's top.
func (d *display) erase() {
	if d.line == "" {
		return
	}
	d.move(d.row, 'A')
	d.place = place{}
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

// top returns the uppermost row that is on the screen. It is not the first one
// when the line is so long that its lowest row must be at the bottom.
func (d *display) top() int { return max(0, d.low-d.size.height+1) }

// moveTo moves the cursor, or as near as the screen allows.
func (d *display) moveTo(at place) {
	at.row = max(at.row, d.top())
	d.move(d.row-at.row, 'A')
	d.move(at.row-d.row, 'B')
	if at.col == 0 && d.col > 0 {
		d.emit("\r")
	} else {
		d.move(at.col-d.col, 'C')
		d.move(d.col-at.col, 'D')
	}
	d.place = at
}

// move emits a cursor movement, if there is any.
func (d *display) move(n int, final byte) {
	if n <= 0 {
		return
	}
	d.emit("\x1b[")
	if n > 1 {
		d.buf = strconv.AppendInt(d.buf, int64(n), 10)
	}
	d.buf = append(d.buf, final)
}

// commonStart returns how many bytes of a and b are the same at their beginning
// and need not be drawn again: whole characters.
func commonStart(a, b string) int {
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	for same > 0 && same < len(a) && !utf8.RuneStart(a[same]) {
		same--
	}
	at := text.Begins(a[:same])
	for at < same {
		n, _ := text.Character(a[at:])
		if other, _ := text.Character(b[at:]); other != n || at+n > same {
			break
		}
		at += n
	}
	return at
}
