package history

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
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
	s.log.Error("history: the path is not a regular file; its last lines are beside it",
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
	end, size, err := s.seat(name, h.val, st.size, mark.places(spans))
	if err != nil {
		return err
	}
	if end == size || end == 0 || wholeLines(h.val, end, size) {
		return nil
	}
	return s.setAside(name, h.val, end, size)
}

// seat writes the spans to their places, and returns where the last one ends and how
// large the file is then.
func (s *Store) seat(name string, f file, was int64, spans []span) (end, size int64, err error) {
	seating := newSeating(f, was, spans)
	for _, p := range spans {
		seats, err := seating.place(p)
		if err != nil {
			return 0, 0, err
		}
		if seats[0].off != p.off {
			s.log.Warn("history: a file is not as it was when the journal was written", "owner", name,
				"size", was, "expected", p.off, "found", seats[0].off)
		}
		for _, to := range seats {
			if _, err := f.WriteAt(to.data, to.off); err != nil {
				return 0, 0, err
			}
		}
	}
	return seating.floor, seating.size, nil
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
	for _, name := range slices.Sorted(maps.Keys(r.owners)) { // in an order that a test can count on
		if err := s.rewriteOwner(name, r.owners[name]); err != nil {
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
	placed := v.mark.places(spans)
	seating := newSeating(v, v.size, placed)
	for _, p := range placed {
		seats, err := seating.place(p)
		if err != nil {
			return err
		}
		for _, to := range seats {
			if err := v.overwrite(to.span); err != nil {
				return err
			}
		}
	}
	return nil
}

// overwrite writes what of p is below the view's size.
func (v *view) overwrite(p span) error {
	n := v.size - p.off
	if n <= 0 {
		return nil
	}
	_, err := v.file.(file).WriteAt(p.data[:min(n, int64(len(p.data)))], p.off)
	return err
}
