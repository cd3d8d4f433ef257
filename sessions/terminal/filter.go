package terminal

import (
	"errors"
	"io"
	"unicode/utf8"

	"whoelse/sessions/text"
)

const (
	rawSize  = 512 // read at once; small, because every idle session holds it
	unit     = 16  // more than what one event adds to a Read's result
	maxEmpty = 100 // reads without data or error in a row

	// maxCostly bounds what one fill can make the server do: that many keys that
	// have the whole line copied. No hand is so fast; more are ignored.
	maxCostly = 16
)

var errPanicked = errors.New("terminal: panic while reading")

// filter is what x/term reads from: it lets text and known keys through, does by
// itself what x/term cannot do safely, and sees to it that the screen follows.
// x/term calls its Read and answer without holding its lock. All of it belongs to
// the reader's goroutine.
type filter struct {
	t        *Terminal
	src      io.Reader
	complete func(string, int) (string, int, bool)
	callback func(string, int, rune) (string, int, bool) // answer, made once
	max      int                                         // characters of a line

	raw        [rawSize]byte
	next, have int // raw[next:have] is still to be decoded
	dec        decoder
	err        error // what src ended with

	dst    []byte // the result of the Read being served
	op     op     // to be given alone, next
	active op     // what x/term was given alone, and is busy with
	held   event  // what waits for op
	costly int    // costly keys since the last fill
	past   history
	killed string // what opYank inserts

	line    string // the editor's, when it was last asked
	stale   bool   // x/term was given something since then
	used    int    // characters in the editor's line: exactly or at most
	exact   bool   // used is exact
	dropped int    // characters that did not fit into the line
	pasted  bool   // some of the line was pasted

	paste     []byte // of a paste in progress: what is kept; else what is typed beyond maxTyped
	pasteSize int    // the characters of a paste that are kept
	pasteOver int    // and those that are not

	ended    error // what ReadLine has returned for good
	panicked any   // what a panic in Read or answer brought
}

// Read implements io.Reader for x/term: whole characters and whole keys, those
// that need care alone.
func (f *filter) Read(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			f.panicked, n, err = r, 0, errPanicked
		}
	}()
	f.t.edit.AutoCompleteCallback = nil
	f.active = opNone
	if f.panicked != nil {
		return 0, errPanicked
	}
	if len(p) < unit {
		return 0, io.ErrShortBuffer // x/term would have to hold back part of a key
	}
	f.dst = p[:0]
	for len(f.dst)+unit <= len(p) {
		switch {
		case f.op != opNone && len(f.dst) > 0:
			return f.give(), nil
		case f.op != opNone:
			if f.perform(p) {
				return 1, nil
			}
		case f.held.key != keyNone:
			ev := f.held
			f.held = event{}
			f.handle(ev)
		case f.next < f.have:
			f.step()
		case f.gathered():
			f.op = opInsert
		case len(f.dst) > 0:
			return f.give(), nil
		case f.stale:
			f.op = opAsk
		default:
			if err := f.fill(); err != nil {
				return 0, err
			}
		}
	}
	return f.give(), nil
}

// give ends a Read that has ordinary keys for x/term.
func (f *filter) give() int {
	f.stale = true
	return len(f.dst)
}

// fill waits for input, after the screen may follow what came before.
func (f *filter) fill() error {
	if f.t.out.overflowed() {
		return ErrOverflow
	}
	if f.err != nil {
		return f.err
	}
	if f.t.out.untold() {
		f.t.wake()
	}
	f.next, f.have, f.costly = 0, 0, 0
	for range maxEmpty {
		if f.have, f.err = f.src.Read(f.raw[:]); f.have > 0 || f.err != nil {
			return nil
		}
	}
	f.err = io.ErrNoProgress
	return nil
}

// step decodes one byte, or skips all characters that there is no room for.
func (f *filter) step() {
	if f.skip() {
		return
	}
	if f.altEnter() {
		f.next++
		f.char(newlineRune)
		return
	}
	ev, used := f.dec.next(f.raw[f.next])
	if used {
		f.next++
	}
	if f.dec.pasting {
		f.inPaste(ev)
		return
	}
	if ev.key == keyText && ev.r == newlineRune {
		ev.r = ' '
	}
	f.handle(ev)
}

// altEnter takes ESC and Enter of one read for Alt-Enter. Pressed one after the other
// they come in two, and Enter is Enter.
func (f *filter) altEnter() bool {
	b := f.raw[f.next]
	if f.next == 0 || f.dec.state != inEscape || f.dec.pasting || b != '\r' && b != '\n' {
		return false
	}
	f.dec.state, f.dec.cr = ground, b == '\r'
	return true
}

// handle takes a character or key that is not in a paste.
func (f *filter) handle(ev event) {
	switch ev.key {
	case keyNone, keyPasteEnd:
		return
	case keyText:
		f.char(ev.r)
		return
	}
	switch {
	case f.gathered():
		f.op, f.held = opInsert, ev
	case ev.key == keyPasteStart:
		f.dec.pasting = true
	default:
		f.press(ev.key)
	}
}

// gathered tells whether typed characters wait to be inserted.
func (f *filter) gathered() bool { return len(f.paste) > 0 && !f.dec.pasting }

// press takes a key that is no character.
func (f *filter) press(k key) {
	switch o := keyOps[k]; o {
	case opNone:
		f.edit(k)
	case opEnter, opEnd, opInterrupt:
		f.op = o
	case opYank:
		if f.killed != "" && f.afford() {
			f.paste = append(f.paste, f.killed...)
			f.op = opInsert
		}
	default:
		if f.afford() {
			f.op = o
		}
	}
}

// afford tells whether one more costly key may be served.
func (f *filter) afford() bool {
	f.costly++
	return f.costly <= maxCostly
}

// skip makes a flood of text cheap: when what comes is only counted, ASCII
// characters need no decoding.
func (f *filter) skip() bool {
	over := &f.dropped
	if f.dec.pasting {
		over = &f.pasteOver
	}
	if *over == 0 || !f.dec.between() {
		return false
	}
	n := 0
	for _, b := range f.raw[f.next:f.have] {
		if b < 0x20 || b >= 0x7f {
			break
		}
		n++
	}
	f.next += n
	*over += n
	return n > 0
}

// char lets a character into the line if there is room. Once one was dropped,
// all that follow are, until the person edits what the line shows.
func (f *filter) char(r rune) {
	switch {
	case !text.Allowed(r):
	case f.dropped > 0:
		f.dropped++
	case f.used >= f.max && !f.exact && f.afford():
		f.op, f.held = opAsk, event{keyText, r}
		if f.gathered() {
			f.op = opInsert
		}
	case f.used >= f.max:
		f.dropped++
	case f.used >= maxTyped || f.gathered():
		f.paste = utf8.AppendRune(f.paste, r)
		f.used++
	case r == utf8.RuneError && !f.afford():
		f.char('?')
	case r == utf8.RuneError:
		// x/term takes this character for an incomplete one and loses it.
		f.paste = utf8.AppendRune(f.paste, r)
		f.op = opInsert
	default:
		f.dst = utf8.AppendRune(f.dst, r)
		f.used++
	}
}

// edit passes a key that x/term handles by itself. What was dropped is forgotten
// when the person takes away from the line: what counts then is what it shows.
func (f *filter) edit(k key) {
	f.dst = append(f.dst, keyBytes[k]...)
	if k.deletes() {
		f.exact, f.dropped = false, 0
	}
}
