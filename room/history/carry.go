package history

import (
	"bytes"
	"fmt"
)

// carryOver has what was acknowledged and never reached name's file appended anew, as far
// as it does not stand there now: the folder is another one, or the file.
func (s *Store) carryOver(name string, l *latecomer) {
	behind := l.item.val.behind
	s.owners.release(l.item)
	delete(s.late, name)
	s.owners.forget(name)
	s.files.forget(name)
	there := s.standing(name, int64(len(behind)+maxLine))
	u := &unit{}
	for data := range bytes.Lines(behind) {
		text := bytes.TrimSuffix(data, []byte("\n"))
		_, is := there[string(text)]
		if e, ok := decode(text); ok && e.mark == nil && !is {
			e.off = 0
			u.lines = append(u.lines, placed{name, data, e})
		}
	}
	if len(u.lines) == 0 {
		s.ck.free(name)
		return
	}
	u.done = func(err error) { s.wasCarried(name, u, err) }
	s.carried = append(s.carried, u)
}

// wasCarried sees to it that what could not be appended is tried again. Until it is in a
// journal, the earlier one that has it stays.
func (s *Store) wasCarried(name string, u *unit, err error) {
	switch {
	case err != nil:
		s.carried = append(s.carried, u)
	case s.late[name] == nil:
		s.ck.free(name)
	}
}

// takeCarried returns what is to be appended anew.
func (s *Store) takeCarried() []*unit {
	units := s.carried
	s.carried = nil
	for _, u := range units {
		u.err = nil
	}
	return units
}

// carryReplaced carries over what waits for files that somebody has removed, replaced or
// cut. Their owners are refused more until then.
func (s *Store) carryReplaced() {
	for name, l := range s.late {
		if same, err := s.unchanged(l.item.val); err == nil && !same {
			s.log.Warn("history: a file was changed from outside; pending lines will be appended", "owner", name)
			s.edited[name] = true
			s.carryOver(name, l)
		}
	}
}

// standing returns the good lines in the last bytes of name's file. When they can't be
// read there are none: a line had better be there twice than not at all.
func (s *Store) standing(name string, last int64) map[string]int64 {
	it, err := s.owner(name)
	if err != nil {
		return nil
	}
	defer s.owners.release(it)
	v, _, err := s.view(it.val)
	if err != nil {
		return nil
	}
	defer v.close()
	there, _ := goodLines(v, max(0, v.size-last), v.size)
	return there
}

// lastCarry tries once more, before the journal is closed for good.
func (s *Store) lastCarry() {
	if len(s.carried) == 0 {
		return
	}
	s.journal.tried = s.journal.tried.Add(-retryAfter)
	s.commit(nil)
	if n := len(s.takeCarried()); n > 0 {
		s.lost = fmt.Errorf("lines of %d histories that were acknowledged could not be written to the folder that replaced theirs", n)
		s.log.Error("history: " + s.lost.Error())
	}
}
