// Package terminal is the line editor of one chat session: golang.org/x/term
// between a filter for what it cannot bear and a display that draws what it
// edits.
//
// Two goroutines share a Terminal. The reader calls ReadLine in a loop. The
// writer calls Print with what is to be shown, Resize when the window changed,
// and then writes what Take returns. Nothing here ever blocks on the network
// but ReadLine, and that while it holds no lock.
//
// x/term only edits: it decides what a key does to the line. It knows runes, no characters, so it gets a key that goes over
// a character once for each of its runes. It would also draw,
// but by counting runes where a terminal counts cells, and by writing all that
// follows the cursor again for every key, so its echo is off (it reads lines as
// it reads passwords). After each burst of keys it is asked for the line and the
// cursor. Take compares them with the screen, and draws what differs: however much somebody
// types whose client takes no output, little waits.
package terminal

import (
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Config says how a Terminal is to be.
type Config struct {
	Width, Height int // of the window, as announced
	MaxText       int // characters of one line

	// Complete is asked when Tab is pressed, on the reader's goroutine. The line
	// has U+2424 where a pasted text had newlines.
	Complete func(line string, pos int) (newLine string, newPos int, ok bool)

	// Begin is called when the first key of a line was pressed, and again when all that was typed had been
	// deleted, on the reader's goroutine.
	Begin func()

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
// Await and ReadLine are for the reader's goroutine only, Print and Resize for the writer's.
// The other methods may be called from any.
type Terminal struct {
	display        // locks by itself
	in      filter // the reader's
}

// New returns a Terminal that reads keys from in. Its first output, which waits
// for Take already, asks the person's terminal to mark pastes.
func New(in io.Reader, cfg Config) *Terminal {
	t := &Terminal{display: display{
		size: clampSize(cfg.Width, cfg.Height), prompt: usual, wake: cfg.Wake, buf: []byte("\x1b[?2004h"),
	}}
	t.in = filter{t: t, src: in, max: cfg.MaxText, complete: cfg.Complete, begin: cfg.Begin}
	return t
}

// Await shows the prompt and waits for the first key of the next line, without an editor, and
// so with less memory than ReadLine, which would do the same.
func (t *Terminal) Await() {
	if t.in.at == t.in.have {
		_ = t.in.fill() // ReadLine comes to the same error
	}
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
	f := &t.in
	if f.ended != nil {
		return Line{}, f.ended
	}
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
			f.ended = err
			return Line{}, err
		}
		last := f.current
		f.current, f.editor = current{}, nil
		if last.interrupted {
			continue
		}
		line := Line{Text: strings.ReplaceAll(s, newlineSign, "\n")}
		if all := utf8.RuneCountInString(s) + last.dropped; last.dropped > 0 && all > f.max {
			line.Over = all
		} else {
			f.remember(s)
		}
		t.enter(s, erase(line))
		return line, nil
	}
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
