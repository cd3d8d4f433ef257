package text

import (
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// Width returns how many terminal cells s takes on one row at most: many terminals know no grapheme clusters, and
// give cells to each part of one. Control characters and sequences take none.
func Width(s string) (cells int) {
	for g := (displaywidth.Options{ControlSequences: true}).StringGraphemes(s); g.Next(); {
		if g.Value()[0] != '\x1b' {
			cells += cellsOf(g.Value())
		}
	}
	return cells
}

// cellsOf returns how many cells a character takes at most.
func cellsOf(character string) int {
	cells := 0
	for _, r := range character {
		cells += RuneWidth(r)
	}
	return max(cells, displaywidth.String(character))
}

// RuneWidth returns how many cells a terminal gives to r alone, as those do
// that know no grapheme clusters.
func RuneWidth(r rune) int {
	if r >= 0x1160 && r <= 0x11ff || r >= 0xd7b0 && r <= 0xd7ff {
		return 0 // Hangul vowels and final consonants are drawn into the syllable before them
	}
	return displaywidth.Rune(r)
}

// Bounds of a character: an emoji has at most two people, their skins and what is between them.
const (
	maxParts = 6
	maxRunes = 32
)

// Character returns the length in bytes of the first character of s, as people count them: with its marks, or an emoji
// with all its parts. Such a sequence should take two cells, and terminals do not agree on that. All else takes the sum of
// its RuneWidths.
func Character(s string) (size int, sequence bool) {
	first, size := utf8.DecodeRuneInString(s)
	if size == len(s) || first < utf8.RuneSelf && s[1] < utf8.RuneSelf {
		return size, false
	}
	parts, last := 1, first
	for runes := 1; size < len(s) && runes < maxRunes; runes++ {
		r, n := utf8.DecodeRuneInString(s[size:])
		joins := last == joiner && isEmoji(first) && isEmoji(r) && !isFlag(r) || isSkin(r) && isEmoji(last) || parts == 1 && isFlag(first) && isFlag(r)
		switch {
		case joins && parts < maxParts:
			parts++
			sequence = true
		case RuneWidth(r) == 0:
			sequence = sequence || r == emojiStyle && hasStyles(last)
		default:
			return size, sequence
		}
		size, last = size+n, r
	}
	return size, sequence
}

// LastCharacter is Character of the last one of s.
func LastCharacter(s string) (size int) {
	for at := Begins(s); at < len(s); at += size {
		size, _ = Character(s[at:])
	}
	return size
}

// Begins returns an index at which a character of s begins: its last one, or one before that where this is not plain
// from its end.
func Begins(s string) int {
	at := len(s)
	for at > 0 {
		r, n := utf8.DecodeLastRuneInString(s[:at])
		at -= n
		if RuneWidth(r) > 0 && !isSkin(r) && !isFlag(r) && !strings.HasSuffix(s[:at], string(joiner)) {
			break
		}
	}
	return at
}

// isSkin tells whether r gives an emoji a colour of skin, isFlag whether two like it are a flag.
func isSkin(r rune) bool { return r >= 0x1f3fb && r <= 0x1f3ff }
func isFlag(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// Cut returns s, or as much of it as fits into max cells with an ellipsis at
// the end. It cuts between characters.
func Cut(s string, max int) string {
	if max <= 0 {
		return ""
	}
	fits, cells := 0, 0 // fits is where the ellipsis would be
	for at := 0; at < len(s); {
		size, _ := Character(s[at:])
		if cells += cellsOf(s[at : at+size]); cells > max {
			return s[:fits] + "…"
		}
		if at += size; cells < max {
			fits = at
		}
	}
	return s
}

// Quote returns untrusted input as it may stand in an error: cleaned, on one
// line, at most max cells of it, between double quotes.
func Quote(s string, max int) string {
	return `"` + Cut(CleanLine(s), max) + `"`
}

// AppendWrapped appends clean text s, broken into rows of at most width cells,
// to dst. The first row begins in column col, behind text that was printed
// already; all later rows, wrapped or after a newline of s, are
// indented as far, or little where that would be more than half the width. Rows
// are separated by '\n', with none at the end.
//
// Rows break at spaces, which are swallowed there, and before and after wide
// characters; a word longer than a row begins one, and is broken between characters.
// With a width of zero or less only s's own newlines break rows.
func AppendWrapped(dst []byte, s string, width, col int) []byte {
	col = max(col, 0)
	indent := col
	if width > 0 && indent > width/2 {
		indent, col = min(2, width/4), col%width
	}
	newline := "\n" + strings.Repeat(" ", indent)
	first := true
	for line := range strings.SplitSeq(s, "\n") {
		switch {
		case first:
			first = false
		case line == "":
			dst = append(dst, '\n')
		default:
			dst, col = append(dst, newline...), indent
		}
		dst = appendLine(dst, line, width, col, newline)
	}
	return dst
}

// appendLine wraps one line of a text, whose first row begins in column col.
func appendLine(dst []byte, line string, width, col int, newline string) []byte {
	if width <= 0 || len(line) <= width-col && isPlain(line) {
		return append(dst, line...)
	}
	indent := len(newline) - 1
	row, rowCol := len(dst), col      // where the current row begins in dst, and in which column
	word, wordCol := len(dst), col    // and the current word
	before, end := len(dst), len(dst) // the ends of the words before that one and after it
	wide := false
	for size := 0; line != ""; line = line[size:] {
		size, _ = Character(line)
		character := line[:size]
		cells := cellsOf(character)
		if character == " " {
			dst, col = append(dst, ' '), col+1
			continue
		}
		if end < len(dst) || wide || cells > 1 {
			before, word, wordCol = end, len(dst), col
		}
		for col+cells > width && (len(dst) > row || rowCol > indent) {
			if word == row && rowCol == indent { // it alone is too long
				word, before, wordCol = len(dst), len(dst), col
			}
			moved := string(dst[word:])
			if dst = dst[:before]; before > row || rowCol > indent {
				dst = append(dst, newline...)
			}
			row, rowCol, word, before = len(dst), indent, len(dst), len(dst)
			dst, col, wordCol = append(dst, moved...), indent+col-wordCol, indent
		}
		dst, col, wide = append(dst, character...), col+cells, cells > 1
		end = len(dst)
	}
	return dst[:end]
}
