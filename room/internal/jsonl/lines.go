package jsonl

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"slices"
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
	r        io.ReaderAt
	off, end int64
	buf      *bufio.Reader // from off on
	long     []byte        // what did not fit into buf
}

// NewForward walks the lines of r in [off, end). off must be the start of a line.
func NewForward(r io.ReaderAt, off, end int64) *Forward {
	size := min(blockSize, end-off)
	return &Forward{r: r, off: off, end: end, buf: bufio.NewReaderSize(io.NewSectionReader(r, off, end-off), int(size))}
}

// SeekTo goes to off, which must be the start of a line. It costs nothing when that was
// read already.
func (f *Forward) SeekTo(off int64) {
	if skip := off - f.off; skip >= 0 && skip < int64(f.buf.Buffered()) {
		_, _ = f.buf.Discard(int(skip)) // which is there
	} else {
		f.buf.Reset(io.NewSectionReader(f.r, off, f.end-off))
	}
	f.off = off
}

// Next returns the next line; after the last one it returns io.EOF.
func (f *Forward) Next() (Line, error) {
	l := Line{Off: f.off}
	f.long = f.long[:0]
	data, err := f.buf.ReadSlice('\n')
	for ; errors.Is(err, bufio.ErrBufferFull); data, err = f.buf.ReadSlice('\n') {
		f.off += int64(len(data))
		if len(f.long) < MaxLine { // more is not needed
			f.long = append(f.long, data...)
		}
	}
	f.off += int64(len(data))
	l.End, l.Torn = f.off, errors.Is(err, io.EOF)
	switch {
	case err != nil && !l.Torn:
		return Line{}, err
	case l.Torn && f.off < f.end: // the file became shorter
		return Line{}, io.ErrUnexpectedEOF
	case l.Off == l.End:
		return Line{}, io.EOF
	}
	if len(f.long) > 0 {
		f.long = append(f.long, data...)
		data = f.long
	}
	if l.Data = bytes.TrimSuffix(data, []byte("\n")); len(l.Data) >= MaxLine {
		l.Data = nil
	}
	return l, nil
}

// Backward gives the lines of r before end, the last one first, up to the first error. end must be
// that of a line, after its newline, or of a last line without one.
func Backward(r io.ReaderAt, end int64) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		for size := int64(blockSize); end > 0; size *= 2 { // until there is a whole line
			from := max(0, end-size)
			var lines []Line
			for l, err := range Lines(r, from, end) {
				if err != nil {
					yield(Line{}, err)
					return
				}
				if l.Off > from || from == 0 { // else its beginning may be missing
					l.Data = slices.Clone(l.Data)
					lines = append(lines, l)
				}
			}
			for _, l := range slices.Backward(lines) {
				if !yield(l, nil) {
					return
				}
				end, size = l.Off, blockSize/2
			}
		}
	}
}
