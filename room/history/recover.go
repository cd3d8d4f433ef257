package history

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// recover finishes what a crash left undone: it writes what is in the journals
// to where it belongs and removes them. A crash in the middle of it is as good
// as one before it.
func (s *Store) recover() error {
	found, err := s.readJournals()
	if err != nil || len(found.nums) == 0 {
		return err
	}
	if err := s.replay(found); err != nil {
		return err
	}
	s.lastID = max(s.lastID, found.lastID)
	if err := s.saveLastID(); err != nil {
		return err
	}
	for _, num := range found.nums {
		if err := s.removeJournal(num); err != nil {
			return err
		}
	}
	s.log.Info("history: recovered from the journal", "journals", len(found.nums), "files", len(found.owners))
	return nil
}

// span is a piece of a file.
type span struct {
	off  int64
	data []byte
}

func (p span) end() int64 { return p.off + int64(len(p.data)) }

// redo is what the journals hold.
type redo struct {
	nums   []int // oldest first
	owners map[string][]span
	lastID string
}

// add adds one line. A line before the end of the last one tells that the file
// was replaced by a shorter one in between: what was said before is void.
func (r *redo) add(l logLine) {
	spans := r.owners[l.owner]
	data := append(l.data, '\n')
	if n := len(spans); n > 0 && l.off == spans[n-1].end() {
		spans[n-1].data = append(spans[n-1].data, data...)
	} else {
		if n > 0 && l.off < spans[n-1].end() {
			spans = nil
		}
		spans = append(spans, span{l.off, bytes.Clone(data)})
	}
	r.owners[l.owner] = spans
	if e, ok := decode(l.data); ok && e.msg != nil {
		r.lastID = max(r.lastID, e.msg.ID)
	}
}

// readJournals reads all journals there are.
func (s *Store) readJournals() (*redo, error) {
	nums, err := s.journalNums()
	if err != nil {
		return nil, err
	}
	r := &redo{nums: nums, owners: make(map[string][]span)}
	texts := make([][]byte, len(nums))
	sealedAt := make(map[int]int64)
	for i, num := range nums {
		if texts[i], err = readFile(s.journal.dir, journalName(num)); err != nil {
			return nil, err
		}
		first, _, _ := bytes.Cut(texts[i], []byte("\n"))
		if prev, end, ok := parseHeader(first); ok {
			sealedAt[prev] = end
		}
	}
	for i, num := range nums {
		end, ok := sealedAt[num]
		if ok && end < int64(len(texts[i])) {
			texts[i] = texts[i][:end]
		}
		s.parseJournal(r, num, texts[i], ok)
	}
	return r, nil
}

func (s *Store) journalNums() ([]int, error) {
	names, err := s.journal.dir.names()
	if err != nil {
		return nil, err
	}
	var nums []int
	for _, name := range names {
		if num, ok := journalNum(name); ok {
			nums = append(nums, num)
		}
	}
	slices.Sort(nums)
	return nums, nil
}

// parseJournal adds what text holds to r. All of a journal that has a successor
// was acknowledged, so a damaged line there costs only itself. The end of the
// last one may be torn: it counts up to its last whole unit.
func (s *Store) parseJournal(r *redo, num int, text []byte, complete bool) {
	var unit []logLine
	total := len(text)
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	if _, _, ok := parseHeader(first); ok {
		text = rest
	}
	bad := 0
	for len(text) > 0 {
		l, rest, whole := bytes.Cut(text, []byte("\n"))
		rec, ok := parseRecord(l)
		if !ok || !whole {
			bad++
			if !complete {
				break
			}
		} else if unit = append(unit, rec); rec.last || complete {
			for _, rec := range unit {
				r.add(rec)
			}
			unit = unit[:0]
		}
		text = rest
	}
	if bad > 0 || len(unit) > 0 {
		s.log.Warn("history: a journal has a torn end or damaged lines", "journal", num,
			"size", total, "ignored_at", total-len(text), "damaged_lines", bad)
	}
}

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
	gap := int64(0) // of bytes that are missing before the spans
	for _, p := range mark.places(spans) {
		p.off -= gap
		if p.off > size {
			at, err := s.afterGap(name, h.val, size, p)
			if err != nil {
				return err
			}
			gap += p.off - at
			p.off = at
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

// afterGap returns where to write a span of a file that lacks what stood before
// it: where its lines are already, or at the end. That happens when somebody cut
// the file, or its first line, which tells what was removed, is damaged.
func (s *Store) afterGap(name string, f file, size int64, p span) (int64, error) {
	s.log.Warn("history: a file lacks what stood before the lines in the journal", "owner", name,
		"size", size, "expected", p.off)
	near := make([]byte, min(size, int64(len(p.data)+maxLine)))
	if n, err := f.ReadAt(near, size-int64(len(near))); n < len(near) {
		return 0, noEOF(err)
	}
	first, _, _ := bytes.Cut(p.data, []byte("\n"))
	if i := bytes.Index(near, first); i >= 0 {
		return size - int64(len(near)) + int64(i), nil
	}
	if size > 0 && near[len(near)-1] != '\n' {
		if _, err := f.WriteAt([]byte("\n"), size); err != nil {
			return 0, err
		}
		size++
	}
	return size, nil
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
