package text

import "github.com/clipperhouse/displaywidth"

// ellipsis marks where Cut and Quote left something out.
const ellipsis = "…"

// Width returns how many terminal cells s takes on one row. Control characters
// take none.
func Width(s string) int {
	if isASCII(s) {
		return len(s)
	}
	return displaywidth.String(s)
}

// RuneWidth returns how many cells a terminal gives to r alone, as those do
// that know no grapheme clusters.
func RuneWidth(r rune) int {
	if isVowel(r) {
		return 0
	}
	return displaywidth.Rune(r)
}

// Cut returns s, or as much of it as fits into max cells with an ellipsis at
// the end. It cuts between grapheme clusters.
func Cut(s string, max int) string {
	if max <= 0 {
		return ""
	}
	if Width(s) <= max {
		return s
	}
	cells, end := 0, 0
	for g := displaywidth.StringGraphemes(s); g.Next(); {
		cells += g.Width()
		if cells > max-1 {
			break
		}
		end += len(g.Value())
	}
	return s[:end] + ellipsis
}

// quoteBytes bounds, for each cell asked for, how much of its input Quote looks
// at: somebody may send it megabytes.
const quoteBytes = 64

// Quote returns untrusted input as it may stand in an error: cleaned, on one
// line, at most max cells of it, between double quotes.
func Quote(s string, max int) string {
	if limit := (min(max, 1000) + 1) * quoteBytes; len(s) > limit && limit > 0 {
		return `"` + Cut(CleanLine(s[:limit])+ellipsis, max) + `"`
	}
	return `"` + Cut(CleanLine(s), max) + `"`
}

// isASCII tells whether s is printable ASCII only.
func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i]-0x20 > 0x7e-0x20 {
			return false
		}
	}
	return true
}
