package jsonl

import (
	"bytes"
	"errors"
	"io"
	"iter"
)

// blockSize is how much is read at once.
const blockSize = 16 << 10

// Line is one line without its newline. Data is only good until the next one is asked for, and nil
// when the line is longer than any record.
type Line struct {
	Off, End int64 // where it and the next line begin
	Data     []byte
	Torn     bool // it has no newline, as only the last one can
}

func newLine(off, end int64, data []byte, torn, long bool) Line {
	if long || len(data) >= MaxLine {
		data = nil
	}
	return Line{off, end, data, torn}
}

// Lines gives the lines of r in [off, end), up to the first error. off must be the start of a line.
func Lines(r io.ReaderAt, off, end int64) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		for f := NewForward(r, off, end); ; {
			l, err := f.Next()
			if errors.Is(err, io.EOF) || !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// Forward walks the lines of a file.
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
	f.off, f.buf = off, nil
}

// Offset is where the next line begins.
func (f *Forward) Offset() int64 { return f.off }

// Next returns the next line; after the last one it returns io.EOF.
func (f *Forward) Next() (Line, error) {
	start, seen, long := f.off, 0, false
	for {
		if i := bytes.IndexByte(f.buf[seen:], '\n'); i >= 0 {
			data := f.take(seen + i + 1)
			return newLine(start, f.off, data[:seen+i], false, long), nil
		}
		seen = len(f.buf)
		if f.off+int64(seen) >= f.end {
			data := f.take(seen)
			if start >= f.end {
				return Line{}, io.EOF
			}
			return newLine(start, f.off, data, true, long), nil
		}
		if seen > MaxLine {
			f.take(seen)
			seen, long = 0, true
		}
		if err := f.fill(); err != nil {
			return Line{}, err
		}
	}
}

func (f *Forward) take(n int) []byte {
	data := f.buf[:n]
	f.buf = f.buf[n:]
	f.off += int64(n)
	return data
}

// fill reads one more block behind what is there.
func (f *Forward) fill() error {
	have := len(f.buf)
	need := have + int(min(blockSize, f.end-f.off-int64(have)))
	if cap(f.mem) < need {
		f.mem = make([]byte, max(need, 2*cap(f.mem)))
	}
	f.mem = f.mem[:cap(f.mem)]
	copy(f.mem, f.buf)
	f.buf = f.mem[:have]
	if err := readFull(f.r, f.mem[have:need], f.off+int64(have)); err != nil {
		return err
	}
	f.buf = f.mem[:need]
	return nil
}

// readFull tells a file that became shorter from the end of what is asked for.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// Backward gives the lines of r before end, the last one first, up to the first error. end must be
// that of a line, after its newline, or of a last line without one.
func Backward(r io.ReaderAt, end int64) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		var mem, buf []byte // buf is a part of mem, and what is read but not handed out yet
		off := end          // of buf[0]
		fill := func() error {
			more := int(min(blockSize, off))
			need := more + len(buf)
			if cap(mem) < need {
				mem = make([]byte, max(need, 2*cap(mem)))
			}
			mem = mem[:cap(mem)]
			copy(mem[more:], buf)
			off -= int64(more)
			buf = mem[:need]
			return readFull(r, buf[:more], off)
		}
		for end > 0 {
			torn := false
			for long := false; ; {
				text := bytes.TrimSuffix(buf, []byte("\n"))
				if !long && len(buf) > 0 {
					torn = len(text) == len(buf)
				}
				if i := bytes.LastIndexByte(text, '\n'); len(buf) > 0 && (i >= 0 || off == 0) {
					start := off + int64(i) + 1
					if !yield(newLine(start, end, text[i+1:], torn, long), nil) {
						return
					}
					buf, end = buf[:i+1], start
					break
				}
				if len(buf) > MaxLine { // its end is not needed; a byte that is no newline stands for it
					buf, long = append(buf[:0], ' '), true
				}
				if err := fill(); err != nil {
					yield(Line{}, err)
					return
				}
			}
		}
	}
}
