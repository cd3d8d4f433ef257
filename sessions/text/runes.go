package text

import "unicode"

const (
	joiner     = '\u200d' // zero-width joiner
	textStyle  = '\ufe0e' // variation selector 15
	emojiStyle = '\ufe0f' // variation selector 16
)

// Allowed tells whether a typed or pasted r may enter an editor at all: it is
// printable, a combining mark, or one of the few format characters that Clean
// keeps in some places. Newlines and tabs are keys, not text, and are not
// allowed.
func Allowed(r rune) bool {
	if r < 0x7f {
		return r >= 0x20
	}
	return r <= unicode.MaxRune && !unicode.Is(forbidden, r)
}

// isBlank tells whether r looks like a space: it is one, or a character without ink.
func isBlank(r rune) bool {
	switch r {
	case '\u2800', '\U00013441', '\U00013442', '\U00016fe4', '\U0001d159': // Braille, Egyptian, Khitan, music
		return true
	}
	return unicode.IsSpace(r)
}

// isMark tells whether r is drawn onto what stands before it.
func isMark(r rune) bool {
	return r >= 0x300 && (unicode.Is(unicode.M, r) || RuneWidth(r) == 0)
}

// isVowel tells whether r is a Hangul vowel or final consonant by itself, which
// terminals draw into the syllable before it, without width.
func isVowel(r rune) bool {
	return r >= 0x1160 && r <= 0x11ff || r >= 0xd7b0 && r <= 0xd7ff
}

// isEmoji tells whether r may be joined to others like it. The ranges are wider
// than Unicode's Extended_Pictographic, by symbols for which that does no harm.
func isEmoji(r rune) bool {
	return r >= 0xa9 && unicode.Is(emoji, r)
}

// isKeycap tells whether r is the base of a keycap emoji.
func isKeycap(r rune) bool {
	return r >= '0' && r <= '9' || r == '#' || r == '*'
}

var emoji = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0xa9, Hi: 0xa9, Stride: 1},
		{Lo: 0xae, Hi: 0xae, Stride: 1},
		{Lo: 0x203c, Hi: 0x203c, Stride: 1},
		{Lo: 0x2049, Hi: 0x2049, Stride: 1},
		{Lo: 0x2122, Hi: 0x2122, Stride: 1},
		{Lo: 0x2139, Hi: 0x2139, Stride: 1},
		{Lo: 0x2190, Hi: 0x21ff, Stride: 1},
		{Lo: 0x2300, Hi: 0x23ff, Stride: 1},
		{Lo: 0x24c2, Hi: 0x24c2, Stride: 1},
		{Lo: 0x25a0, Hi: 0x27bf, Stride: 1},
		{Lo: 0x2900, Hi: 0x297f, Stride: 1},
		{Lo: 0x2b00, Hi: 0x2bff, Stride: 1},
		{Lo: 0x3030, Hi: 0x3030, Stride: 1},
		{Lo: 0x303d, Hi: 0x303d, Stride: 1},
		{Lo: 0x3297, Hi: 0x3299, Stride: 2},
	},
	R32: []unicode.Range32{
		{Lo: 0x1f000, Hi: 0x1faff, Stride: 1},
	},
	LatinOffset: 2,
}

// forbidden is what no screen but the speaker's own may get: controls, format
// characters (bidirectional, zero-width, tags, annotations), invisible fillers
// and variation selectors, private use, surrogates and noncharacters. The
// zero-width joiner and two variation selectors are missing here because Clean
// decides by what stands beside them.
var forbidden = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x0000, Hi: 0x001f, Stride: 1},
		{Lo: 0x007f, Hi: 0x009f, Stride: 1},
		{Lo: 0x00ad, Hi: 0x00ad, Stride: 1},
		{Lo: 0x034f, Hi: 0x034f, Stride: 1}, // grapheme joiner, invisible
		{Lo: 0x0600, Hi: 0x0605, Stride: 1},
		{Lo: 0x061c, Hi: 0x061c, Stride: 1},
		{Lo: 0x06dd, Hi: 0x06dd, Stride: 1},
		{Lo: 0x070f, Hi: 0x070f, Stride: 1},
		{Lo: 0x0890, Hi: 0x0891, Stride: 1},
		{Lo: 0x08e2, Hi: 0x08e2, Stride: 1},
		{Lo: 0x115f, Hi: 0x1160, Stride: 1}, // Hangul fillers
		{Lo: 0x17b4, Hi: 0x17b5, Stride: 1}, // Khmer inherent vowels, invisible
		{Lo: 0x180b, Hi: 0x180f, Stride: 1},
		{Lo: 0x200b, Hi: 0x200c, Stride: 1},
		{Lo: 0x200e, Hi: 0x200f, Stride: 1},
		{Lo: 0x2028, Hi: 0x202e, Stride: 1},
		{Lo: 0x2060, Hi: 0x206f, Stride: 1},
		{Lo: 0x3164, Hi: 0x3164, Stride: 1}, // Hangul filler
		{Lo: 0xd800, Hi: 0xf8ff, Stride: 1}, // surrogates, private use
		{Lo: 0xfdd0, Hi: 0xfdef, Stride: 1},
		{Lo: 0xfe00, Hi: 0xfe0d, Stride: 1},
		{Lo: 0xfeff, Hi: 0xfeff, Stride: 1},
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1}, // Hangul filler
		{Lo: 0xfff0, Hi: 0xfffb, Stride: 1},
		{Lo: 0xfffe, Hi: 0xffff, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x110bd, Hi: 0x110bd, Stride: 1},
		{Lo: 0x110cd, Hi: 0x110cd, Stride: 1},
		{Lo: 0x13430, Hi: 0x1343f, Stride: 1},
		{Lo: 0x1bca0, Hi: 0x1bca3, Stride: 1},
		{Lo: 0x1d173, Hi: 0x1d17a, Stride: 1},
		{Lo: 0x1fffe, Hi: 0x1ffff, Stride: 1},
		{Lo: 0x2fffe, Hi: 0x2ffff, Stride: 1},
		{Lo: 0x3fffe, Hi: 0x3ffff, Stride: 1},
		{Lo: 0x4fffe, Hi: 0x4ffff, Stride: 1},
		{Lo: 0x5fffe, Hi: 0x5ffff, Stride: 1},
		{Lo: 0x6fffe, Hi: 0x6ffff, Stride: 1},
		{Lo: 0x7fffe, Hi: 0x7ffff, Stride: 1},
		{Lo: 0x8fffe, Hi: 0x8ffff, Stride: 1},
		{Lo: 0x9fffe, Hi: 0x9ffff, Stride: 1},
		{Lo: 0xafffe, Hi: 0xaffff, Stride: 1},
		{Lo: 0xbfffe, Hi: 0xbffff, Stride: 1},
		{Lo: 0xcfffe, Hi: 0xcffff, Stride: 1},
		{Lo: 0xdfffe, Hi: 0xdffff, Stride: 1},
		{Lo: 0xe0000, Hi: 0xe0fff, Stride: 1}, // tags, selectors
		{Lo: 0xefffe, Hi: 0x10ffff, Stride: 1},
	},
	LatinOffset: 3,
}
