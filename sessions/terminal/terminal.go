// Package terminal is the line editor of one chat session: a decoder that makes
// keys of bytes, an editor that makes a line of keys, and a display that draws it.
//
// Two goroutines share a Terminal. The reader calls ReadLine in a loop. The
// writer calls Print with what is to be shown, Resize when the window changed,
// and then writes what Take returns. Nothing here ever blocks on the network
// but ReadLine, and that while it holds no lock.
//
// Take compares the line with the screen, and draws what differs: however much somebody
// types whose client takes no output, little waits.
package terminal

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Config says how a Terminal is to be.
type Config struct {
	Width, Height int // of the window, as announced
	MaxText       int // characters of one line

	// Complete is asked when Tab is pressed, on the reader's goroutine. The line
	// has U+2424 where a pasted text had newlines.
	Complete func(line string, pos int) (newLine string, newPos int, ok bool)

	// Wake is told that there is output for Take by another way than
	// Print and Resize, whose caller takes it anyway: an echo or Clear. It must
	// not block and not call the Terminal.
	Wake func()
}

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

// Terminal is one session's screen and line editor. Make it with New.
//
// ReadLine is for the reader's goroutine only, Print and Resize for the writer's.
// The other methods may be called from any.
type Terminal struct {
	display        // locks by itself
	in      editor // the reader's
}

// New returns a Terminal that reads keys from in. Its first output, which waits
// for Take already, asks the person's terminal to mark pastes.
func New(in io.Reader, cfg Config) *Terminal {
	t := &Terminal{display: display{
		size: clampSize(cfg.Width, cfg.Height), prompt: usual, wake: cfg.Wake, buf: []byte("\x1b[?2004h"),
	}}
	t.in = editor{t: t, src: in, max: cfg.MaxText, complete: cfg.Complete}
	return t
}

// ReadLine shows the prompt and returns the next line that the person enters.
//
// When Enter was pressed, erase is asked whether the rows with the typed line are
// to be erased, because the text will come back as the room shows it, or stay.
// Output that is printed before it has answered is shown above those rows. Between two
// ReadLines there is no prompt.
//
// The error is io.EOF after ^D on an empty line and at the end of input, else
// the error of reading. Text that was typed and not entered is lost. All later calls
// return the error.
func (t *Terminal) ReadLine(erase func(Line) bool) (Line, error) {
	e := &t.in
	for e.ended == nil {
		k, err := e.key()
		switch {
		case err != nil:
			e.ended = err
		case k == keyEnd && e.line == "":
			e.ended = io.EOF
		case k == keyInterrupt:
			e.edited = edited{}
		case k == keyEnter:
			return t.entered(erase), nil
		default:
			e.press(k)
		}
	}
	return Line{}, e.ended
}

// entered takes the line from the editor.
func (t *Terminal) entered(erase func(Line) bool) Line {
	e := &t.in
	s, dropped := e.line, e.dropped
	e.edited = edited{}
	line := Line{Text: strings.ReplaceAll(s, newlineSign, "\n")}
	if dropped > 0 {
		line.Over = utf8.RuneCountInString(s) + dropped
	} else {
		e.remember(s)
	}
	t.enter(s, erase(line))
	return line
}

// ClampWidth returns the number of cells in a row that is reckoned with for a
// window that was announced as w wide.
func ClampWidth(w int) int {
	if w <= 0 {
		w = 80
	}
	return min(max(w, 10), 500)
}

// ClampHeight is ClampWidth for the number of rows.
func ClampHeight(h int) int {
	if h <= 0 {
		h = 24
	}
	return min(max(h, 2), 500)
}

func clampSize(w, h int) size { return size{ClampWidth(w), ClampHeight(h)} }
