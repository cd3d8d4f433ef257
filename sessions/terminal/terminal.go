// Package terminal is the line editor of one chat session: golang.org/x/term
// between a filter for what it cannot bear and a display that draws what it
// edits.
//
// Two goroutines share a Terminal. The reader calls ReadLine in a loop. The
// writer calls Print with what is to be shown, Resize when the window changed,
// and then writes what Take returns. Nothing here ever blocks on the network
// but ReadLine, and that while it holds no lock. If the person's client takes no
// output, typing on only makes Take's buffer grow, until ErrOverflow.
//
// x/term only edits: it decides what a key does to the line. It would also draw,
// but by counting runes where a terminal counts cells, and by writing all that
// follows the cursor again for every key, so its echo is off (it reads lines as
// it reads passwords). After each burst of keys it is asked for the line and the
// cursor, and display makes the changes on the screen.
package terminal

import "io"

// Config says how a Terminal is to be.
type Config struct {
	Width, Height int // of the window, as announced
	MaxText       int // characters of one line
	MaxOutput     int // bytes of echoes that may wait for Take

	// Complete is asked when Tab is pressed, on the reader's goroutine. The line
	// has U+2424 where a pasted text had newlines.
	Complete func(line string, pos int) (newLine string, newPos int, ok bool)

	// Wake is told that output has come to wait for Take by another way than
	// Print and Resize, whose caller takes it anyway: an echo or Clear. It must
	// not block and not call the Terminal.
	Wake func()
}

// Terminal is one session's screen and line editor. Make it with New.
//
// ReadLine is for the reader's goroutine only, Print and Resize for the writer's.
// The other methods may be called from any.
type Terminal struct {
	display        // locks by itself
	in      filter // the reader's
}

// New returns a Terminal that reads keys from in. Its first output, which waits
// for Take already, asks the person's terminal to mark pastes.
func New(in io.Reader, cfg Config) *Terminal {
	t := &Terminal{display: display{
		size: clampSize(cfg.Width, cfg.Height), max: cfg.MaxOutput, wake: cfg.Wake, buf: []byte("\x1b[?2004h"),
	}}
	t.in = filter{t: t, src: in, max: cfg.MaxText, complete: cfg.Complete}
	return t
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
