package terminal

import (
	"bytes"

	"whoelse/sessions/text"
)

// maxAbove is how many bytes of what was shown are kept: enough for most windows.
const maxAbove = 3 << 10

// above remembers the last lines that were shown above the one being edited.
type above struct {
	lines []byte // whole ones, each with its newline
}

func (a *above) add(p []byte) {
	p = p[max(0, len(p)-maxAbove):]
	if over := len(a.lines) + len(p) - maxAbove; over > 0 {
		a.lines = append(a.lines[:0], a.lines[over:]...)
		a.cut()
	}
	whole := len(a.lines) == 0
	a.lines = append(a.lines, p...)
	if whole && len(p) == maxAbove {
		a.cut()
	}
}

// cut drops the piece of a line that lines begins with.
func (a *above) cut() {
	rest := a.lines[bytes.IndexByte(a.lines, '\n')+1:]
	a.lines = append(a.lines[:0], rest...)
}

func (a *above) forget() { a.lines = a.lines[:0] }

// last returns as many of the lines as fill that many rows, without their bells.
func (a *above) last(rows, width int) []byte {
	from := len(a.lines)
	for from > 0 && rows > 0 {
		start := bytes.LastIndexByte(a.lines[:from-1], '\n') + 1
		cells := text.Width(withoutColours(string(a.lines[start : from-1])))
		rows -= max(1, (cells+width-1)/width)
		from = start
	}
	return bytes.ReplaceAll(a.lines[from:], []byte{'\a'}, nil)
}
