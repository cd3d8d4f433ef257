package terminal

import (
	"bytes"
	"unicode/utf8"
)

// key is what a person pressed.
type key uint8

const (
	keyNone key = iota
	keyText     // a character
	keyPasteStart
	keyPasteEnd

	// These need care: see keyOps.
	keyEnter
	keyInterrupt // ^C
	keyCtrlD
	keyTab
	keyUp
	keyDown
	keyClear // ^L
	keyKillWord
	keyKillRight
	keyKillLeft
	keyYank // ^Y

	// What follows is left to x/term: see keyBytes.
	keyLeft
	keyRight
	keyLineStart
	keyLineEnd
	keyWordLeft
	keyWordRight
	keyBackspace
	keyDelete
	keyTranspose
	keyCount
)

// keyBytes is what x/term knows a key by.
var keyBytes = [...]string{
	keyLeft:      "\x02",
	keyRight:     "\x06",
	keyLineStart: "\x01",
	keyLineEnd:   "\x05",
	keyWordLeft:  "\x1b[1;3D",
	keyWordRight: "\x1b[1;3C",
	keyBackspace: "\x7f",
	keyDelete:    "\x1b[3~",
	keyTranspose: "\x14",
}

// deletes tells whether k can make the line shorter.
func (k key) deletes() bool { return k == keyBackspace || k == keyDelete }

// controls is what the control characters are; the others are dropped.
var controls = [32]key{
	0x01: keyLineStart,
	0x02: keyLeft,
	0x03: keyInterrupt,
	0x04: keyCtrlD,
	0x05: keyLineEnd,
	0x06: keyRight,
	0x08: keyBackspace,
	0x09: keyTab,
	0x0a: keyEnter,
	0x0b: keyKillRight,
	0x0c: keyClear,
	0x0d: keyEnter,
	0x0e: keyDown,
	0x10: keyUp,
	0x14: keyTranspose,
	0x15: keyKillLeft,
	0x17: keyKillWord,
	0x19: keyYank,
}

// escape takes the byte after ESC. Within a paste only a control sequence can be
// its end marker, and all else is text.
func (d *decoder) escape(b byte) (event, bool) {
	d.state = ground
	if b >= utf8.RuneSelf || d.pasting && b != '[' {
		return event{}, false
	}
	switch b {
	case '[':
		d.state = inCSI
	case 'O':
		d.state = inSS3
	case ']', 'P', '_', '^', 'X':
		d.state, d.count = inString, maxString
	case 'b':
		return event{key: keyWordLeft}, true
	case 'f':
		return event{key: keyWordRight}, true
	case 0x7f:
		return event{key: keyKillWord}, true
	}
	return event{}, true
}

// csi takes a byte after ESC [, up to the final one.
func (d *decoder) csi(b byte) (event, bool) {
	if b >= utf8.RuneSelf {
		d.state = ground
		return event{}, false
	}
	if b < 0x40 {
		if d.count < maxSequence {
			d.seq[d.count] = b
		}
		d.count = min(d.count+1, maxSequence+1)
		return event{}, true
	}
	d.state = ground
	if d.count > maxSequence {
		return event{}, true
	}
	return event{key: d.sequence(d.seq[:d.count], b)}, true
}

// sequence tells which key a control sequence is. Mouse and focus reports, and
// answers to questions that nobody asked, are none.
func (d *decoder) sequence(params []byte, final byte) key {
	switch {
	case final == '~':
		return d.tilde(params)
	case d.pasting:
		return keyNone
	case final == 'M' && len(params) == 0: // an old mouse report: three bytes follow
		d.state, d.count = inGarbage, 3
		return keyNone
	case final == '[': // a Linux console's function key: one letter follows
		d.state, d.count = inGarbage, 1
		return keyNone
	case len(params) > 0 && params[0] > ';': // private: an answer or a report
		return keyNone
	}
	return cursorKey(final, modifier(params))
}

// tilde tells which key a sequence ending in '~' is, by its first number.
func (d *decoder) tilde(params []byte) key {
	number, _, _ := bytes.Cut(params, []byte{';'})
	switch string(number) {
	case "201":
		return keyPasteEnd
	case "200":
		return keyPasteStart
	case "1", "7":
		return keyLineStart
	case "4", "8":
		return keyLineEnd
	case "3":
		return keyDelete
	}
	return keyNone
}

// modifier returns the bits of the keys held down that a sequence like 1;5C
// tells: shift 1, alt 2, control 4, meta 8.
func modifier(params []byte) int {
	_, m, _ := bytes.Cut(params, []byte{';'})
	n := 0
	for _, c := range m[:min(len(m), 2)] {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return max(n-1, 0)
}

// cursorKey tells which key the final character of a sequence stands for. With
// any modifier but shift, left and right move by words.
func cursorKey(final byte, mod int) key {
	words := mod&^1 != 0
	switch final {
	case 'A':
		return keyUp
	case 'B':
		return keyDown
	case 'C':
		if words {
			return keyWordRight
		}
		return keyRight
	case 'D':
		if words {
			return keyWordLeft
		}
		return keyLeft
	case 'H':
		return keyLineStart
	case 'F':
		return keyLineEnd
	}
	return keyNone
}

// ss3 takes a byte after ESC O: digits of a modifier, then the key.
func (d *decoder) ss3(b byte) (event, bool) {
	if b >= '0' && b <= ';' {
		return event{}, true
	}
	d.state = ground
	switch {
	case b >= utf8.RuneSelf:
		return event{}, false
	case b == 'M': // the keypad's Enter
		return event{key: keyEnter}, true
	case b == 'c':
		return event{key: keyWordRight}, true
	case b == 'd':
		return event{key: keyWordLeft}, true
	}
	return event{key: cursorKey(b, 0)}, true
}
