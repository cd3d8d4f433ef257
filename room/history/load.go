package history

import (
	"errors"
	"io"
	"io/fs"
	"slices"

	"whoelse/internal/disk"
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// owner returns the state of a history whose file can be used. applying is held.
func (s *Store) owner(name string) (*owner, error) {
	o, err := s.anyOwner(name)
	if err == nil {
		err = o.unusable
	}
	return o, err
}

// anyOwner returns the state of a history, even if its file is unusable, and loads it if it is not in
// memory. A late one can't be loaded: only the log has the rest of it. applying is held.
func (s *Store) anyOwner(name string) (*owner, error) {
	if o := s.owners[name]; o != nil {
		return o, nil
	}
	if l := s.late[name]; l != nil {
		return nil, l.err
	}
	o, err := s.load(name)
	if err == nil {
		s.remember(o)
	}
	return o, err
}

// remember is forget's opposite. applying is held.
func (s *Store) remember(o *owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners[o.name] = o
}

// forget makes the next request load the history again. applying is held.
func (s *Store) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owners, name)
}

// evict forgets owners without changes until few enough are in memory. applying is held.
func (s *Store) evict() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.owners {
		if len(s.owners) <= s.opts.Owners {
			return
		}
		if s.late[name] == nil && name != s.replacing {
			delete(s.owners, name)
		}
	}
}

// openFile opens the file of a history, which the caller closes.
func (s *Store) openFile(name string, create bool) (disk.File, disk.Stat, error) {
	in, base := s.dirs.place(name)
	return openStat(in, base, create)
}

// load reads what is needed of a history: its end, and what is unread. Of one that is late it leaves
// out what is to be made again from the log. applying is held.
func (s *Store) load(name string) (*owner, error) {
	o, err := s.loadFile(name)
	if unusable(err) {
		s.complain(name, "history: can't be used until it is repaired", err)
		return &owner{name: name, unusable: err}, nil
	}
	return o, err
}

func (s *Store) loadFile(name string) (*owner, error) {
	o := &owner{name: name, compactAt: s.limit(name)}
	expected, changed := s.dirty[name]
	late := s.late[name]
	f, st, err := s.openFile(name, false)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case changed && (unusable(err) || missing && !slices.Contains(expected, 0)):
		return nil, errReplaced
	case missing:
		return o, nil
	case err != nil:
		return nil, err
	}
	defer func() { _ = f.Close() }() // what was cut is synced
	if changed && !slices.Contains(expected, st.Ino) {
		return nil, errReplaced
	}
	o.ino, o.size = st.Ino, st.Size
	switch {
	case late != nil:
		o.torn = true
		o.size, _, err = suspect(f, st.Size, late.since)
	case s.recovering:
		_, o.size, err = suspect(f, st.Size, s.saved.Seq)
	}
	if err == nil && (late == nil || o.size == st.Size) {
		o.size, err = s.repairEnd(o, f, o.size, st.Size)
	}
	if err == nil {
		err = s.scan(o, &view{o: o, file: f, ino: o.ino, size: o.size})
	}
	if err == nil && s.Log != nil && o.last > max(s.applied, s.Log.Last()) {
		err = errAhead // what would be appended would count as there already
	}
	return o, err
}

// errAhead is given when the log has lost the newest of a history's events.
var errAhead = errors.New("has events that the log does not have; put back the log, or stop the server and run: whoelse check --repair")

// unusable reports whether what is in a file's place is not one that a store may use.
func unusable(err error) bool {
	return errors.Is(err, disk.ErrNotRegular) || errors.Is(err, errAhead)
}

// suspect returns where the lines begin that a file of this size has beyond the event seq, or
// may have, and where the first bad one of these is.
func suspect(f io.ReaderAt, size int64, seq uint64) (from, bad int64, err error) {
	from, bad = size, size
	for l, err := range jsonl.Backward(f, size) {
		if err != nil {
			return 0, 0, err
		}
		found, whole := record.Parse(l)
		if whole && found[0].Seq <= seq {
			break
		}
		if from = l.Off; !whole {
			bad = l.Off
		}
	}
	return from, bad, nil
}

// repairEnd returns where the lines of a file end that is good up to end, and cuts it there. What it has
// behind that, or a last line without a newline, is what a crash left, and is set aside; but for the
// beginning of a single line, as a power cut leaves it as a rule, where the log has it. A last line that
// is whole gets its newline.
func (s *Store) repairEnd(o *owner, f disk.File, end, size int64) (int64, error) {
	for l, err := range jsonl.Backward(f, size) {
		if err != nil {
			return 0, err
		}
		if !l.Torn {
			break
		}
		if _, whole := record.Parse(l); whole && end == size {
			_, err := f.WriteAt([]byte("\n"), size)
			return size + 1, err
		}
		if l.Off == end {
			s.log.Info("history: cut a line that a crash left unfinished; the log has it", "file", path(o.name), "byte", end)
			return end, s.truncate(o, f, end)
		}
		end = min(end, l.Off)
	}
	if end == size {
		return size, nil
	}
	in, base := s.dirs.place(o.name)
	if err := quarantine(in, base, f, extent{end, size}); err != nil {
		return 0, err
	}
	s.damaged.Add(1)
	s.log.Warn("history: the damaged end of a file was set aside", "file", path(o.name), "byte", end, "bytes", size-end)
	return end, s.truncate(o, f, end)
}

func (s *Store) truncate(o *owner, f disk.File, off int64) error {
	if err := f.Truncate(off); err != nil {
		return err
	}
	s.dirty[o.name] = []uint64{o.ino}
	return f.Sync() // or what was there could come back between the lines that follow
}
