package terminal

import (
	"bytes"
	"slices"
	"sync"
)

// mark is what is written through x/term to draw its line anew. It stands alone
// in a write, and x/term itself writes no NUL.
const mark = 0

var markText = []byte{mark}

// keepOutput is the largest buffer that is kept when its content was taken.
const keepOutput = 1 << 10

// change is one thing that happens to the screen while the line being edited is
// not on it.
type change struct {
	text []byte // lines to show
	wipe bool   // erase the screen first
	size size   // the new size, if not zero
}

// sink is what x/term writes to: it collects output for Take and follows the
// cursor. It locks by itself, for no longer than a copy takes, so its Write
// never blocks; any goroutine may call its methods.
type sink struct {
	mu     sync.Mutex
	buf    []byte
	max    int
	at     tracker
	low    int  // the lowest row in use when Enter was pressed
	over   bool // more than max bytes waited
	closed bool
	tell   bool // an echo has come since Wake was called

	// While muted, nothing of what x/term writes is shown: neither echoes nor its
	// own erasing, which trusts its own idea of the cursor. At the mark the line is
	// erased, next is done, and x/term's drawing of the line is shown again.
	muted bool
	next  change
}

// device makes filter and sink one io.ReadWriter.
type device struct {
	*filter
	*sink
}

// Write takes what x/term writes.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.muted:
		s.emit(p)
		s.at.feed(p)
		s.tell = true
	case len(p) == 1 && p[0] == mark:
		s.change()
	}
	return len(p), nil
}

// mute stops echoes until the mark comes, where c is done.
func (s *sink) mute(c change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted, s.next = true, c
}

// change does next. The caller holds mu.
func (s *sink) change() {
	c := s.next
	s.muted, s.next = false, change{}
	if c.wipe {
		s.emit([]byte("\x1b[H\x1b[2J"))
	} else {
		s.erase()
	}
	s.lines(c.text)
	if c.size != (size{}) {
		s.at.size = c.size
	}
	s.at.home()
}

// erase removes the line being edited from the screen and leaves the cursor
// where its prompt began. The caller holds mu.
func (s *sink) erase() {
	if s.at.row == 0 && s.at.col == 0 && s.at.low == 0 {
		return
	}
	var seq [24]byte
	s.emit(append(up(seq[:0], s.at.row), "\r\x1b[J"...))
}

// lines appends p with CR before each LF, ended by one. The caller holds mu.
func (s *sink) lines(p []byte) {
	if len(p) == 0 || !s.room() {
		return
	}
	s.buf = slices.Grow(s.buf, len(p)+bytes.Count(p, []byte{'\n'})+64)
	for len(p) > 0 {
		line, rest, _ := bytes.Cut(p, []byte{'\n'})
		s.buf = append(append(s.buf, line...), '\r', '\n')
		p = rest
	}
}

// emit appends p. The caller holds mu.
func (s *sink) emit(p []byte) {
	if s.room() {
		s.buf = append(s.buf, p...)
	}
}

// room tells whether anything may still be appended. It is asked before and not
// after adding, so that one Print is not too much by itself. The caller holds mu.
func (s *sink) room() bool {
	if len(s.buf) > s.max {
		s.over = true
	}
	return !s.over && !s.closed
}

// resize notes a size for which nothing has to be drawn anew.
func (s *sink) resize(to size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at.size = to
}

// beforeEnter notes what the line takes up, before x/term ends it.
func (s *sink) beforeEnter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.low = s.at.low
}

// endLine leaves the line that was entered: erased, or on the screen with the
// cursor below all of it.
func (s *sink) endLine(gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone {
		s.erase()
	} else {
		for row := s.at.row; row <= s.low; row++ {
			s.emit([]byte{'\n'})
		}
	}
	s.at.home()
}

// untold tells whether an echo has come that nobody was woken for, once.
func (s *sink) untold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	tell := s.tell
	s.tell = false
	return tell
}

func (s *sink) take(dst []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	dst = append(dst, s.buf...)
	s.buf, s.tell = s.buf[:0], false
	if cap(s.buf) > keepOutput {
		s.buf = nil
	}
	return dst
}

func (s *sink) overflowed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// close ends all output and returns what is left to write.
func (s *sink) close(last string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := s.buf
	s.buf = nil
	s.erase()
	out := append(s.buf, last...)
	s.buf, s.closed = rest, true
	return out
}
