package history

import (
	"bytes"
	"errors"
	"io"
)

// seating finds the places in a file for what the journals have for it: where they say,
// unless somebody has edited the file by hand. Then each line that is there already
// stays where it is, and the others go to the end. Also when it is done again after a
// crash, no line is doubled, and none comes to stand on another one.
type seating struct {
	r     io.ReaderAt
	size  int64 // of the file, with what was placed so far
	floor int64 // what is placed next must not come to stand before it

	all   int64            // how many bytes the journals have
	there map[string]int64 // the good lines near the end; nil until it is asked for
}

func newSeating(r io.ReaderAt, size int64, spans []span) *seating {
	s := &seating{r: r, size: size}
	for _, p := range spans {
		s.all += int64(len(p.data))
	}
	return s
}

// seat is where a piece of a file goes.
type seat struct {
	span
	is bool // the same is there already; after a failed fsync it may be there in memory alone
}

// place returns the seats of a span. The caller writes them before it asks for more.
func (s *seating) place(p span) ([]seat, error) {
	fits, there := s.fits(p)
	if !fits || !there {
		err := s.search()
		if err != nil && !fits {
			return nil, err
		}
		if !fits || s.elsewhere(p) {
			return s.lines(p)
		}
	}
	s.took(p)
	return []seat{{p, false}}, nil
}

// search finds out what is there, once.
func (s *seating) search() (err error) {
	if s.there == nil {
		s.there, err = goodLines(s.r, max(0, s.size-s.all-maxLine), s.size)
	}
	return err
}

// elsewhere reports whether a message of p stands where it does not belong. Marks can be
// there twice, messages can't.
func (s *seating) elsewhere(p span) bool {
	for data := range bytes.Lines(p.data) {
		at, is := s.there[string(bytes.TrimSuffix(data, []byte("\n")))]
		if is && (at < p.off || at >= p.end()) && bytes.HasPrefix(data, []byte(`{"id":`)) {
			return true
		}
	}
	return false
}

// lines is place, line by line.
func (s *seating) lines(p span) (seats []seat, err error) {
	for data := range bytes.Lines(p.data) {
		at, is := s.there[string(bytes.TrimSuffix(data, []byte("\n")))]
		if !is {
			at = s.size
			if data, err = s.afterNewline(data); err != nil {
				return nil, err
			}
		}
		to := seat{span{at, data}, is}
		s.took(to.span)
		seats = append(seats, to)
	}
	return seats, nil
}

// afterNewline has data, which goes to the end, begin a line.
func (s *seating) afterNewline(data []byte) ([]byte, error) {
	if s.floor == s.size {
		return data, nil // what stands before it was placed just now, or nothing does
	}
	whole, err := endsLine(s.r, s.size)
	if err == nil && !whole {
		data = append([]byte("\n"), data...)
	}
	return data, err
}

func (s *seating) took(p span) {
	s.floor = max(s.floor, p.end())
	s.size = max(s.size, p.end())
}

// fits reports whether p may go where it says: at the start of a line, where no good
// lines stand but its own; a crash leaves nothing else. So it may where the file can't be
// read. It also reports whether the first of its lines is there.
func (s *seating) fits(p span) (fits, there bool) {
	if p.off < s.floor || p.off > s.size {
		return false, false
	}
	if p.off > s.floor {
		if starts, err := endsLine(s.r, p.off); err == nil && !starts {
			return false, false
		}
	}
	lines := forward{r: s.r, off: p.off, end: s.size}
	for {
		l, err := lines.next()
		if err != nil || l.off >= p.end() {
			return true, there
		}
		good := sealed(l.data)
		if good && !bytes.HasPrefix(p.data[l.off-p.off:], l.data) {
			return false, false
		}
		there = there || good && l.off == p.off
	}
}

// endsLine reports whether a line may begin at off.
func endsLine(r io.ReaderAt, off int64) (bool, error) {
	if off == 0 {
		return true, nil
	}
	last := make([]byte, 1)
	if n, err := r.ReadAt(last, off-1); n < 1 {
		return false, noEOF(err)
	}
	return last[0] == '\n', nil
}

// goodLines returns where the good lines between two places begin.
func goodLines(r io.ReaderAt, from, to int64) (map[string]int64, error) {
	there := make(map[string]int64)
	lines := forward{r: r, off: from, end: to}
	for {
		l, err := lines.next()
		if errors.Is(err, io.EOF) {
			return there, nil
		}
		if err != nil {
			return nil, err
		}
		found, whole := decodeLine(l.data)
		for _, e := range found {
			there[string(record(l.data, e, whole))] = l.off + e.off
		}
	}
}
