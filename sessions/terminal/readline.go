package terminal

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// ErrOverflow is what ReadLine returns, at once, when more echoes wait than Config
// allows, because the person types on and their terminal takes nothing. What came
// after them was not drawn: the session is to be ended.
var ErrOverflow = errors.New("terminal: output not taken")

// Line is what a person entered.
type Line struct {
	// Text holds runes that text.Allowed lets through, and '\n' where a paste had
	// newlines. It is still to be cleaned by text.Clean.
	Text string
	// Over is 0, or the number of characters of all that was typed or pasted, when that
	// is more than MaxText; Text is the part of it that the editor kept. It is not
	// called back by the up key: a part of a message is not what was meant.
	Over int
	// Pasted tells whether some of it was pasted.
	Pasted bool
}

// newlineSign stands in the editor for a newline of a pasted text.
const newlineSign = "\u2424"

// bigLine is the length from which on a line's memory is given back at once.
const bigLine = 512

// ReadLine shows the prompt and returns the next line that the person enters.
//
// When Enter was pressed, erase is asked whether the rows with the typed line are
// to be erased, because the text will come back as the room shows it, or stay.
// What is printed until it has answered is shown above those rows. A nil erase
// lets them stay. Between two ReadLines there is no prompt.
//
// The error is io.EOF after ^D on an empty line and at the end of input, else
// what reading failed with; with it comes, as Line, what was typed but never
// entered. All later calls return the error, with an empty Line.
func (t *Terminal) ReadLine(erase func(Line) bool) (Line, error) {
	if t.in.ended != nil {
		return Line{}, t.in.ended
	}
	defer t.wake()
	t.out.edit("", 0)
	s, err := t.editLine()
	if err != nil {
		t.in.ended = err
		return t.in.takeLine(t.in.line), err
	}
	line := t.in.takeLine(s)
	if line.Over == 0 {
		t.in.past.add(s)
	}
	t.in.stale = false
	t.out.enter(s, erase != nil && erase(line))
	if len(s) > bigLine {
		t.renew()
	}
	return line, nil
}

// editLine runs x/term for one line. A panic in what the filter calls is reported
// only after x/term has left its lock: one passing through it is fatal to the
// process.
func (t *Terminal) editLine() (string, error) {
	s, err := t.edit.ReadPassword("")
	if p := t.in.panicked; p != nil {
		t.in.panicked = nil
		panic(p)
	}
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil // there are no paste markers in what the filter lets through
	}
	return s, err
}

// takeLine makes a Line of what the editor held and begins the next one.
func (f *filter) takeLine(s string) Line {
	line := Line{Text: strings.ReplaceAll(s, newlineSign, "\n"), Pasted: f.pasted}
	if all := utf8.RuneCountInString(line.Text) + f.dropped; f.dropped > 0 && all > f.max {
		line.Over = all
	}
	f.begin()
	return line
}

// begin forgets everything about the line that was edited.
func (f *filter) begin() {
	f.line = ""
	f.used, f.exact, f.dropped, f.pasted = 0, true, 0, false
	f.past.forgetPlace()
}
