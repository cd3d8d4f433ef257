package terminal

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
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

	buf    []byte
	max    int
	over   bool // more than max bytes waited: nothing is added any more
	closed bool
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

// edit shows the line as it is now, and the prompt if that is not there.
func (d *display) edit(line string, pos int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shown && line == d.line && pos == d.pos {
		return
	}
	d.draw(line, pos)
	d.tell = true
}

// enter ends the line: its rows are erased, or stay as they are.
func (d *display) enter(line string, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if gone {
		d.erase()
		return
	}
	d.draw(line, len(line))
	if d.col > 0 || d.row == 0 {
		d.emit("\r\n")
	}
	d.home()
}

func (d *display) print(p []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	shown, line, pos := d.shown, d.line, d.pos
	d.erase()
	d.lines(p)
	if shown {
		d.draw(line, pos)
	}
}

// resize draws the line for another size. What of it was on the screen is
// erased as if its rows had only been cut or extended. A terminal that wraps
// them anew when the window gets narrower is left with a piece of the line's
// beginning above it: erasing that too would cost, on all others, rows of what
// people said.
func (d *display) resize(to size) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if to == d.size {
		return
	}
	shown, line, pos := d.shown, d.line, d.pos
	d.erase()
	d.size = to
	if shown {
		d.draw(line, pos)
	}
}

func (d *display) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	shown, line, pos := d.shown, d.line, d.pos
	d.emit("\x1b[H\x1b[2J")
	d.home()
	if shown {
		d.draw(line, pos)
	}
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
	d.buf, d.tell = d.buf[:0], false
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
func (d *display) emit(s string) {
	if d.room() {
		d.buf = append(d.buf, s...)
	}
}

func (d *display) emitRune(r rune) {
	if d.room() {
		d.buf = utf8.AppendRune(d.buf, r)
	}
}

// lines appends p with a CR before each LF, and an LF at the end.
func (d *display) lines(p []byte) {
	if !d.room() {
		return
	}
	d.buf = slices.Grow(d.buf, len(p)+bytes.Count(p, []byte{'\n'})+64)
	for len(p) > 0 {
		line, rest, _ := bytes.Cut(p, []byte{'\n'})
		d.buf = append(append(d.buf, line...), '\r', '\n')
		p = rest
	}
}

// room tells whether anything may still be appended. It looks at what is there
// already, so that one Print is not too much by itself.
func (d *display) room() bool {
	if len(d.buf) > d.max {
		d.over = true
	}
	return !d.over && !d.closed
}
