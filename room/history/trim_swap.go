package history

import (
	"io"
	"maps"
	"time"
)

// trimming is a history that is being shortened: what is left of it is written to
// a new file, and the writer then puts that in the old one's place.
type trimming struct {
	o    *owner
	in   folder
	base string

	old trimMark // of the old file
	end int64    // how much of the old file is dealt with

	out  file
	size int64           // of the new file
	cut  int64           // where in the old file begins what is left whole
	mark trimMark        // of the new file
	kept map[int64]int64 // old and new offsets of the unread before cut

	stopping func() bool // the store is being closed
}

// syncStep is how much is written between two fsyncs of a new file, so that none
// of them holds up those of the journal for long.
const syncStep = 1 << 20

// write makes the new file, durable but for its name.
func (t *trimming) write(r *reader, p *plan) (err error) {
	_ = t.in.remove(t.base + tmpEnd) // of an interrupted try
	if t.out, err = t.in.open(t.base+tmpEnd, true); err != nil {
		return err
	}
	t.cut, t.kept = p.cut, make(map[int64]int64, len(p.kept))
	head := t.head(p.keep)
	if err := t.append(head); err != nil {
		return err
	}
	for _, u := range p.kept {
		e, err := r.at(u.off, func(e entry) bool { return e.msg != nil && e.off == u.off })
		if err != nil {
			return err
		}
		if e.msg == nil {
			return errStale
		}
		l, err := messageLine(e.msg)
		if err != nil {
			return err
		}
		t.kept[u.off] = t.size
		if err := t.append(l); err != nil {
			return err
		}
	}
	if t.size != t.mark.at {
		return errStale
	}
	return t.copy(r.v, t.cut, t.end)
}

// head makes the first line, which tells how long it is itself.
func (t *trimming) head(keep int64) []byte {
	now := time.Now()
	t.mark = trimMark{at: keep, was: t.cut + t.old.shift()}
	for {
		head := trimLine(now, t.mark)
		at := keep + int64(len(head))
		if at == t.mark.at {
			return head
		}
		t.mark.at = at
	}
}

func (t *trimming) append(b []byte) error {
	_, err := t.out.WriteAt(b, t.size)
	t.size += int64(len(b))
	return err
}

// copy appends the bytes [from, to) of the old file.
func (t *trimming) copy(old io.ReaderAt, from, to int64) error {
	b := make([]byte, min(syncStep, to-from))
	for from < to {
		if t.stopping() {
			return errStopping
		}
		b = b[:min(int64(len(b)), to-from)]
		if n, err := old.ReadAt(b, from); n < len(b) {
			return noEOF(err)
		}
		if err := t.append(b); err != nil {
			return err
		}
		if err := t.out.sync(); err != nil {
			return err
		}
		from += int64(len(b))
	}
	return t.out.sync()
}

// setAside saves the damaged pieces that are among what goes.
func (t *trimming) setAside(old io.ReaderAt, damaged []piece) error {
	for _, d := range damaged {
		if err := appendTorn(t.in, t.base+".torn", io.NewSectionReader(old, d.off, d.end-d.off)); err != nil {
			return err
		}
	}
	return nil
}

// close ends the try; without success nothing is left of it.
func (t *trimming) close(err error) {
	if t == nil || t.out == nil {
		return
	}
	_ = t.out.close() // it was fsynced, or is of no use
	if err != nil {
		_ = t.in.remove(t.base + tmpEnd)
	}
}

// swap puts the new file in the old one's place, with what was appended in the
// meantime. It runs on the writer, between two batches, so nothing is appended
// while it does. Journals need not know of it: they count as if nothing had been
// removed, so the same lines of theirs fit the old file and the new one, whichever
// of them a power cut leaves.
func (s *Store) swap(t *trimming) error {
	o := t.o
	it, err := s.current(o.name)
	if err != nil {
		return err
	}
	defer s.owners.release(it)
	if it.val != o || s.ck.suspect.Load() {
		return errStale
	}
	h, err := s.handle(o.name, false)
	if err != nil {
		return err
	}
	err = t.copy(h.val, t.end, o.end)
	s.files.release(h)
	if err != nil {
		return err
	}
	st, err := t.out.stat()
	if err != nil {
		return err
	}
	if err := s.replace(o, t, st.ino); err != nil {
		return err
	}
	s.log.Info("history: shortened", "file", t.base, "from", t.size-t.shift(), "to", t.size)
	s.enqueue(&unit{state: o.name})
	if o.end > s.limit(o.name) { // much was appended in the meantime
		s.tr.ask(o.name)
	}
	if err := t.in.sync(); err != nil { // no journal goes before this succeeds
		s.log.Warn("history: the name of a shortened history is not durable yet", "owner", o.name, "error", err)
	}
	return nil
}

// shift is how far what is left whole has moved.
func (t *trimming) shift() int64 { return t.mark.at - t.cut }

// replace renames the new file to the old one's name and has o follow. With o.mu
// held for both, a reader sees all of one or the other.
func (s *Store) replace(o *owner, t *trimming, ino uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := t.in.rename(t.base+tmpEnd, t.base); err != nil {
		return err
	}
	s.files.forget(o.name)
	o.ino, o.trim = ino, t.mark
	o.end += t.shift()
	o.unread = t.movedRefs(o.unread)
	o.noticed = t.movedPlaces(o.noticed)
	o.trimAt = s.nextTrim(o)
	if sharedFiles[o.name] == "" {
		o.state = stateAt{end: o.end - stateEvery - 1} // one is due
	}
	return nil
}

// movedRefs returns the unread messages where they are now. Receipts that were cut
// away are not among them.
func (t *trimming) movedRefs(refs []ref) []ref {
	var moved []ref
	for _, r := range refs {
		to, kept := t.kept[r.off]
		if r.off >= t.cut {
			to, kept = r.off+t.shift(), true
		}
		if kept {
			r.off = to
			moved = append(moved, r)
		}
	}
	return moved
}

func (t *trimming) movedPlaces(places map[int64]bool) map[int64]bool {
	moved := make(map[int64]bool)
	for off := range maps.Keys(places) {
		if off >= t.cut {
			moved[off+t.shift()] = true
		}
	}
	return moved
}

// nextTrim is the size at which o is to be looked at again.
func (s *Store) nextTrim(o *owner) int64 {
	limit := s.limit(o.name)
	return max(limit, o.end+limit/8)
}
