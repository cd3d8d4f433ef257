package text

import (
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// Width returns how many terminal cells s takes on one row. Control characters and
// sequences take none.
func Width(s string) int { return displaywidth.Options{ControlSequences: true}.String(s) }

// RuneWidth returns how many cells a terminal gives to r alone, as those do
// that know no grapheme clusters.
func RuneWidth(r rune) int {
	if r >= 0x1160 && r <= 0x11ff || r >= 0xd7b0 && r <= 0xd7ff {
		return 0 // Hangul vowels and final consonants are drawn into the syllable before them
	}
	return displaywidth.Rune(r)
}

// Cut returns s, or as much of it as fits into max cells with an ellipsis at
// the end. It cuts between grapheme clusters.
func Cut(s string, max int) string {
	if max <= 0 {
		return ""
	}
	return displaywidth.TruncateString(s, max, "…")
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
// characters; a word longer than a row begins one, and is broken between grapheme
// clusters.
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
	for g := displaywidth.StringGraphemes(line); g.Next(); {
		cells := g.Width()
		if g.Value() == " " {
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
		dst, col, wide = append(dst, g.Value()...), col+cells, cells > 1
		end = len(dst)
	}
	return dst[:end]
}
