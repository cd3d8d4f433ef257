package terminal

import (
	"errors"
	"io"
	"strings"
)

// ErrOverflow is what ReadLine returns when more output waited than Config
// allows, because the person's terminal took none.
var ErrOverflow = errors.New("terminal: output not taken")

// Line is what a person entered.
type Line struct {
	// Text holds runes that text.Allowed lets through, and '\n' where a paste had
	// newlines. It is still to be cleaned by text.Clean.
	Text string
	// Over is 0, or the length in bytes of all that was typed or pasted, when that
	// is more than MaxText; Text is the part of it that the editor kept.
	Over int
	// Pasted tells whether some of it was pasted.
	Pasted bool
}

// newlineSign stands in the editor for a newline of a pasted text.
const newlineSign = "\u2424"

// bigLine is the length from which on a line's memory is given back at once.
const bigLine = 512

// ReadLine returns the next line that the person enters.
//
// When Enter was pressed, erase is asked whether the rows with the typed line are
// to be erased, because the text will come back as the room shows it, or stay;
// nothing else can get onto the screen meanwhile. It must not block and must not
// call the Terminal. A nil erase lets them stay.
//
// The error is io.EOF after ^D on an empty line and at the end of input, else
// what reading failed with; with it comes, as Line, what was typed but never
// entered. All later calls return the error, with an empty Line.
func (t *Terminal) ReadLine(erase func(Line) bool) (Line, error) {
	for t.in.ended == nil {
		s, err := t.editLine()
		if t.in.active.entering() {
			if line, ok := t.entered(s, erase); ok {
				return line, nil
			}
			continue
		}
		if err == nil {
			err = io.ErrUnexpectedEOF // x/term returned a line that the filter let no Enter in for
		}
		t.in.ended = err
		return t.in.takeLine(t.in.unsaid), err
	}
	return Line{}, t.in.ended
}

// editLine runs x/term for one line. It reports a panic in what the filter calls
// only after x/term has left its locks: one passing through it is fatal to the
// process.
func (t *Terminal) editLine() (string, error) {
	s, err := t.edit.ReadLine()
	if p := t.in.panicked; p != nil {
		t.in.panicked = nil
		if t.in.active.entering() {
			t.in.active = opNone
			t.screen.Unlock()
		}
		panic(p)
	}
	return s, err
}

// entered ends a line that x/term has returned; the filter has locked screen for
// it. It reports whether there is a line to return: ^C leaves none.
func (t *Terminal) entered(s string, erase func(Line) bool) (Line, bool) {
	defer t.wake()
	defer t.screen.Unlock()
	interrupted := t.in.active == opInterrupt
	t.in.active = opNone
	line := t.in.takeLine(s)
	gone := interrupted || erase != nil && erase(line)
	t.out.endLine(gone)
	if len(s) > bigLine {
		t.renew()
	}
	return line, !interrupted
}

// takeLine makes a Line of what the editor held and begins the next one.
func (f *filter) takeLine(s string) Line {
	line := Line{Text: strings.ReplaceAll(s, newlineSign, "\n"), Pasted: f.pasted}
	if all := len(line.Text) + f.dropped; f.dropped > 0 && all > f.max {
		line.Over = all
	}
	f.used, f.exact, f.dropped, f.pasted, f.unsaid = 0, true, 0, false, ""
	return line
}
