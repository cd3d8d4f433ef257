package terminal

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// keepOutput is the largest buffer that is kept when its content was taken.
const keepOutput = 1 << 10

type size struct{ width, height int }

// display draws the line being edited, below everything that was printed, and
// collects what it draws for Take. It locks by itself, for no longer than that
// takes, so any goroutine may call its methods.
type display struct {
	mu     sync.Mutex
	size   size
	prompt string // with its colours
	bare   string // what of it takes up cells

	// The line on the screen, if shown, and the cursor, relative to where the
	// prompt begins. The cursor never rests behind a filled last column, where
	// terminals differ, but in the next row.
	shown    bool
	line     string
	pos      int // the cursor's, in bytes of line
	row, col int
	low      int // the lowest row that was reached

	above above // what was shown above it last

	buf    []byte
	echoed int  // bytes of it that the reader had drawn
	max    int  // of echoed
	over   bool // it was more: the reader draws nothing any more
	closed bool // nobody does
	tell   bool // something was drawn since untold was last asked
}

// setPrompt takes a prompt, or a default for one that cannot be used.
func (d *display) setPrompt(p string) {
	d.prompt, d.bare = p, withoutColours(p)
	if d.bare == "" || strings.ContainsAny(d.bare, "\r\n\t") {
		d.prompt, d.bare = "> ", "> "
	}
}

// withoutColours returns s without its escape sequences, which end in a letter.
func withoutColours(s string) string {
	escape := false
	return strings.Map(func(r rune) rune {
		switch {
		case escape:
			escape = (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
			return -1
		case r == '\x1b':
			escape = true
			return -1
		}
		return r
	}, s)
}

// echo draws for the reader, unless too much of what it has drawn is not taken.
// The limit is for somebody whose terminal takes nothing and who types on. What
// the writer draws does not count: it takes that at once, and nothing of it is
// ever left out.
func (d *display) echo(draw func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || d.closed {
		return
	}
	before := len(d.buf)
	draw()
	d.echoed += len(d.buf) - before
	d.over = d.echoed > d.max
}

// edit shows the line as it is now, and the prompt if that is not there.
func (d *display) edit(line string, pos int) {
	d.echo(func() {
		if d.shown && line == d.line && pos == d.pos {
			return
		}
		d.draw(line, pos)
		d.tell = true
	})
}

// enter ends the line: its rows are erased, or stay as they are.
func (d *display) enter(line string, gone bool) {
	d.echo(func() {
		if gone && d.top() > 0 {
			d.wipe(d.size.height-1, d.size.width)
			return
		}
		if gone {
			d.erase()
			return
		}
		d.draw(line, len(line))
		if d.col > 0 || d.row == 0 {
			d.emit("\r\n")
		}
		d.above.add([]byte(d.prompt + line + "\n"))
		d.home()
	})
}

func (d *display) print(p []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	shown, line, pos := d.shown, d.line, d.pos
	d.erase()
	d.lines(p)
	d.above.add(p)
	if shown {
		d.draw(line, pos)
	}
}

// resize draws the line for another size. Some terminals wrap the rows on the screen
// anew, others cut or extend them, so nobody knows where the rows of a long line are
// then: all is erased, and what stood above it shown again as far as it is known.
func (d *display) resize(to size) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if to == d.size || d.closed {
		return
	}
	shown, line, pos := d.shown, d.line, d.pos
	rows := 1 + place{}.over(d.bare+line, min(to.width, d.size.width)).row
	if shown && rows > 1 && to.width != d.size.width {
		d.wipe(max(to.height, d.size.height), to.width) // what is too much is kept in the terminal's history
	} else {
		d.erase()
	}
	d.size = to
	if shown {
		d.draw(line, pos)
	}
}

// wipe erases the screen and shows what stood above the line again, as many rows as are
// known. The first row is erased last: a screen erased from its top at once is kept in
// the history of some terminals.
func (d *display) wipe(rows, width int) {
	d.emit("\x1b[2H\x1b[J\x1b[H\x1b[K")
	d.home()
	d.lines(d.above.last(rows, width))
}

func (d *display) clear() {
	d.echo(func() {
		shown, line, pos := d.shown, d.line, d.pos
		d.emit("\x1b[H\x1b[2J")
		d.above.forget()
		d.home()
		if shown {
			d.draw(line, pos)
		}
	})
}

// close ends all output and returns what is left to write.
func (d *display) close(last string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	waiting := d.buf
	d.buf = nil
	d.erase()
	out := append(d.buf, last...)
	d.buf, d.closed = waiting, true
	return out
}

// untold tells, once, whether something was drawn.
func (d *display) untold() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	tell := d.tell
	d.tell = false
	return tell
}

func (d *display) take(dst []byte) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	dst = append(dst, d.buf...)
	d.buf, d.echoed, d.tell = d.buf[:0], 0, false
	if cap(d.buf) > keepOutput {
		d.buf = nil
	}
	return dst
}

func (d *display) overflowed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}

// emit appends to the output. The caller of this and all below holds mu.
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
