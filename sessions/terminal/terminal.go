// Package terminal is the line editor of one chat session: golang.org/x/term
// behind a filter for what it cannot bear, and over a buffer that is flushed by
// somebody else.
//
// Two goroutines share a Terminal. The reader calls ReadLine in a loop. The
// writer calls Print with what is to be shown, Resize when the window changed,
// and then writes what Take returns. Nothing here ever blocks on the network
// but ReadLine, and that while it holds no lock: a peer that does not read what
// it is sent only makes Take's buffer grow, until Overflowed.
//
// The line being edited survives everything that is printed meanwhile: each
// Print erases it, shows the text and draws it again. Where the cursor really
// is, is followed in what x/term writes (see tracker), because x/term counts
// runes where a terminal counts cells.
package terminal

import (
	"io"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Limits and defaults of Config.
const (
	DefaultMaxText   = 4000
	DefaultMaxOutput = 256 << 10

	// maxLine is what x/term takes for one line, in runes.
	maxLine = 4096
)

// Config says how a Terminal is to be. The zero value of a field is its default.
type Config struct {
	Width, Height int    // of the window; 0 is 80 by 24, else clamped to 10..500 by 2..500
	Prompt        string // plain text or with SGR sequences, at least one visible character; default "> "
	MaxText       int    // bytes of one message; default, and at most, about 4,000
	MaxOutput     int    // bytes that may wait for Take; default 256 KiB

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
	// screen is held while more than one step belongs together on the screen: by
	// Print, Resize, Clear and Restore, and by the reader from just before x/term
	// sees Enter until ReadLine has decided what becomes of the typed rows. It is
	// taken before x/term's own lock and before sink's, and never while reading.
	screen sync.Mutex

	// edit is replaced by the reader under screen; others use it under screen.
	edit *term.Terminal

	in     filter  // the reader's
	past   history // the reader's
	out    sink    // locks by itself
	prompt string
	size   size // under screen
	wake   func()
}

type size struct{ width, height int }

// New returns a Terminal that reads keys from in. Its first output, which waits
// for Take already, asks the person's terminal to mark pastes.
func New(in io.Reader, cfg Config) *Terminal {
	t := &Terminal{
		prompt: visiblePrompt(cfg.Prompt),
		size:   clampSize(cfg.Width, cfg.Height),
		wake:   cfg.Wake,
	}
	if t.wake == nil {
		t.wake = func() {}
	}
	t.in = filter{t: t, src: in, max: DefaultMaxText, complete: cfg.Complete, exact: true}
	t.in.callback = t.in.answer
	if cfg.MaxText > 0 {
		t.in.max = min(cfg.MaxText, maxLine)
	}
	t.out.max = DefaultMaxOutput
	if cfg.MaxOutput > 0 {
		t.out.max = cfg.MaxOutput
	}
	t.out.at.size = t.size
	t.out.buf = append(t.out.buf, pasteOn...)
	t.renew()
	return t
}

const (
	pasteOn  = "\x1b[?2004h"
	pasteOff = "\x1b[?2004l"
)

// renew replaces x/term's terminal, which never gives back the memory that a
// long line took. Only between two lines.
func (t *Terminal) renew() {
	t.edit = term.NewTerminal(device{&t.in, &t.out}, t.prompt)
	t.edit.History = &t.past
	_ = t.edit.SetSize(t.size.width, t.size.height) // the sink never fails
}

// Print shows p, which is whole lines ending in "\n", above the line being
// edited. One call for all there is to show is much cheaper than one for each
// line. p may hold SGR sequences and BEL, and is not kept. The writer's only.
func (t *Terminal) Print(p []byte) {
	if len(p) == 0 {
		return
	}
	t.screen.Lock()
	defer t.screen.Unlock()
	t.redraw(change{text: p})
}

// Resize follows a change of the person's window; sizes are clamped like those
// of Config. The writer's only.
func (t *Terminal) Resize(w, h int) {
	t.screen.Lock()
	defer t.screen.Unlock()
	old := t.size
	t.size = clampSize(w, h)
	if t.size.width == old.width {
		_ = t.edit.SetSize(t.size.width, t.size.height)
		t.out.resize(t.size)
		return
	}
	t.out.mute(change{size: t.size})
	_ = t.edit.SetSize(t.size.width, t.size.height)
	t.unmute()
}

// Clear erases the screen; the prompt and what is being typed move to its top.
func (t *Terminal) Clear() {
	t.screen.Lock()
	t.redraw(change{wipe: true})
	t.screen.Unlock()
	t.wake()
}

// Take appends all output that waits to dst and forgets it.
func (t *Terminal) Take(dst []byte) []byte {
	return t.out.take(dst)
}

// Overflowed tells whether more than MaxOutput waited for Take. Output is lost
// then and ReadLine fails: the session is to be ended.
func (t *Terminal) Overflowed() bool {
	return t.out.overflowed()
}

// Restore returns what to write last, so that the person's terminal is left as
// it was: without the prompt, the cursor at the start of a row, and pastes no
// longer marked. What waits has to be taken and written first. Nothing is
// shown after it.
func (t *Terminal) Restore() []byte {
	t.screen.Lock()
	defer t.screen.Unlock()
	return t.out.close(pasteOff)
}

// redraw makes one change to the screen, between erasing the line being edited
// and drawing it again. The caller holds screen.
func (t *Terminal) redraw(c change) {
	t.out.mute(c)
	t.unmute()
}

// unmute has x/term draw its line, as it does around anything written.
func (t *Terminal) unmute() {
	_, _ = t.edit.Write(markText) // the sink never fails
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

// visiblePrompt returns a prompt that takes at least one cell: x/term tells by
// the cursor's position alone whether there is a prompt on the screen.
func visiblePrompt(p string) string {
	visible, escape := 0, false
	for _, r := range p {
		switch {
		case escape:
			escape = !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
		case r == '\x1b':
			escape = true
		default:
			visible++
		}
	}
	if visible == 0 || strings.ContainsAny(p, "\r\n\t") {
		return "> "
	}
	return p
}
