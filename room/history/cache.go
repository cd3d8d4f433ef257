package history

import (
	"sync"

	"whoelse/room/internal/disk"
)

// cached is an owner in memory, in Store.owners. It is loaded when it is first asked for, and leaves
// only with Store.applying held: whoever holds that has the only one of its history.
type cached struct {
	once   sync.Once
	o      *owner
	err    error // why it could not be loaded
	loaded bool  // guarded by Store.mu
}

// anyOwner returns the state of a history, also of one whose file is unusable, loading it when it is
// not in memory; others who ask for it meanwhile wait, and get the same error.
func (s *Store) anyOwner(name string) (*owner, error) {
	if err := checkOwner(name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	c := s.owners[name]
	if c == nil {
		c = &cached{}
		s.owners[name] = c
	}
	many := len(s.owners) > s.opts.Owners
	s.mu.Unlock()
	if many && s.applying.TryLock() { // else who has it does so
		s.evict()
		s.applying.Unlock()
	}
	c.once.Do(func() {
		c.o, c.err = s.load(name)
		failed := c.err != nil
		if unusable(c.err) {
			c.o, c.err = &owner{name: name, unusable: c.err}, nil
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		c.loaded = true
		if failed && s.owners[name] == c {
			delete(s.owners, name) // it is loaded again when it is asked for again
		}
	})
	return c.o, c.err
}

// evict forgets owners that nobody changes until few enough are in memory. applying is held.
func (s *Store) evict() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range s.owners {
		if len(s.owners) <= s.opts.Owners {
			return
		}
		if c.loaded && !c.o.drafted && s.late[name] == nil {
			delete(s.owners, name)
		}
	}
}

// forget has a history loaded anew. applying is held.
func (s *Store) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owners, name)
}

// current reports whether o is still what is known of its history.
func (s *Store) current(o *owner) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.owners[o.name]
	return c != nil && c.loaded && c.o == o
}

// openFile opens the file of a history, which the caller closes.
func (s *Store) openFile(name string, create bool) (disk.File, disk.Stat, error) {
	in, base := s.dirs.place(name)
	return openStat(in, base, create)
}
