package history

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"whoelse/room"
	"whoelse/room/history/record"
)

// olderInARow is how many consecutive messages from before the time asked for
// end the search in Since: the clock may have been set back in between.
const olderInARow = 100

// Tail implements [room.Histories]. Errors but for keep's wrap [room.ErrStorage].
//
// It keeps the file open that it began with, also when a shorter one takes its place, and
// eight bytes for each message that is still to come.
func (s *Store) Tail(owner string, n int, keep func(*room.Message) (bool, error)) iter.Seq2[*room.Message, error] {
	return func(yield func(*room.Message, error) bool) {
		wanted := true
		var end error
		err := s.reading(owner, func(r *reader, _ []unread) (err error) {
			var offs []int64
			if offs, end, err = s.search(r, n, keep); err != nil {
				return err
			}
			for _, off := range offs {
				r.reset(off)
				recs, err := r.next()
				if err != nil {
					return err
				}
				for _, rec := range recs {
					if rec.Off == off && rec.Message != nil {
						wanted = yield(rec.Message, nil)
					}
				}
				if !wanted {
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

// Unread implements [room.Histories]. Errors wrap [room.ErrStorage]. It keeps the file open
// as Tail does.
func (s *Store) Unread(nick string) iter.Seq2[*room.Message, error] {
	return func(yield func(*room.Message, error) bool) {
		wanted := true
		err := s.reading(nick, func(r *reader, list []unread) error {
			for _, u := range list {
				rec, ok, err := r.unread(u)
				if err != nil {
					return err
				}
				if !ok {
					continue // its line was damaged meanwhile, which was reported
				}
				if wanted = yield(rec.Message, nil); !wanted {
					return nil
				}
			}
			return nil
		})
		if err != nil && wanted {
			yield(nil, err)
		}
	}
}

// StillUnread implements [room.Histories]. Errors wrap [room.ErrStorage].
func (s *Store) StillUnread(nick string, ids []string) (map[string]bool, error) {
	asked := setOf(ids)
	still := make(map[string]bool)
	err := s.knowing(nick, func(o *owner) {
		for _, u := range o.unread {
			if asked[u.id] {
				still[u.id] = true
			}
		}
	})
	return still, err
}

// Waiting implements [room.Histories]. Errors wrap [room.ErrStorage].
func (s *Store) Waiting(nick string) (n int, err error) {
	err = s.knowing(nick, func(o *owner) { n = o.waiting })
	return n, err
}

// Since implements [room.Histories]: it gives up after a hundred messages in a
// row that are older than t. Errors wrap [room.ErrStorage].
func (s *Store) Since(owner string, t time.Time) ([]*room.Message, error) {
	var out []*room.Message
	older := 0
	err := s.reading(owner, func(r *reader, _ []unread) error {
		return r.newest(func(rec record.Record) bool {
			switch m := rec.Message; {
			case m == nil:
			case m.Time.Before(t):
				older++
			default:
				older = 0
				out = append(out, m)
			}
			return older < olderInARow
		})
	})
	slices.Reverse(out)
	return out, err
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
	err = r.newest(func(rec record.Record) bool {
		if rec.Message == nil {
			return true
		}
		if looked++; looked%searchTurn == 0 {
			s.searching.Unlock()
			s.searching.Lock()
		}
		kept := true
		if keep != nil {
			kept, end = keep(rec.Message)
		}
		if kept {
			offs = append(offs, rec.Off)
		}
		return len(offs) < n && end == nil
	})
	s.searched.Add(uint64(looked))
	slices.Reverse(offs)
	return offs, end, err
}

// knowing calls look with what is known of a history, with its mu held.
func (s *Store) knowing(name string, look func(*owner)) error {
	it, err := s.known(name)
	if err != nil {
		return err
	}
	defer s.owners.release(it)
	it.val.mu.Lock()
	defer it.val.mu.Unlock()
	look(it.val)
	return nil
}

// reading calls read with a history as it is now and what is unread in it. No lock is
// held meanwhile.
func (s *Store) reading(name string, read func(*reader, []unread) error) error {
	it, err := s.known(name)
	if err != nil {
		return err
	}
	defer s.owners.release(it)
	v, list, err := s.view(it.val)
	if err == nil {
		defer v.close()
		err = read(&reader{s: s, o: it.val, v: v}, list)
	}
	if err != nil {
		return fmt.Errorf("%w: history of %s: %w", room.ErrStorage, name, err)
	}
	return nil
}

// known returns the state of a history, as long as the store is open. The caller
// releases it. The error wraps [room.ErrStorage], and [room.ErrUnusable] where that is so.
func (s *Store) known(name string) (*item[*owner], error) {
	if s.isClosed() {
		return nil, fmt.Errorf("%w: %w", room.ErrStorage, errClosed)
	}
	if s.unloaded(name) && !s.catchUp() && s.unloaded(name) {
		return nil, fmt.Errorf("%w: history of %s: %w", room.ErrStorage, name, cmp.Or(s.lateness(name), errLate))
	}
	it, err := s.owner(name)
	if unusable(err) {
		return nil, fmt.Errorf("%w: %w: %w", room.ErrStorage, room.ErrUnusable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", room.ErrStorage, err)
	}
	return it, nil
}

// errReplaced is given when the file is no longer the one that the store wrote.
var errReplaced = errors.New("the file was replaced or changed while the server runs; stop it before that, and start it now to use the new one")

// view returns a history and its unread messages as they are now. The caller closes
// the view.
func (s *Store) view(o *owner) (*view, []unread, error) {
	for {
		v, list := o.snapshotUnread()
		if v.size == 0 {
			return v, list, nil
		}
		h, err := s.handle(o.name, false)
		if err != nil {
			return nil, nil, err
		}
		v.file = h.val
		v.closer = func() { s.files.release(h) }
		st, err := h.val.Stat()
		if err == nil && st.Ino == v.ino {
			return v, list, nil
		}
		v.close()
		if err != nil {
			return nil, nil, err
		}
		if now := o.snapshot(); now.ino == v.ino && !o.adopt(st.Ino) { // it was not shortened in between
			return nil, nil, errReplaced
		}
	}
}
