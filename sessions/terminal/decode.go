package terminal

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// key is a pressed key: a control character, or one of the others above 0x7f.
type key byte

const (
	keyNone      key = 0
	keyLineStart key = 0x01
	keyLeft      key = 0x02
	keyInterrupt key = 0x03
	keyEnd       key = 0x04 // ^D
	keyLineEnd   key = 0x05
	keyRight     key = 0x06
	keyTab       key = 0x09
	keyKillRight key = 0x0b
	keyClear     key = 0x0c
	keyEnter     key = 0x0d
	keyDown      key = 0x0e
	keyUp        key = 0x10
	keyTranspose key = 0x14
	keyKillLeft  key = 0x15
	keyKillWord  key = 0x17
	keyYank      key = 0x19
	keyBackspace key = 0x7f
	keyText      key = 0x80 + iota // a character
	keyDelete
	keyWordLeft
	keyWordRight
	keyPasteStart
	keyPasteEnd
)

// Keys by the character behind ESC, by the final one of a sequence, of one after ESC O
// alone, and by the number of one that ends in '~'.
var (
	altKeys    = map[byte]key{'b': keyWordLeft, 'f': keyWordRight, 0x7f: keyKillWord}
	cursorKeys = map[byte]key{'A': keyUp, 'B': keyDown, 'C': keyRight, 'D': keyLeft, 'H': keyLineStart, 'F': keyLineEnd}
	padKeys    = map[byte]key{'M': keyEnter, 'c': keyWordRight, 'd': keyWordLeft}
	tildeKeys  = map[string]key{
		"1": keyLineStart, "3": keyDelete, "4": keyLineEnd, "7": keyLineStart, "8": keyLineEnd,
		"200": keyPasteStart, "201": keyPasteEnd,
	}
)

const (
	maxSequence = 32  // bytes of parameters with which a sequence may be a key
	maxString   = 256 // bytes of a string, such as a title, that are swallowed
)

// decoder makes keys and characters of bytes. An escape sequence is ended by any control
// character, so that Enter and ^C always work.
type decoder struct {
	pasting bool // between the markers of a paste
	cr      bool // the last byte was CR: LF belongs to it
	bad     bool // the last bytes were not UTF-8
}

// next takes the first key or character off b, whose first byte is held if it came in an
// earlier read. It returns how many bytes that are, 0 where it needs to see more. It may be
// asked again.
func (d *decoder) next(b []byte, held bool) (k key, r rune, n int) {
	switch c := b[0]; {
	case c == 0x1b:
		k, n = d.escape(b)
		if n > 0 && len(b) > 1 && (b[1] == '\r' || b[1] == '\n') && !held && !d.pasting { // Alt-Enter
			k, r, n = keyText, '\n', 2
		}
	case c == '\n' && d.cr:
		n = 1
	case c == '\n':
		k, n = keyEnter, 1
	case c == '\b':
		k, n = keyBackspace, 1
	case c < 0x20 || c == 0x7f:
		k, n = key(c), 1
	case utf8.FullRune(b):
		r, n = utf8.DecodeRune(b)
		bad := r == utf8.RuneError && n == 1
		if !bad || !d.bad { // there is one U+FFFD for all of them
			k = keyText
		}
		d.bad = bad
	}
	if n > 0 {
		d.cr = b[n-1] == '\r'
		d.bad = d.bad && b[0] >= utf8.RuneSelf
	}
	return k, r, n
}

// escape takes what begins with ESC. Within a paste only a control sequence can be its
// end marker, and all else is text.
func (d *decoder) escape(b []byte) (key, int) {
	if len(b) == 1 {
		return keyNone, 0
	}
	switch c := b[1]; {
	case c < 0x20 || c >= utf8.RuneSelf || d.pasting && c != '[':
		return keyNone, 1
	case c == '[' || c == 'O':
		return d.sequence(b)
	case strings.IndexByte("]P_^X", c) >= 0: // a string: until BEL, ST or the like
		return skip(b, 2, maxString)
	default:
		return altKeys[c], 2
	}
}

// sequence takes ESC [ or ESC O, parameters and a final character.
func (d *decoder) sequence(b []byte) (key, int) {
	n := textEnd(b, 2, len(b), '@')
	if n == len(b) {
		return keyNone, 0
	}
	params, final := b[2:n], b[n]
	if final < 0x20 || final >= 0x7f { // it ends here
		return keyNone, n
	}
	n++
	number, modifier, _ := bytes.Cut(params, []byte{';'})
	switch k, pad := padKeys[final]; {
	case len(params) > maxSequence:
		return keyNone, n
	case b[1] == 'O' && pad:
		return k, n
	case final == '~':
		return tildeKeys[string(number)], n
	case d.pasting:
		return keyNone, n
	case final == 'M' && len(params) == 0: // an old mouse report: three bytes follow
		return skip(b, n, 3)
	case final == '[': // a Linux console's function key: a letter follows
		return skip(b, n, 1)
	case len(params) > 0 && params[0] > ';': // an answer to what nobody asked, or a report
		return keyNone, n
	}
	// Modifiers are a bit each, and one: shift 1, alt 2, control 4, meta 8. Left and right
	// with any of them but shift move by words.
	m := string(modifier)
	switch k, held := cursorKeys[final], m != "" && m != "1" && m != "2"; {
	case held && k == keyLeft:
		return keyWordLeft, n
	case held && k == keyRight:
		return keyWordRight, n
	default:
		return k, n
	}
}

// skip passes over the next count bytes behind b[:n], up to a control character.
func skip(b []byte, n, count int) (key, int) {
	end := textEnd(b, n, n+count, utf8.MaxRune)
	if end == len(b) && end < n+count {
		return keyNone, 0
	}
	return keyNone, end
}

// textEnd returns where in b[from:most] there is a control character first, or another that
// is not below the limit.
func textEnd(b []byte, from, most int, limit rune) int {
	for from < min(len(b), most) && b[from] >= 0x20 && b[from] != 0x7f && rune(b[from]) < limit {
		from++
	}
	return from
}
