// Package terminal is the line editor of one chat session: golang.org/x/term
// between a filter for what it cannot bear and a display that draws what it
// edits.
//
// Two goroutines share a Terminal. The reader calls ReadLine in a loop. The
// writer calls Print with what is to be shown, Resize when the window changed,
// and then writes what Take returns. Nothing here ever blocks on the network
// but ReadLine, and that while it holds no lock: what a person types who does not
// take what is written only makes Take's buffer grow, until ErrOverflow.
//
// x/term only edits: it decides what a key does to the line. It would also draw,
// but by counting runes where a terminal counts cells, and by writing all that
// follows the cursor again for every key, so its echo is off (it reads lines as
// it reads passwords). After each burst of keys the filter asks it for the line
// and the cursor, and display changes on the screen what has to be changed.
package terminal

import (
	"io"

	"golang.org/x/term"
)

// Limits and defaults of Config.
const (
	DefaultMaxText   = 4000
	DefaultMaxOutput = 256 << 10

	// maxTyped is how many runes x/term lets a line have by typing; more can be inserted.
	maxTyped = 4096
)

// Config says how a Terminal is to be. The zero value of a field is its default.
type Config struct {
	Width, Height int    // of the window; 0 is 80 by 24, else clamped to 10..500 by 2..500
	Prompt        string // plain text or with SGR sequences, at least one visible character; default "> "
	MaxText       int    // characters of one line; default 4,000
	MaxOutput     int    // bytes of echoes that may wait for Take; default 256 KiB

	// Complete is asked when Tab is pressed, on the reader's goroutine. The line
	// has U+2424 where a pasted text had newlines. An answer that does not fit
	// the editor (position outside the line or inside a character, control
	// characters, too long) is ignored. Nil: Tab does nothing.
	Complete func(line string, pos int) (newLine string, newPos int, ok bool)

	// Wake is told that output has come to wait for Take by another way than
	// Print and Resize, whose caller takes it anyhow: an echo or Clear. It must
	// not block and not call the Terminal.
	Wake func()
}

// Terminal is one session's screen and line editor. Make it with New.
//
// ReadLine is for the reader's goroutine only, Print and Resize for the writer's.
// The other methods may be called from any.
type Terminal struct {
	edit *term.Terminal // the reader's, and so is all in it
	in   filter         // the reader's
	out  display        // locks by itself
	wake func()         // never changes
}

// New returns a Terminal that reads keys from in. Its first output, which waits
// for Take already, asks the person's terminal to mark pastes.
func New(in io.Reader, cfg Config) *Terminal {
	t := &Terminal{wake: cfg.Wake}
	if t.wake == nil {
		t.wake = func() {}
	}
	t.in = filter{t: t, src: in, max: DefaultMaxText, complete: cfg.Complete, exact: true}
	t.in.callback = t.in.answer
	t.in.past.forgetPlace()
	if cfg.MaxText > 0 {
		t.in.max = cfg.MaxText
	}
	t.out.max = DefaultMaxOutput
	if cfg.MaxOutput > 0 {
		t.out.max = cfg.MaxOutput
	}
	t.out.size = clampSize(cfg.Width, cfg.Height)
	t.out.setPrompt(cfg.Prompt)
	t.out.buf = append(t.out.buf, pasteOn...)
	t.renew()
	return t
}

const (
	pasteOn  = "\x1b[?2004h"
	pasteOff = "\x1b[?2004l"
)

// renew replaces x/term's terminal, which never gives back the memory that a
// long line took. The reader's, and only between two lines.
func (t *Terminal) renew() {
	t.edit = term.NewTerminal(keyboard{&t.in}, "")
}

// keyboard is what x/term sits on: the filter to read from, and nothing to draw
// on.
type keyboard struct{ *filter }

func (keyboard) Write(p []byte) (int, error) { return len(p), nil }

// Print shows p, which is whole lines ending in "\n", above the line being
// edited. One call for all there is to show is much cheaper than one for each
// line. p may hold SGR sequences and BEL, and is not kept. All of it waits for Take
// then, whatever its length: its bounds are the writer's. The writer's only.
func (t *Terminal) Print(p []byte) {
	if len(p) > 0 {
		t.out.print(p)
	}
}

// Resize follows a change of the person's window; sizes are clamped like those
// of Config. The writer's only.
func (t *Terminal) Resize(w, h int) {
	t.out.resize(clampSize(w, h))
}

// Clear erases the screen; the prompt and what is being typed move to its top.
func (t *Terminal) Clear() {
	t.out.clear()
	t.wake()
}

// Take appends all output that waits to dst and forgets it.
func (t *Terminal) Take(dst []byte) []byte {
	return t.out.take(dst)
}

// Restore returns what to write last, so that the person's terminal is left as
// it was: without the prompt, the cursor at the start of a row, and pastes no
// longer marked. What waits has to be taken and written first. Nothing is
// shown after it.
func (t *Terminal) Restore() []byte {
	return t.out.close(pasteOff)
}

// clampSize makes a usable size of what a client announced.
func clampSize(w, h int) size {
	if w <= 0 {
		w = 80
	}
	if h <= 0 {
		h = 24
	}
	return size{min(max(w, 10), 500), min(max(h, 2), 500)}
}
