package terminal

import (
	"bytes"
	"unicode/utf8"

	"whoelse/sessions/text"
)

// newlineRune is newlineSign as a rune; one that a person types or pastes is a
// space, so that it cannot be taken for ours.
const newlineRune = '\u2424'

// tabSpaces is what a tab in a paste becomes, as in text.Clean.
const tabSpaces = "    "

// keepPaste is how much memory for pastes is kept between two of them.
const keepPaste = 64

// inPaste takes one event of a paste. At most max characters of it are kept, and the
// rest is counted.
//
// A paste ends with its end marker. Should that have been lost, nothing the
// person types would be seen again, so ^C ends a paste too, and clears the line
// as always; but only when it comes in a read of its own, as a pressed key does,
// because a ^C within the pasted text must not make what follows it be typed.
func (f *filter) inPaste(ev event) {
	switch ev.key {
	case keyText:
		f.keep(ev.r)
	case keyEnter:
		f.keep('\n')
	case keyTab:
		for _, r := range tabSpaces {
			f.keep(r)
		}
	case keyPasteEnd:
		f.endPaste()
	case keyInterrupt:
		if f.have == 1 {
			f.dec.pasting = false
			f.forgetPaste()
			f.op = opInterrupt
		}
	}
}

func (f *filter) keep(r rune) {
	if r == newlineRune {
		r = ' '
	}
	if r != '\n' && !text.Allowed(r) {
		return
	}
	if f.pasteSize >= f.max {
		f.pasteOver++
		return
	}
	f.paste = utf8.AppendRune(f.paste, r)
	f.pasteSize++
}

// endPaste has the paste inserted into the line, without the newlines it ends
// with.
func (f *filter) endPaste() {
	f.dec.pasting = false
	if f.pasteOver == 0 {
		f.paste = bytes.TrimRight(f.paste, "\n")
	}
	if len(f.paste) == 0 {
		f.forgetPaste()
		return
	}
	f.pasted = true
	f.op = opInsert
}

func (f *filter) forgetPaste() {
	f.paste, f.pasteSize, f.pasteOver = f.paste[:0], 0, 0
	if cap(f.paste) > keepPaste {
		f.paste = nil
	}
}
