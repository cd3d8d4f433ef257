package terminal

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// ErrOverflow is what ReadLine returns, at once, when more echoes wait than Config
// allows, because the person types on and their client takes no output. Later
// changes were not drawn: the session is to be ended.
var ErrOverflow = errors.New("terminal: output not taken")

// Line is what a person entered.
type Line struct {
	// Text holds runes that text.Allowed lets through, and '\n' where a paste had
	// newlines. It is still to be cleaned by text.Clean.
	Text string
	// Over is 0, or the number of characters of all that was typed or pasted, when that
	// is more than MaxText; Text is the part of it that the editor kept. It is not
	// added to the history, since it is only a part of a message.
	Over int
}

// ReadLine shows the prompt and returns the next line that the person enters.
//
// When Enter was pressed, erase is asked whether the rows with the typed line are
// to be erased, because the text will come back as the room shows it, or stay.
// Output that is printed before it has answered is shown above those rows. Between two
// ReadLines there is no prompt.
//
// The error is io.EOF after ^D on an empty line and at the end of input, else
// the error of reading; with it comes, as Line, text that was typed but not entered.
// All later calls return the error, with an empty Line.
func (t *Terminal) ReadLine(erase func(Line) bool) (Line, error) {
	f := &t.in
	if f.ended != nil {
		return Line{}, f.ended
	}
	defer t.wake()
	for {
		// Another one for each line, since x/term never gives back the memory of a long one, nor
		// begins a walk through the history again.
		f.editor = term.NewTerminal(f, "")
		f.editor.History = f
		s, err := f.editor.ReadPassword("")
		if p := f.panicked; p != nil { // only here, as one passing through x/term is fatal to the process
			f.panicked = nil
			panic(p)
		}
		if err != nil {
			f.ended, s = err, f.line
		}
		line := Line{Text: strings.ReplaceAll(s, newlineSign, "\n")}
		if all := utf8.RuneCountInString(s) + f.dropped; f.dropped > 0 && all > f.max {
			line.Over = all
		}
		interrupted := f.interrupted
		f.current = current{}
		switch {
		case err != nil:
			return line, err
		case interrupted:
			continue
		case line.Over == 0:
			f.remember(s)
		}
		t.enter(s, erase(line))
		return line, nil
	}
}
