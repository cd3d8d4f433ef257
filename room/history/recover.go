package history

import (
	"bytes"
	"errors"
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
	for i, num := range found.nums {
		err := removeJournal(s.home(), num)
		if errors.Is(err, ErrBackup) {
			return s.keepForBackup(found, found.nums[i:])
		}
		if err != nil {
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
//
// A state line at the very beginning tells that the history was set aside, with all its
// lines: nothing of it is to be written any more.
func (r *redo) add(l logLine) {
	e, ok := decode(l.data)
	if ok && e.mark != nil && l.off == 0 {
		delete(r.owners, l.owner)
		return
	}
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
	if ok && e.msg != nil {
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
		if texts[i], err = readFile(s.home().journals, journalName(num)); err != nil {
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
	names, err := s.home().journals.names()
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
