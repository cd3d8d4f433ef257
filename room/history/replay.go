package history

import (
	"bytes"
	"errors"
	"io"
)

// replay writes everything to where it belongs and makes it durable.
func (s *Store) replay(r *redo) error {
	dirty := make(map[string]bool)
	for name, spans := range r.owners {
		err := s.restore(name, spans)
		if errors.Is(err, errOdd) {
			err = s.keepBeside(name, spans)
		} else {
			dirty[name] = true
		}
		if err != nil {
			return err
		}
	}
	return s.syncFiles(dirty)
}

// keepBeside saves what can't be written to owner's file, because something
// else stands in its place.
func (s *Store) keepBeside(name string, spans []span) error {
	in, base := s.place(name)
	s.log.Error("history: what stands in a file's place is no file; its last lines are beside it",
		"file", base, "in", base+".torn")
	for _, p := range spans {
		if err := appendTorn(in, base+".torn", bytes.NewReader(p.data)); err != nil {
			return err
		}
	}
	return nil
}

// restore writes the spans of one file. What follows them was acknowledged when
// it consists of whole lines, and is set aside otherwise.
func (s *Store) restore(name string, spans []span) error {
	h, err := s.handle(name, true)
	if err != nil {
		return err
	}
	defer s.files.release(h)
	st, err := h.val.stat()
	if err != nil {
		return err
	}
	mark, err := readTrim(h.val, st.size)
	if err != nil {
		return err
	}
	end, size := int64(0), st.size
	missing := int64(0) // bytes before the spans
	for _, p := range mark.places(spans) {
		p.off -= missing
		if p.off > size {
			s.log.Warn("history: a file lacks what stood before the lines in the journal", "owner", name,
				"size", size, "expected", p.off)
			var gap int64
			if p, gap, err = closeGap(h.val, size, p); err != nil {
				return err
			}
			missing += gap
		}
		if _, err := h.val.WriteAt(p.data, p.off); err != nil {
			return err
		}
		end = p.end()
		size = max(size, end)
	}
	if end == size || end == 0 || wholeLines(h.val, end, size) {
		return nil
	}
	return s.setAside(name, h.val, end, size)
}

// places returns where in a file with this mark the spans of a journal belong.
// What stood before the cut is in the file, or was meant to go.
func (m trimMark) places(spans []span) []span {
	var placed []span
	for _, p := range spans {
		if gone := m.was - p.off; gone > 0 {
			p.data = p.data[min(gone, int64(len(p.data))):]
			p.off += gone
		}
		if len(p.data) > 0 {
			placed = append(placed, span{p.off - m.shift(), p.data})
		}
	}
	return placed
}

// closeGap returns what to write of a span that belongs behind the end of a file,
// which so lacks what stood before it: where its lines are already, or at the end, with
// a newline first where that is none of a line. That happens when somebody cut the
// file, or its first line, which tells what was removed, is damaged. The gap is how
// far the span's lines have moved.
func closeGap(r io.ReaderAt, size int64, p span) (placed span, gap int64, err error) {
	near := make([]byte, min(size, int64(len(p.data)+maxLine)))
	if n, err := r.ReadAt(near, size-int64(len(near))); n < len(near) {
		return p, 0, noEOF(err)
	}
	first, _, _ := bytes.Cut(p.data, []byte("\n"))
	if i := bytes.Index(near, first); i >= 0 {
		at := size - int64(len(near)) + int64(i)
		return span{at, p.data}, p.off - at, nil
	}
	if size > 0 && near[len(near)-1] != '\n' {
		return span{size, append([]byte("\n"), p.data...)}, p.off - size - 1, nil
	}
	return span{size, p.data}, p.off - size, nil
}

func wholeLines(f file, from, to int64) bool {
	lines := forward{r: f, off: from, end: to}
	for {
		l, err := lines.next()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if _, ok := decode(l.data); !ok {
			return false
		}
	}
}

// rewrite writes again what the journals hold, after an fsync failed: the
// kernel then knows that it is to be written. It runs beside the writer, so it
// keeps to what is acknowledged and in the files, which nobody changes.
func (s *Store) rewrite() error {
	r, err := s.readJournals()
	if err != nil {
		return err
	}
	for name, spans := range r.owners {
		if err := s.rewriteOwner(name, spans); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) rewriteOwner(name string, spans []span) error {
	it, err := s.owner(name)
	if errors.Is(err, errOdd) {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.owners.release(it)
	v, _, err := s.view(it.val)
	if errors.Is(err, errReplaced) {
		return nil // and with it went what was to be written
	}
	if err != nil {
		return err
	}
	defer v.close()
	for _, p := range v.mark.places(spans) {
		if n := v.size - p.off; n > 0 {
			data := p.data[:min(n, int64(len(p.data)))]
			if _, err := v.file.(file).WriteAt(data, p.off); err != nil {
				return err
			}
		}
	}
	return nil
}
