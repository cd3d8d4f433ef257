package history

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// Tail implements [room.Histories]. Errors but for keep's wrap [room.ErrStorage].
//
// It keeps the file open that it began with, also when a shorter one takes its place, and
// eight bytes for each message that is still to come.
func (s *Store) Tail(owner string, n int, keep func(*room.Message) (bool, error)) iter.Seq2[*room.Message, error] {
	return s.messages(owner, func(v *view) (offs []int64, end, err error) { return s.search(v, n, keep) })
}

// Unread implements [room.Histories]. Errors wrap [room.ErrStorage]. It keeps the file open
// as Tail does.
func (s *Store) Unread(nick string) iter.Seq2[*room.Message, error] {
	return s.messages(nick, func(v *view) (offs []int64, end, err error) {
		for _, u := range v.unread {
			offs = append(offs, u.off)
		}
		return offs, nil, nil
	})
}

// messages gives the messages at the offsets that find returns, then its error end.
func (s *Store) messages(name string, find func(*view) (offs []int64, end, err error)) iter.Seq2[*room.Message, error] {
	return func(yield func(*room.Message, error) bool) {
		wanted := true
		var end error
		err := s.reading(name, func(v *view) (err error) {
			var offs []int64
			if offs, end, err = find(v); err != nil {
				return err
			}
			lines := jsonl.NewForward(v, 0, v.end())
			for _, off := range offs {
				rec, err := s.recordAt(v, lines, off)
				if err != nil {
					return err
				}
				if rec.Message == nil {
					continue // the line was damaged meanwhile, which was reported
				}
				if wanted = yield(rec.Message, nil); !wanted {
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

// searchTurn is after how many messages a search lets another one go on.
const searchTurn = 500

// search returns where the newest n messages that keep accepts are, in the order of
// the file, and the error of keep that ended it. Searches take turns, so that many of
// them together leave a processor to the rest.
func (s *Store) search(v *view, n int, keep func(*room.Message) (bool, error)) (offs []int64, end, err error) {
	if n <= 0 {
		return nil, nil, nil
	}
	s.searching.Lock()
	defer s.searching.Unlock()
	looked := 0
	for rec, err := range s.backward(v) {
		if err != nil {
			return nil, nil, err
		}
		if rec.Message == nil {
			continue
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
		if len(offs) == n || end != nil {
			break
		}
	}
	s.searched.Add(uint64(looked))
	slices.Reverse(offs)
	return offs, end, nil
}

// knowing calls look with what is known of a history. It does not wait for the disk where the history
// is in memory.
func (s *Store) knowing(name string, look func(*owner)) error {
	s.mu.Lock()
	o := s.owners[name]
	if o != nil && o.unusable == nil && !s.isClosed() {
		defer s.mu.Unlock()
		look(o)
		return nil
	}
	s.mu.Unlock()
	s.applying.Lock()
	defer s.applying.Unlock()
	o, err := s.known(name)
	if err == nil {
		look(o)
	}
	return failed(name, err)
}

// reading calls read with a history as it is now. No lock is held meanwhile.
func (s *Store) reading(name string, read func(*view) error) error {
	s.applying.Lock()
	o, err := s.known(name)
	var v *view
	if err == nil {
		v, err = s.view(o)
	}
	s.applying.Unlock()
	if err == nil {
		err = read(v)
		v.close()
	}
	return failed(name, err)
}

// failed is the error for the room of what failed with a history.
func failed(name string, err error) error {
	if unusable(err) {
		err = fmt.Errorf("%w: %w", room.ErrUnusable, err)
	}
	if err != nil {
		err = fmt.Errorf("%w: history of %s: %w", room.ErrStorage, name, err)
	}
	return err
}

// known returns the state of a history, as long as the store is open. applying is held.
func (s *Store) known(name string) (*owner, error) {
	switch err := checkOwner(name); {
	case s.isClosed():
		return nil, errClosed
	case err != nil:
		return nil, err
	case s.late[name] != nil && s.owners[name] == nil:
		s.writeLate()
	}
	defer s.evict()
	return s.owner(name)
}

// backward gives the records of a view, the newest first, and reports damage.
func (s *Store) backward(v *view) iter.Seq2[record.Record, error] {
	return s.records(v, jsonl.Backward(v, v.end()), -1)
}

// forward gives the records of a view from off, the start of a line, on, and reports damage.
func (s *Store) forward(v *view, off int64) iter.Seq2[record.Record, error] {
	return s.records(v, jsonl.Lines(v, off, v.end()), 1)
}

func (s *Store) records(v *view, lines iter.Seq2[jsonl.Line, error], order int) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		for l, err := range lines {
			if err != nil {
				yield(record.Record{}, err)
				return
			}
			found := s.decode(v, l)
			if order < 0 {
				slices.Reverse(found)
			}
			for _, rec := range found {
				if !yield(rec, nil) {
					return
				}
			}
		}
	}
}

// recordAt reads the record at off, a place where one was found before. It is cheap when these are asked for
// in the order of the file.
func (s *Store) recordAt(v *view, lines *jsonl.Forward, off int64) (record.Record, error) {
	lines.SeekTo(off)
	l, err := lines.Next()
	if err != nil {
		return record.Record{}, err
	}
	if found := s.decode(v, l); len(found) > 0 && found[0].Off == off {
		return found[0], nil
	}
	return record.Record{}, nil
}

// decode returns what a line holds, and reports damage, once for each place.
func (s *Store) decode(v *view, l jsonl.Line) []record.Record {
	found, whole := record.Parse(l)
	if name, isRoom := strings.CutPrefix(v.o.name, "#"); isRoom {
		for _, rec := range found {
			if rec.Message != nil {
				rec.Message.Room = name
			}
		}
	}
	if !whole && s.once(fmt.Sprint(v.o.name, v.ino, l.Off)) {
		s.damaged.Add(1)
		what := "history: a damaged line"
		if len(found) > 0 {
			what = "history: a damaged line; what is whole in it is used"
		}
		s.log.Error(what, "file", path(v.o.name), "byte", l.Off)
	}
	return found
}
