// Package screen is the model of a terminal's screen for tests: what a person would
// see after the bytes written to it. It knows what an xterm does with the few
// sequences that a chat session may use, and reports everything else, so that a
// test can assert that nothing else ever arrives.
//
// It is no part of the server, and only for one goroutine at a time.
package screen

import (
	"strings"
	"unicode/utf8"

	"whoelse/sessions/text"
)

// cell is one position of the screen: the rune and the marks drawn onto it. The
// right half of a wide character is a cell with continued set.
type cell struct {
	text      string
	continued bool
}

// Screen is the state of one terminal. Make it with New.
type Screen struct {
	width, height int
	rows          [][]cell // the screen, top row first
	scrolled      []string // rows that left the screen at its top
	row, col      int
	wrap          bool // the last column was written: the next character wraps
	parse         parser

	// Bells counts BEL characters.
	Bells int
	// Unknown lists what the model does not know and ignored.
	Unknown []string
	// BracketedPaste tells whether ?2004 is on.
	BracketedPaste bool
	// Title and other strings never arrive from a well-behaved server.
	Strings []string
}

// New returns an empty screen of w columns and h rows.
func New(w, h int) *Screen {
	s := &Screen{width: w, height: h}
	s.rows = make([][]cell, h)
	for i := range s.rows {
		s.rows[i] = make([]cell, w)
	}
	return s
}

// Write shows p. It never fails. Runes and sequences may be split over writes.
func (s *Screen) Write(p []byte) (int, error) {
	for _, b := range p {
		s.feed(b)
	}
	return len(p), nil
}

// Cursor returns the cursor's row and column, both from 0.
func (s *Screen) Cursor() (row, col int) { return s.row, s.col }

// Scrolled returns how many rows have left the screen at its top.
func (s *Screen) Scrolled() int { return len(s.scrolled) }

// Screen returns the rows, their right ends trimmed.
func (s *Screen) Screen() []string {
	out := make([]string, len(s.rows))
	for i, row := range s.rows {
		out[i] = show(row)
	}
	return out
}

// All returns what has scrolled off and the screen, without the empty rows at
// the end.
func (s *Screen) All() []string { return s.From(0) }

// From returns All without its first rows, of which n have scrolled off.
func (s *Screen) From(n int) []string {
	all := append(append([]string(nil), s.scrolled[n:]...), s.Screen()...)
	for len(all) > 0 && all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

// String returns All as one text.
func (s *Screen) String() string { return strings.Join(s.All(), "\n") }

// Resize does what xterm does: rows are cut or extended on their right, and rows
// above are scrolled off when the cursor would otherwise be below the bottom.
func (s *Screen) Resize(w, h int) {
	for s.row >= h {
		s.scroll()
		s.row--
	}
	rows := make([][]cell, h)
	for i := range rows {
		rows[i] = make([]cell, w)
		if i < len(s.rows) {
			copy(rows[i], s.rows[i])
		}
	}
	s.rows, s.width, s.height = rows, w, h
	s.col = min(s.col, w-1)
	s.wrap = false
}

func show(row []cell) string {
	var b strings.Builder
	for _, c := range row {
		switch {
		case c.continued:
		case c.text == "":
			b.WriteByte(' ')
		default:
			b.WriteString(c.text)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// print puts one rune where the cursor is.
func (s *Screen) print(r rune) {
	w := text.RuneWidth(r)
	if w == 0 {
		s.mark(r)
		return
	}
	if s.wrap || s.col+w > s.width && s.col > 0 {
		s.col, s.wrap = 0, false
		s.lineFeed()
	}
	s.blank(s.row, s.col, min(s.col+w, s.width))
	s.rows[s.row][s.col].text = string(r)
	if w == 2 && s.col+1 < s.width {
		s.rows[s.row][s.col+1].continued = true
	}
	s.col += w
	if s.col >= s.width {
		s.col, s.wrap = s.width-1, true
	}
}

// mark draws a rune without width onto the one before the cursor.
func (s *Screen) mark(r rune) {
	col := s.col - 1
	if s.wrap {
		col = s.col
	}
	if col > 0 && s.rows[s.row][col].continued {
		col--
	}
	if col >= 0 {
		s.rows[s.row][col].text += string(r)
	}
}

// blank empties cells from up to to, and the other half of any wide character
// that is cut by it.
func (s *Screen) blank(row, from, to int) {
	cells := s.rows[row]
	if from > 0 && from < len(cells) && cells[from].continued {
		cells[from-1] = cell{}
	}
	if to < len(cells) && cells[to].continued {
		cells[to] = cell{}
	}
	for i := from; i < to; i++ {
		cells[i] = cell{}
	}
}

func (s *Screen) lineFeed() {
	if s.row == s.height-1 {
		s.scroll()
		return
	}
	s.row++
}

func (s *Screen) scroll() {
	s.scrolled = append(s.scrolled, show(s.rows[0]))
	s.rows = append(s.rows[1:], make([]cell, s.width))
}

func (s *Screen) unknown(what string) {
	s.Unknown = append(s.Unknown, what)
}

// rune decodes UTF-8 that may be split over writes.
func (s *Screen) utf8(b byte) {
	p := &s.parse
	p.part = append(p.part, b)
	if !utf8.FullRune(p.part) {
		return
	}
	r, size := utf8.DecodeRune(p.part)
	p.part = p.part[:0]
	switch {
	case r == utf8.RuneError && size == 1:
		s.unknown("invalid UTF-8")
	case !text.Allowed(r):
		s.unknown("control or format character " + string(r))
	default:
		s.print(r)
	}
}
