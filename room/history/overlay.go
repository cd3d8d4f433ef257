package history

import (
	"bytes"
	"io"
	"slices"
)

// overlay is a file as it will be when what waits for it in the journals is written
// to its place.
type overlay struct {
	parts []overlaid // in order, without gaps
	size  int64
}

// overlaid is one piece of it; r is read with offsets in the piece.
type overlaid struct {
	off, end int64
	r        io.ReaderAt
}

// newOverlay lays spans, in order, over a file of size bytes, as a start writes them.
func newOverlay(f io.ReaderAt, size int64, spans []span) (*overlay, error) {
	o := &overlay{}
	o.file(f, size)
	seating := newSeating(o, size, spans)
	for _, p := range spans {
		seats, err := seating.place(p)
		if err != nil {
			return nil, err
		}
		for _, to := range seats {
			if to.is {
				continue
			}
			o.cut(to.off)
			o.add(to.end(), bytes.NewReader(to.data))
			o.file(f, size)
		}
	}
	return o, nil
}

// cut takes away what is there from off on.
func (o *overlay) cut(off int64) {
	for n := len(o.parts); n > 0 && o.parts[n-1].end > off; n-- {
		last := &o.parts[n-1]
		if last.end = off; last.off >= off {
			o.parts = o.parts[:n-1]
		}
	}
	o.size = min(o.size, off)
}

// file has the rest of the file follow.
func (o *overlay) file(f io.ReaderAt, size int64) {
	o.add(size, io.NewSectionReader(f, o.size, max(0, size-o.size)))
}

func (o *overlay) add(end int64, r io.ReaderAt) {
	if end > o.size {
		o.parts = append(o.parts, overlaid{o.size, end, r})
		o.size = end
	}
}

// ReadAt implements io.ReaderAt.
func (o *overlay) ReadAt(p []byte, off int64) (n int, err error) {
	first, _ := slices.BinarySearchFunc(o.parts, off, func(part overlaid, off int64) int {
		if part.end <= off {
			return -1
		}
		return 1
	})
	for _, part := range o.parts[first:] {
		if n == len(p) {
			return n, nil
		}
		at := off + int64(n)
		want := int(min(int64(len(p)-n), part.end-at))
		got, err := part.r.ReadAt(p[n:n+want], at-part.off)
		n += got
		if got < want {
			return n, noEOF(err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
