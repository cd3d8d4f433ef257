package terminal

import "unicode/utf8"

// event is what one byte of input completed: a character or a key.
type event struct {
	key key
	r   rune // of keyText
}

// state is what a decoder is in the middle of.
type state uint8

const (
	ground    state = iota
	inEscape        // after ESC
	inCSI           // after ESC [
	inSS3           // after ESC O
	inString        // after ESC ] and the like: until BEL, ST or a control character
	inGarbage       // in what belongs to a sequence but follows its final character
)

const (
	maxSequence = 32      // bytes of a control sequence that are looked at
	maxString   = 4 << 10 // bytes of a string that are swallowed
)

// decoder makes events of bytes that may come in any portions. It needs constant
// memory and constant time for a byte, whatever comes; an escape sequence is
// ended by any control character, so that Enter and ^C always work.
type decoder struct {
	state   state
	pasting bool // between the markers of a paste: set and unset by filter
	cr      bool // the last byte was CR: LF belongs to it
	bad     bool // the last bytes were not UTF-8
	nPart   uint8
	part    [utf8.UTFMax]byte // of a character
	count   int               // bytes of the sequence; in inGarbage, those left
	seq     [maxSequence]byte // its first ones
}

// next takes one byte. If it returns false the byte has only ended what was
// before it, and is to be given again.
func (d *decoder) next(b byte) (event, bool) {
	if d.cr {
		d.cr = false
		if b == '\n' {
			return event{}, true
		}
	}
	if d.state != ground && (b < 0x20 || b == 0x7f && d.state != inEscape) {
		return d.interrupted(b)
	}
	switch d.state {
	case inEscape:
		return d.escape(b)
	case inCSI:
		return d.csi(b)
	case inSS3:
		return d.ss3(b)
	case inString, inGarbage:
		d.swallow()
		return event{}, true
	}
	return d.char(b)
}

// between tells whether the next byte begins something new.
func (d *decoder) between() bool {
	return d.state == ground && d.nPart == 0 && !d.cr && !d.bad
}

// interrupted ends a sequence at a control character, which for a string may be
// its regular end.
func (d *decoder) interrupted(b byte) (event, bool) {
	ended := d.state == inString && (b == 0x07 || b == 0x18 || b == 0x1a)
	d.state = ground
	return event{}, ended
}

// char takes a byte outside of sequences.
func (d *decoder) char(b byte) (event, bool) {
	if d.nPart > 0 || b >= utf8.RuneSelf {
		return d.utf8(b)
	}
	d.bad = false
	switch {
	case b >= 0x20 && b != 0x7f:
		return event{keyText, rune(b)}, true
	case b == 0x1b:
		d.state, d.count = inEscape, 0
		return event{}, true
	case b == 0x7f:
		return event{key: keyBackspace}, true
	}
	d.cr = b == '\r'
	return event{key: controls[b]}, true
}

// utf8 collects a character. What is not UTF-8 becomes one U+FFFD in a row.
func (d *decoder) utf8(b byte) (event, bool) {
	d.part[d.nPart] = b
	d.nPart++
	part := d.part[:d.nPart]
	if !utf8.FullRune(part) {
		return event{}, true
	}
	d.nPart = 0
	r, n := utf8.DecodeRune(part)
	if r != utf8.RuneError || n > 1 {
		d.bad = false
		return event{keyText, r}, true
	}
	again := d.bad
	d.bad = true
	used := len(part) == 1 // else b has only cut short what was before it
	if again {
		return event{}, used
	}
	return event{keyText, utf8.RuneError}, used
}

// swallow takes a byte that nobody looks at.
func (d *decoder) swallow() {
	d.count--
	if d.count <= 0 {
		d.state = ground
	}
}
