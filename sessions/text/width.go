package text

import (
	"strings"
	"unicode/utf8"

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
	const most = 4 << 10 // bytes that are looked at: somebody may send megabytes
	cut := ""
	if len(s) > most {
		s, cut = s[:most], "…"
	}
	return `"` + Cut(CleanLine(s)+cut, max) + `"`
}

// AppendWrapped appends clean text s, broken into rows of at most width cells,
// to dst. The first row begins in column col, whatever stands before it having
// been printed already; all later rows, wrapped or after a newline of s, are
// indented as far, or little where that would be more than half the width. Rows
// are separated by '\n', with none at the end.
//
// Rows break at spaces, which are swallowed there, and before and after wide
// characters; a word longer than a row is broken between grapheme clusters.
// With a width of zero or less only s's own newlines break rows.
func AppendWrapped(dst []byte, s string, width, col int) []byte {
	indent := max(col, 0)
	if width > 0 && indent > width/2 {
		indent, col = min(2, width/4), col%width
	}
	newline := "\n" + strings.Repeat(" ", indent)
	line, rest, more := strings.Cut(s, "\n")
	dst = appendLine(dst, line, width, max(col, 0), newline)
	for more {
		line, rest, more = strings.Cut(rest, "\n")
		if line == "" {
			dst = append(dst, '\n')
			continue
		}
		dst = appendLine(append(dst, newline...), line, width, indent, newline)
	}
	return dst
}

// appendLine wraps one line of a text, whose first row begins in column col.
func appendLine(dst []byte, line string, width, col int, newline string) []byte {
	if width <= 0 || len(line) <= width-col && isPlain(line) {
		return append(dst, line...)
	}
	indent := len(newline) - 1
	used := col > indent // the row holds something that a break could part from
	for line != "" {
		gap := countSpaces(line)
		word, cells := nextWord(line[gap:])
		line = line[gap+len(word):]
		if !used {
			gap = max(0, min(gap, width-col-cells))
		}
		switch {
		case word == "":
			return dst
		case col+gap+cells <= width:
			dst = append(append(dst, strings.Repeat(" ", gap)...), word...)
			col += gap + cells
		case cells <= width-indent:
			dst = append(append(dst, newline...), word...)
			col = indent + cells
		default:
			gap = max(0, min(gap, width-col-1))
			dst = append(dst, strings.Repeat(" ", gap)...)
			col += gap
			for g := displaywidth.StringGraphemes(word); g.Next(); used = true {
				if col+g.Width() > width && used {
					dst = append(dst, newline...)
					col = indent
				}
				dst = append(dst, g.Value()...)
				col += g.Width()
			}
		}
		used = true
	}
	return dst
}

// countSpaces returns how many spaces s begins with that nothing is drawn onto.
func countSpaces(s string) int {
	n := len(s) - len(strings.TrimLeft(s, " "))
	if r, _ := utf8.DecodeRuneInString(s[n:]); n > 0 && (isMark(r) || r == joiner) {
		n--
	}
	return n
}

// nextWord returns what s begins with that is not to be broken: all up to the
// next space or wide character, or one wide character. What it begins with is
// never a break, even a space, which then has a mark.
func nextWord(s string) (word string, cells int) {
	n := 0
	for n < len(s) && s[n] > ' ' && s[n] < utf8.RuneSelf {
		n++
	}
	if n == len(s) || n > 0 && s[n] == ' ' {
		return s[:n], n
	}
	n = 0
	for g := displaywidth.StringGraphemes(s); g.Next(); {
		v, wide := g.Value(), g.Width()
		if n > 0 && (v == " " || wide > 1) {
			break
		}
		n += len(v)
		cells += wide
		if wide > 1 {
			break
		}
	}
	return s[:n], cells
}
