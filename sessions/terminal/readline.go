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

// bigLine is the length from which on a line's memory is given back at once.
const bigLine = 512

// ReadLine shows the prompt and returns the next line that the person enters.
//
// When Enter was pressed, erase is asked whether the rows with the typed line are
// to be erased, because the text will come back as the room shows it, or stay.
// What is printed until it has answered is shown above those rows. Between two
// ReadLines there is no prompt.
//
// The error is io.EOF after ^D on an empty line and at the end of input, else
// what reading failed with; with it comes, as Line, what was typed but never
// entered. All later calls return the error, with an empty Line.
func (t *Terminal) ReadLine(erase func(Line) bool) (Line, error) {
	if t.in.ended != nil {
		return Line{}, t.in.ended
	}
	defer t.wake()
	s, err := t.editor.ReadPassword("")
	if p := t.in.panicked; p != nil { // only here, as one passing through x/term is fatal to the process
		t.in.panicked = nil
		panic(p)
	}
	if err != nil {
		t.in.ended = err
		s = t.in.line
	}
	line := Line{Text: strings.ReplaceAll(s, newlineSign, "\n"), Pasted: t.in.pasted}
	if all := utf8.RuneCountInString(s) + t.in.dropped; t.in.dropped > 0 && all > t.in.max {
		line.Over = all
	} else if err == nil {
		t.in.past.add(s)
	}
	t.in.begin()
	if err != nil {
		return line, err
	}
	t.enter(s, erase(line))
	if len(s) > bigLine {
		t.renew()
	}
	return line, nil
}

// renew replaces x/term's terminal, which never gives back the memory that a
// long line took. The reader's, and only between two lines.
func (t *Terminal) renew() {
	t.editor = term.NewTerminal(keyboard{&t.in}, "")
}

// keyboard is what x/term sits on: something to read from, and nothing to draw on.
type keyboard struct{ *filter }

func (keyboard) Write(p []byte) (int, error) { return len(p), nil }
