package jsonl

import (
	"bytes"
	"errors"
	"io"
)

// blockSize is how much is read at once.
const blockSize = 16 << 10

// noEOF tells a file that became shorter from the end of what is asked for.
func noEOF(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Line is one line without its newline. Data is only good until the next one
// is asked for. Data is nil when the line is longer than any record.
type Line struct {
	Off  int64
	Data []byte
}

// Forward walks the lines of [off, end). off must be the start of a line.
type Forward struct {
	r   io.ReaderAt
	off int64 // of buf[0]
	end int64
	buf []byte // what is read but not handed out yet
	mem []byte // what buf is a part of
}

// NewForward walks the lines of r in [off, end). off must be the start of a line.
func NewForward(r io.ReaderAt, off, end int64) *Forward { return &Forward{r: r, off: off, end: end} }

// SeekTo goes to off, which must be the start of a line. It costs nothing when that was
// read already.
func (f *Forward) SeekTo(off int64) {
	if skip := off - f.off; skip >= 0 && skip < int64(len(f.buf)) {
		f.take(int(skip))
		return
	}
	f.off, f.buf = off, f.buf[:0]
}

// Offset is where the next line begins.
func (f *Forward) Offset() int64 { return f.off }

// Next returns the next line; after the last one it returns io.EOF.
func (f *Forward) Next() (Line, error) {
	seen, long := 0, false
	start := f.off
	for {
		if i := bytes.IndexByte(f.buf[seen:], '\n'); i >= 0 {
			data := f.buf[:seen+i]
			f.take(seen + i + 1)
			return f.line(start, data, long), nil
		}
		if len(f.buf) > MaxLine {
			f.take(len(f.buf))
			long = true
		}
		seen = len(f.buf)
		if f.off+int64(seen) >= f.end {
			data := f.buf
			f.take(seen)
			if start >= f.end {
				return Line{}, io.EOF
			}
			return f.line(start, data, long), nil
		}
		if err := f.fill(); err != nil {
			return Line{}, err
		}
	}
}

func (f *Forward) line(start int64, data []byte, long bool) Line {
	if long || len(data) >= MaxLine {
		data = nil
	}
	return Line{start, data}
}

func (f *Forward) take(n int) {
	f.buf = f.buf[n:]
	f.off += int64(n)
}

// fill reads one more block behind what is there.
func (f *Forward) fill() error {
	have := len(f.buf)
	more := int(min(blockSize, f.end-f.off-int64(have)))
	if cap(f.mem) < have+more {
		f.mem = make([]byte, max(have+more, 2*cap(f.mem)))
	}
	f.mem = f.mem[:cap(f.mem)]
	copy(f.mem, f.buf)
	n, err := f.r.ReadAt(f.mem[have:have+more], f.off+int64(have))
	f.buf = f.mem[:have+n]
	if n < more {
		return noEOF(err)
	}
	return nil
}

// Backward walks the lines of a file from its end.
type Backward struct {
	r   io.ReaderAt
	off int64  // of buf[0]
	buf []byte // what is read but not handed out yet
	mem []byte // what buf is a part of
}

// NewBackward walks the lines of r before end, the last one first. end must be that of a
// line, after its newline, or of a last line without one.
func NewBackward(r io.ReaderAt, end int64) *Backward { return &Backward{r: r, off: end} }

// Next returns the line before; before the first one it returns io.EOF.
func (b *Backward) Next() (Line, error) {
	if len(b.buf) == 0 {
		if b.off == 0 {
			return Line{}, io.EOF
		}
		if err := b.fill(); err != nil {
			return Line{}, err
		}
	}
	b.buf = bytes.TrimSuffix(b.buf, []byte("\n"))
	long := false
	for {
		if i := bytes.LastIndexByte(b.buf, '\n'); i >= 0 || b.off == 0 {
			l := Line{b.off + int64(i) + 1, b.buf[i+1:]}
			if long || len(l.Data) >= MaxLine {
				l.Data = nil
			}
			b.buf = b.buf[:i+1]
			return l, nil
		}
		if len(b.buf) > MaxLine {
			b.buf, long = b.buf[:0], true
		}
		if err := b.fill(); err != nil {
			return Line{}, err
		}
	}
}

// fill reads one more block before what is there.
func (b *Backward) fill() error {
	more := int(min(blockSize, b.off))
	need := more + len(b.buf)
	if cap(b.mem) < need {
		b.mem = make([]byte, max(need, 2*cap(b.mem)))
	}
	b.mem = b.mem[:cap(b.mem)]
	copy(b.mem[more:], b.buf)
	n, err := b.r.ReadAt(b.mem[:more], b.off-int64(more))
	if n < more {
		b.buf = nil
		return noEOF(err)
	}
	b.buf = b.mem[:need]
	b.off -= int64(more)
	return nil
}
