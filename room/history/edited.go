package history

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
)

// current returns the owner's state when it fits the file as it is now, and
// loads it anew when somebody else has changed or replaced the file.
func (s *Store) current(name string) (*item[*owner], error) {
	it, err := s.owner(name)
	if err != nil {
		return nil, err
	}
	same, err := s.unchanged(it.val)
	if err == nil && !same && it.val.behind != nil {
		err = errReplaced
		s.journal.astray = true
	}
	if err == nil && !same {
		s.owners.release(it)
		s.log.Warn("history: a file was changed from outside and was read again", "owner", name)
		s.owners.forget(name)
		s.files.forget(name)
		s.edited[name] = true
		if it, err = s.owner(name); err != nil {
			return nil, err
		}
	}
	if err == nil {
		err = cmp.Or(s.catchUp(it.val), s.keepEdited(it.val))
	}
	if err != nil {
		s.owners.release(it)
		return nil, fmt.Errorf("history of %s: %w", name, err)
	}
	return it, nil
}

// keepEdited has a file on disk that somebody else has changed, before it is written to:
// where less is there than before, recovery takes what was said before for void.
func (s *Store) keepEdited(o *owner) error {
	if !s.edited[o.name] {
		return nil
	}
	in, _ := s.place(o.name)
	err := in.sync()
	if o.ino != 0 {
		err = cmp.Or(s.syncFile(o.name), err)
	}
	if err == nil {
		delete(s.edited, o.name)
	}
	return err
}

// unchanged reports whether o's file is the one that the writer left.
func (s *Store) unchanged(o *owner) (bool, error) {
	in, base := s.place(o.name)
	st, err := in.lstat(base)
	if errors.Is(err, fs.ErrNotExist) {
		st, err = stat{}, nil
	}
	if o.behind == nil {
		return st.ino == o.ino && st.size == o.end, err
	}
	// The write that failed may have created the file, or left a part in it.
	return (st.ino == o.ino || o.ino == 0 && st.size == 0) && st.size >= o.end-int64(len(o.behind)), err
}
