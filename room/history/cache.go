package history

import "whoelse/internal/disk"

// anyOwner returns the state of a history, even if its file is unusable, and loads it if it is not in
// memory. applying is held.
func (s *Store) anyOwner(name string) (*owner, error) {
	if o := s.inMemory(name); o != nil {
		return o, nil
	}
	o, err := s.load(name)
	if err == nil {
		s.remember(o)
	}
	return o, err
}

// inMemory returns the state of a history, nil if it has to be loaded.
func (s *Store) inMemory(name string) *owner {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owners[name]
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
