package screen

import (
	"fmt"
	"strconv"
	"strings"
)

// parser is what the model remembers between two bytes.
type parser struct {
	state byte   // 0, or the introducer of what is being read: ESC [ ] P ^ _ X
	seq   []byte // what was read of it
	part  []byte // of a rune
}

func (s *Screen) feed(b byte) {
	switch p := &s.parse; {
	case p.state == 0 && b >= 0x80:
		s.utf8(b)
	case p.state == 0 && len(p.part) > 0:
		p.part = p.part[:0]
		s.unknown("cut UTF-8")
		s.feed(b)
	case p.state == 0 && b >= 0x20 && b != 0x7f:
		s.print(rune(b))
	case p.state == 0:
		s.control(b)
	case p.state == 0x1b:
		s.escape(b)
	case p.state == '[':
		s.csi(b)
	default:
		s.str(b)
	}
}

func (s *Screen) control(b byte) {
	switch b {
	case '\a':
		s.Bells++
	case '\b':
		s.col, s.wrap = max(s.col-1, 0), false
	case '\r':
		s.col, s.wrap = 0, false
	case '\n':
		s.lineFeed()
		s.wrap = false
	case 0x1b:
		s.parse.state = b
	default:
		s.unknown(fmt.Sprintf("control %#02x", b))
	}
}

func (s *Screen) escape(b byte) {
	s.parse.state, s.parse.seq = 0, s.parse.seq[:0]
	switch b {
	case '[', ']', 'P', '^', '_', 'X':
		s.parse.state = b
	default:
		s.unknown(fmt.Sprintf("ESC %q", b))
	}
}

// str reads an OSC or another string up to BEL or ST.
func (s *Screen) str(b byte) {
	p := &s.parse
	p.seq = append(p.seq, b)
	if b == '\a' || b == '\\' && len(p.seq) > 1 && p.seq[len(p.seq)-2] == 0x1b {
		s.Strings = append(s.Strings, string(p.state)+string(p.seq))
		s.unknown("string " + strconv.Quote(string(p.seq)))
		p.state = 0
	}
}

func (s *Screen) csi(b byte) {
	p := &s.parse
	if b >= 0x20 && b < 0x40 {
		p.seq = append(p.seq, b)
		return
	}
	p.state = 0
	if b < 0x40 || b > 0x7e || !s.run(string(p.seq), b) {
		s.unknown(fmt.Sprintf("CSI %q %q", p.seq, b))
	}
}

// run does one control sequence, if it is known.
func (s *Screen) run(params string, final byte) bool {
	switch params {
	case "?2004":
		s.BracketedPaste = final == 'h'
		return final == 'h' || final == 'l'
	}
	args, ok := numbers(params)
	if !ok {
		return false
	}
	n := max(args[0], 1)
	switch final {
	case 'A':
		s.moveTo(s.row-n, s.col)
	case 'B':
		s.moveTo(s.row+n, s.col)
	case 'C':
		s.moveTo(s.row, s.col+n)
	case 'D':
		s.moveTo(s.row, s.col-n)
	case 'G':
		s.moveTo(s.row, n-1)
	case 'H':
		s.moveTo(n-1, max(args[1], 1)-1)
	case 'J':
		return s.eraseDisplay(args[0])
	case 'K':
		return s.eraseLine(args[0])
	case 'm':
	default:
		return false
	}
	return true
}

// numbers reads "1;31" as at least two numbers, missing ones being 0.
func numbers(params string) ([]int, bool) {
	out := []int{}
	for _, p := range strings.Split(params, ";") {
		n := 0
		if p != "" {
			var err error
			if n, err = strconv.Atoi(p); err != nil || n < 0 {
				return nil, false
			}
		}
		out = append(out, n)
	}
	return append(out, 0), true
}

func (s *Screen) moveTo(row, col int) {
	s.row = min(max(row, 0), s.height-1)
	s.col = min(max(col, 0), s.width-1)
	s.wrap = false
}

func (s *Screen) eraseDisplay(how int) bool {
	first, last := s.row, s.height
	switch how {
	case 0:
		s.blank(s.row, s.col, s.width)
		first++
	case 2:
		first = 0
	default:
		return false
	}
	for r := first; r < last; r++ {
		s.blank(r, 0, s.width)
	}
	s.wrap = false
	return true
}

func (s *Screen) eraseLine(how int) bool {
	switch how {
	case 0:
		s.blank(s.row, s.col, s.width)
	case 2:
		s.blank(s.row, 0, s.width)
	default:
		return false
	}
	s.wrap = false
	return true
}
