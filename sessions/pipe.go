package sessions

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"
)

// lineReader cuts plain input into lines, ended by "\n", "\r\n" or the input's
// end, without keeping more of a line than can be said.
type lineReader struct {
	in   io.Reader
	buf  []byte // read and not yet handed out
	read []byte // where in is read into
	err  error
}

func newLineReader(in io.Reader) *lineReader {
	return &lineReader{in: in, read: make([]byte, 1<<10)}
}

// next returns the next line and its full size in bytes; of a line that is too
// long to be said only the beginning. A last line without newline comes before
// the error.
func (r *lineReader) next() (line string, size int, err error) {
	var kept []byte
	for {
		if i := bytes.IndexByte(r.buf, '\n'); i >= 0 {
			kept, size = keep(kept, size, r.buf[:i])
			r.buf = r.buf[i+1:]
			return trimCR(kept, size)
		}
		kept, size = keep(kept, size, r.buf)
		r.buf = nil
		if r.err != nil {
			if size == 0 {
				return "", 0, r.err
			}
			return trimCR(kept, size)
		}
		var n int
		n, r.err = r.in.Read(r.read)
		r.buf = r.read[:n]
	}
}

func keep(kept []byte, size int, more []byte) ([]byte, int) {
	room := max(0, maxText+1-len(kept))
	return append(kept, more[:min(room, len(more))]...), size + len(more)
}

func trimCR(line []byte, size int) (string, int, error) {
	if size == len(line) && size > 0 && line[size-1] == '\r' {
		return string(line[:size-1]), size - 1, nil
	}
	return string(line), size, nil
}

// pending counts what a person has asked for and not yet been told of. Safe for
// concurrent use.
type pending struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed and dropped when n gets to 0; nil unless waited for
}

func (p *pending) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += n
	if p.n == 0 && p.none != nil {
		close(p.none)
		p.none = nil
	}
}

// wait waits until nothing is pending, and reports whether that came before ctx was
// over and limit had passed.
func (p *pending) wait(ctx context.Context, limit time.Duration) bool {
	p.mu.Lock()
	if p.n == 0 {
		p.mu.Unlock()
		return true
	}
	if p.none == nil {
		p.none = make(chan struct{})
	}
	none := p.none
	p.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-none:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}
