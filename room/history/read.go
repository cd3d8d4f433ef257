package history

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"whoelse/room"
)

// olderInARow is how many consecutive messages from before the time asked for
// end the search in Since: the clock may have been set back in between.
const olderInARow = 100

// Tail implements [room.Archive]. Errors wrap [room.ErrStorage].
func (s *Store) Tail(owner string, n int, keep func(*room.Message) bool) ([]*room.Message, error) {
	var out []*room.Message
	if n <= 0 {
		return nil, nil
	}
	err := s.fromEnd(owner, func(m *room.Message) bool {
		if keep == nil || keep(m) {
			out = append(out, m)
		}
		return len(out) < n
	})
	slices.Reverse(out)
	return out, err
}

// Since implements [room.Archive]: it gives up after a hundred messages in a
// row that are older than t. Errors wrap [room.ErrStorage].
func (s *Store) Since(owner string, t time.Time) ([]*room.Message, error) {
	var out []*room.Message
	older := 0
	err := s.fromEnd(owner, func(m *room.Message) bool {
		if m.Time.Before(t) {
			older++
		} else {
			older = 0
			out = append(out, m)
		}
		return older < olderInARow
	})
	slices.Reverse(out)
	return out, err
}

// Unread implements [room.Archive]. Errors wrap [room.ErrStorage].
func (s *Store) Unread(owner string) ([]*room.Message, error) {
	var out []*room.Message
	err := s.reading(owner, func(r *reader, unread []ref) error {
		for _, u := range unread {
			e, err := r.at(u.off, func(e entry) bool { return e.msg != nil && e.msg.ID == u.id })
			if err != nil {
				return err
			}
			if e.msg != nil {
				out = append(out, e.msg)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// fromEnd calls visit with owner's messages, the last one first, until it
// returns false.
func (s *Store) fromEnd(owner string, visit func(*room.Message) bool) error {
	return s.reading(owner, func(r *reader, _ []ref) error {
		b := backward{r: r.v, off: r.v.end()}
		for {
			l, err := b.next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			for _, e := range slices.Backward(r.decode(l)) {
				if e.msg != nil && !visit(e.msg) {
					return nil
				}
			}
		}
	})
}

// reading calls read with owner's history as it is now and what is unread in
// it. No lock is held meanwhile.
func (s *Store) reading(owner string, read func(*reader, []ref) error) error {
	if s.isClosed() {
		return fmt.Errorf("%w: %w", room.ErrStorage, errClosed)
	}
	it, err := s.owner(owner)
	if err != nil {
		return fmt.Errorf("%w: %w", room.ErrStorage, err)
	}
	defer s.owners.release(it)
	v, unread, err := s.view(it.val)
	if err == nil && v.end() == 0 && s.trouble() != nil {
		err = s.strayed() // then it only seems that there is none
	}
	if err == nil {
		defer v.close()
		err = read(&reader{s: s, o: it.val, v: v}, unread)
	}
	if err != nil {
		return fmt.Errorf("%w: history of %s: %w", room.ErrStorage, owner, err)
	}
	return nil
}

// errReplaced is given when the file is no longer the one that was loaded. The
// writer notices that too, at the next append, and loads the new one.
var errReplaced = errors.New("the file was replaced")

// view returns o's history and unread messages as they are now. The caller
// closes the view.
func (s *Store) view(o *owner) (*view, []ref, error) {
	for {
		v, unread := o.snapshot()
		if v.size == 0 {
			return v, unread, nil
		}
		h, err := s.handle(o.name, false)
		if err != nil {
			return nil, nil, err
		}
		v.file = h.val
		v.closer = func() { s.files.release(h) }
		st, err := h.val.stat()
		if err == nil && st.ino == v.ino {
			return v, unread, nil
		}
		v.close()
		if err != nil {
			return nil, nil, err
		}
		if now, _ := o.snapshot(); now.ino == v.ino { // it was not shortened in between
			return nil, nil, errReplaced
		}
	}
}

// snapshot returns all of a view but its file.
func (o *owner) snapshot() (*view, []ref) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return &view{
		ino: o.ino, mark: o.trim,
		size: o.end - int64(len(o.behind)), tail: o.behind,
	}, slices.Clone(o.unread)
}

// reader reads single lines of a view, blockwise: it is cheap when they are
// asked for in the order of the file.
type reader struct {
	s *Store
	o *owner
	v *view
	f forward
}

// at returns the first entry of the line at off that want accepts. A damaged
// line, or another one, is counted, logged and gives no entry.
func (r *reader) at(off int64, want func(entry) bool) (entry, error) {
	if skip := off - r.f.off; r.f.r != nil && skip >= 0 && skip < int64(len(r.f.buf)) {
		r.f.take(int(skip))
	} else {
		r.f = forward{r: r.v, off: off, end: r.v.end(), mem: r.f.mem}
	}
	l, err := r.f.next()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		return entry{}, err
	}
	for _, e := range r.decode(l) {
		if want(e) {
			return e, nil
		}
	}
	r.s.damage(r.o, off, false)
	return entry{}, nil
}

// decode returns what l holds, with offsets in the file.
func (r *reader) decode(l line) []entry {
	found, whole := decodeLine(l.data)
	if !whole {
		r.s.damage(r.o, l.off, len(found) > 0)
	}
	for i := range found {
		found[i].off += l.off
	}
	return found
}
