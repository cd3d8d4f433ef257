package history

import (
	"errors"
	"io"
)

// home is the folder of a store, with the folders in it and the lock on it.
type home struct {
	root     folder // the shared files, version, state.json
	users    folder // the nicks' files
	journals folder
	lock     io.Closer
}

// enter locks root and opens what is in it. On error it closes root.
func enter(root folder) (*home, error) {
	h := &home{root: root}
	if err := h.enter(); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *home) enter() (err error) {
	if h.lock, err = h.root.lock("lock"); err != nil {
		return err
	}
	if _, err = readVersion(h.root); err != nil {
		return err
	}
	if h.users, err = h.root.sub("users"); err != nil {
		return err
	}
	h.journals, err = h.root.sub("journal")
	return err
}

func (h *home) close() error {
	if h == nil {
		return nil
	}
	var errs []error
	for _, f := range []folder{h.journals, h.users, h.root} {
		if f != nil {
			errs = append(errs, f.close())
		}
	}
	return errors.Join(append(errs, h.unlock())...)
}

func (h *home) unlock() error {
	if h.lock == nil {
		return nil
	}
	err := h.lock.Close()
	h.lock = nil
	return err
}

// syncAll is that of all histories: the nicks' may be on another file system.
func (h *home) syncAll() (bool, error) {
	users, err := h.users.syncAll()
	if !users {
		return false, nil
	}
	root, rootErr := h.root.syncAll()
	return root, errors.Join(err, rootErr)
}

// home returns the folders that are used now.
func (s *Store) home() *home { return s.at.Load() }

// moveIn goes on in the folder that stands in the place of the store's own now,
// if somebody has put another one there, after removing the old one or mounting
// anew. It is used as at start: it is locked, and its journals are recovered. It
// runs on the writer, without an open journal.
func (s *Store) moveIn() error {
	root, err := s.home().root.successor()
	if root == nil {
		if err == nil {
			s.carryReplaced()
		}
		return err
	}
	next := newStore(s.opts)
	if err := next.prepare(root); err != nil {
		return err
	}
	next.owners.clear()
	next.files.clear()
	s.log.Warn("history: the folder was replaced; the new one is used from now on")
	old := s.at.Swap(next.home())
	_ = old.unlock() // nobody can want it any more
	s.left = append(s.left, old)
	s.ck.replace(next.ck.queue)
	s.owners.clear()
	s.files.clear()
	s.journal.prev, s.journal.prevEnd = next.journal.prev, next.journal.prevEnd
	s.mu.Lock()
	s.lastID = max(s.lastID, next.lastID)
	s.mu.Unlock()
	clear(s.edited)
	for name, l := range s.late {
		s.carryOver(name, l)
	}
	return nil
}

// strayed is an error when the store's folder is not in its place any more.
func (s *Store) strayed() error {
	next, gone := s.home().root.successor()
	if next == nil {
		return gone
	}
	return errors.Join(errReplaced, next.close())
}
