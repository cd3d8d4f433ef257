package history

import (
	"sync"

	"whoelse/internal/disk"
)

// cached is an owner in memory, in Store.owners. The first request loads it, and it is removed only with
// Store.applying held: so the holder of applying never sees two owners of one history.
type cached struct {
	once   sync.Once
	o      *owner
	err    error // why it could not be loaded
	loaded bool  // guarded by Store.mu
}

// anyOwner returns the state of a history, even if its file is unusable, and loads it if it is not in
// memory. Concurrent callers wait for the same load, and get the same error.
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
	if many && s.applying.TryLock() { // otherwise its holder evicts
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
			delete(s.owners, name) // the next request loads it again
		}
	})
	return c.o, c.err
}

// evict forgets owners without changes until few enough are in memory. applying is held.
func (s *Store) evict() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range s.owners {
		if len(s.owners) <= s.opts.Owners {
			return
		}
		if c.loaded && s.late[name] == nil {
			delete(s.owners, name)
		}
	}
}

// forget makes the next request load the history again. applying is held.
func (s *Store) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owners, name)
}

// current reports whether o is still the state of its history.
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
