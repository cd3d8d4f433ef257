package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// blockSize is how much is read at once.
const blockSize = 16 << 10

// view is one owner's history up to a certain size. What is below that size
// never changes, so a view is read without a lock while others append.
type view struct {
	file   io.ReaderAt // nil when all is in tail
	ino    uint64      // of the file
	mark   trimMark    // what its first line says
	size   int64       // how much of the history is in the file
	tail   []byte      // what follows it and is not in the file yet
	closer func()
}

func (v *view) end() int64 { return v.size + int64(len(v.tail)) }

func (v *view) close() {
	if v.closer != nil {
		v.closer()
	}
}

// ReadAt implements io.ReaderAt.
func (v *view) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	if off < v.size {
		part := p[:min(int64(len(p)), v.size-off)]
		var err error
		if n, err = v.file.ReadAt(part, off); n < len(part) {
			return n, fmt.Errorf("at byte %d: %w", off+int64(n), noEOF(err))
		}
	}
	if at := off + int64(n) - v.size; at >= 0 && at < int64(len(v.tail)) {
		n += copy(p[n:], v.tail[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// noEOF tells a file that became shorter from the end of what is asked for.
func noEOF(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// line is one line without its newline. data is only good until the next one
// is asked for. data is nil when the line is longer than any record.
type line struct {
	off  int64
	data []byte
}

// forward walks the lines of [off, end). off must be the start of a line.
type forward struct {
	r   io.ReaderAt
	off int64 // of buf[0]
	end int64
	buf []byte // what is read but not handed out yet
	mem []byte // what buf is a part of
}

// next returns the next line; after the last one it returns io.EOF.
func (f *forward) next() (line, error) {
	seen, long := 0, false
	start := f.off
	for {
		if i := bytes.IndexByte(f.buf[seen:], '\n'); i >= 0 {
			data := f.buf[:seen+i]
			f.take(seen + i + 1)
			return f.line(start, data, long), nil
		}
		if len(f.buf) > maxLine {
			f.take(len(f.buf))
			long = true
		}
		seen = len(f.buf)
		if f.off+int64(seen) >= f.end {
			data := f.buf
			f.take(seen)
			if start == f.end {
				return line{}, io.EOF
			}
			return f.line(start, data, long), nil
		}
		if err := f.fill(); err != nil {
			return line{}, err
		}
	}
}

func (f *forward) line(start int64, data []byte, long bool) line {
	if long || len(data) >= maxLine {
		data = nil
	}
	return line{start, data}
}

func (f *forward) take(n int) {
	f.buf = f.buf[n:]
	f.off += int64(n)
}

// fill reads one more block behind what is there.
func (f *forward) fill() error {
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

// backward walks the lines before off, the last one first. off must be the end
// of a line, after its newline.
type backward struct {
	r   io.ReaderAt
	off int64  // of buf[0]
	buf []byte // what is read but not handed out yet
	mem []byte // what buf is a part of
}

// next returns the line before; before the first one it returns io.EOF.
func (b *backward) next() (line, error) {
	if len(b.buf) == 0 {
		if b.off == 0 {
			return line{}, io.EOF
		}
		if err := b.fill(); err != nil {
			return line{}, err
		}
	}
	b.buf = bytes.TrimSuffix(b.buf, []byte("\n"))
	long := false
	for {
		if i := bytes.LastIndexByte(b.buf, '\n'); i >= 0 || b.off == 0 {
			l := line{b.off + int64(i) + 1, b.buf[i+1:]}
			if long || len(l.data) >= maxLine {
				l.data = nil
			}
			b.buf = b.buf[:i+1]
			return l, nil
		}
		if len(b.buf) > maxLine {
			b.buf, long = b.buf[:0], true
		}
		if err := b.fill(); err != nil {
			return line{}, err
		}
	}
}

// fill reads one more block before what is there.
func (b *backward) fill() error {
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
