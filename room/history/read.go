package history

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"whoelse/room"
)

// olderInARow is how many consecutive messages from before the time asked for
// end the search in Since: the clock may have been set back in between.
const olderInARow = 100

// Tail implements [room.Archive]. Errors but for keep's wrap [room.ErrStorage].
//
// It keeps the file open that it began with, also when the trimmer puts another in
// its place, and eight bytes for each message that is still to come.
func (s *Store) Tail(owner string, n int, keep func(*room.Message) (bool, error)) iter.Seq2[*room.Message, error] {
	return s.giving(owner, func(r *reader, _ []ref) (offs []int64, end, err error) {
		return s.search(r, n, keep)
	})
}

// Unread implements [room.Archive]. Errors wrap [room.ErrStorage]. It keeps open and
// in memory what Tail does.
func (s *Store) Unread(owner string) iter.Seq2[*room.Message, error] {
	return s.giving(owner, func(_ *reader, unread []ref) (offs []int64, end, err error) {
		offs = make([]int64, len(unread))
		for i, u := range unread {
			offs[i] = u.off
		}
		return offs, nil, nil
	})
}

// giving gives the messages at the offsets that find returns, and then its error end.
func (s *Store) giving(owner string, find func(*reader, []ref) (offs []int64, end, err error)) iter.Seq2[*room.Message, error] {
	return func(yield func(*room.Message, error) bool) {
		wanted := true
		var end error
		err := s.reading(owner, func(r *reader, unread []ref) (err error) {
			var offs []int64
			if offs, end, err = find(r, unread); err != nil {
				return err
			}
			for _, off := range offs {
				e, err := r.at(off, func(e entry) bool { return e.msg != nil && e.off == off })
				if err != nil {
					return err
				}
				if e.msg == nil {
					continue
				}
				if wanted = yield(e.msg, nil); !wanted {
					return nil
				}
			}
			return nil
		})
		if err = cmp.Or(err, end); err != nil && wanted {
			yield(nil, err)
		}
	}
}

// searchTurn is after how many messages a search lets another one go on.
const searchTurn = 500

// search returns where the newest n messages that keep accepts are, in the order of
// the file, and the error of keep that ended it. Searches take turns, so that many of
// them together leave a processor to the rest.
func (s *Store) search(r *reader, n int, keep func(*room.Message) (bool, error)) (offs []int64, end, err error) {
	if n <= 0 {
		return nil, nil, nil
	}
	s.searching.Lock()
	defer s.searching.Unlock()
	looked := 0
	err = r.fromEnd(func(e entry) bool {
		if looked++; looked%searchTurn == 0 {
			s.searching.Unlock()
			s.searching.Lock()
		}
		kept := true
		if keep != nil {
			kept, end = keep(e.msg)
		}
		if kept {
			offs = append(offs, e.off)
		}
		return len(offs) < n && end == nil
	})
	s.counters.searched.Add(uint64(looked))
	slices.Reverse(offs)
	return offs, end, err
}

// Since implements [room.Archive]: it gives up after a hundred messages in a
// row that are older than t. Errors wrap [room.ErrStorage].
func (s *Store) Since(owner string, t time.Time) ([]*room.Message, error) {
	var out []*room.Message
	older := 0
	err := s.reading(owner, func(r *reader, _ []ref) error {
		return r.fromEnd(func(e entry) bool {
			if e.msg.Time.Before(t) {
				older++
			} else {
				older = 0
				out = append(out, e.msg)
			}
			return older < olderInARow
		})
	})
	slices.Reverse(out)
	return out, err
}

// fromEnd calls visit with the view's messages, the last one first, until it
// returns false.
func (r *reader) fromEnd(visit func(entry) bool) error {
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
			if e.msg != nil && !visit(e) {
				return nil
			}
		}
	}
}

// reading calls read with owner's history as it is now and what is unread in
// it. No lock is held meanwhile.
func (s *Store) reading(owner string, read func(*reader, []ref) error) error {
	it, err := s.known(owner)
	if err != nil {
		return err
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

// known returns the state of owner's history, as long as the store is open. The
// caller releases it. The error wraps [room.ErrStorage].
func (s *Store) known(name string) (*item[*owner], error) {
	if s.isClosed() {
		return nil, fmt.Errorf("%w: %w", room.ErrStorage, errClosed)
	}
	it, err := s.owner(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", room.ErrStorage, err)
	}
	return it, nil
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
