package history

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"whoelse/room"
	"whoelse/room/internal/disk"
)

// Append implements [room.Log]. An event that concerns a nick whose history is late is refused, in its
// turn: what waits for one file is bounded.
func (s *Store) Append(e *room.Event, failed func(error)) {
	if err := s.latenessOf(e); err != nil {
		s.Log.Refuse(fmt.Errorf("%w: %w", room.ErrStorage, err), failed)
		return
	}
	s.Log.Append(e, failed)
}

// latenessOf returns why a history that a message or mark belongs to can't take it now, nil if all can.
// Who comes and goes, and receipts, are few.
func (s *Store) latenessOf(e *room.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.late) == 0 {
		return nil
	}
	owners := append([]string{e.From}, e.To...)
	if e.Room != "" {
		owners = []string{"#" + e.Room}
	}
	for _, name := range owners {
		if l := s.late[name]; l != nil {
			return fmt.Errorf("history of %s: %w", name, l.err)
		}
	}
	return nil
}

// apply brings a batch of committed entries into the histories, in order. The lines of one
// history are written with one write. What can't be written is late: it waits in memory, the
// log keeps it, and it is tried again by [Store.catchUp].
func (s *Store) apply(batch []room.Entry) {
	s.applying.Lock()
	defer s.applying.Unlock()
	b := batchOf{owners: map[string]*item[*owner]{}, aside: map[string][]byte{}}
	for i := range batch {
		s.applyEntry(&batch[i], &b)
	}
	s.finish(&b)
	last := batch[len(batch)-1]
	s.mu.Lock()
	s.applied = last.Seq
	for _, e := range batch {
		s.lastID = max(s.lastID, e.ID)
	}
	s.mu.Unlock()
}

// batchOf is what a batch changes.
type batchOf struct {
	owners map[string]*item[*owner]
	aside  map[string][]byte // lines of histories that are unusable
}

func (s *Store) applyEntry(e *room.Entry, b *batchOf) {
	lines, err := project(*e)
	if err != nil {
		s.log.Error("history: an event can't be kept", "seq", e.Seq, "error", err)
	}
	for _, l := range lines {
		if s.give(l, b) {
			e.Full = append(e.Full, l.owner)
		}
	}
}

// give hands a line to its history, and reports whether that is an inbox which is full. While
// that can't be known it counts as full: whether the line is kept has to follow from the log alone, and
// nothing may be lost of which its sender was told that it is kept.
func (s *Store) give(l line, b *batchOf) (full bool) {
	if !l.retired.IsZero() {
		s.finish(b)
	}
	if late := s.late[l.owner]; late != nil && (late.it == nil || len(late.todo) > 0 || !l.retired.IsZero()) {
		if !late.again {
			s.mu.Lock()
			late.todo = append(late.todo, l)
			s.mu.Unlock()
		}
		return l.inbox > 0
	}
	if !l.retired.IsZero() {
		if err := s.retire(l.owner, l.rec.Seq, l.retired); err != nil {
			s.setLate(l.owner, &lateOwner{todo: []line{l}, err: err})
		}
		return false
	}
	it := b.owners[l.owner]
	if it == nil {
		var err error
		if it, err = s.owner(l.owner); unusable(err) {
			b.aside[l.owner] = append(b.aside[l.owner], l.text...)
			return false
		} else if err != nil {
			s.setLate(l.owner, &lateOwner{todo: []line{l}, err: err})
			return l.inbox > 0
		}
		b.owners[l.owner] = it
	}
	return it.val.add(l)
}

// finish writes what a batch changes so far.
func (s *Store) finish(b *batchOf) {
	for name, it := range b.owners {
		if err := s.flush(it.val); err != nil && s.late[name] == nil {
			s.setLate(name, &lateOwner{it: it, err: err})
		} else {
			s.owners.release(it)
		}
	}
	for name, text := range b.aside {
		if err := s.dirs.setAside(name, bytes.NewReader(text), []piece{{0, int64(len(text))}}); err != nil {
			s.log.Error("history: lines are lost", "file", path(name), "bytes", len(text), "error", err)
		} else {
			s.complain(name, "history: the file is unusable, its lines go to the .torn file beside it", nil)
		}
	}
	clear(b.owners)
	clear(b.aside)
}

// flush appends the lines of a history that are not in its file yet.
func (s *Store) flush(o *owner) error {
	o.writing.Lock()
	defer o.writing.Unlock()
	o.addState(time.Now())
	v := o.snapshot()
	if len(v.tail) == 0 {
		return nil
	}
	h, err := s.handle(o.name, true)
	if err != nil {
		return err
	}
	defer s.files.release(h)
	st, err := h.val.Stat()
	if err != nil {
		return err
	}
	if o.adopt(st.Ino) {
		v = o.snapshot()
	}
	ino, err := s.verify(o, h.val, v)
	if err != nil {
		return err
	}
	o.torn = true
	if _, err := h.val.WriteAt(v.tail, v.size); err != nil {
		return err
	}
	o.torn = false
	o.mu.Lock()
	o.ino, o.size = ino, v.size+int64(len(v.tail))
	o.pending = nil
	o.mu.Unlock()
	s.changed(o.name, ino)
	if o.compactAt > 0 && v.end() > o.compactAt {
		s.compactor.ask(o.name)
	}
	return nil
}

// verify makes sure that a file is the one that the store left, and how it left it, before
// it is appended to.
func (s *Store) verify(o *owner, f disk.File, v *view) (ino uint64, err error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	in, base := s.dirs.place(o.name)
	named, err := in.Lstat(base)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if err != nil || named.Ino != st.Ino || v.ino != 0 && v.ino != st.Ino || st.Size != v.size && !o.torn {
		s.files.forget(o.name) // the next try looks at what is there then
		return 0, errReplaced
	}
	if o.torn {
		if err := f.Truncate(v.size); err != nil {
			return 0, err
		}
	}
	return st.Ino, nil
}

// changed notes that a history has to be synced by the next checkpoint, and which file it is.
func (s *Store) changed(name string, ino uint64) { s.changedTo(name, inodes{ino: ino}) }

func (s *Store) changedTo(name string, is inodes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[name] = is
}

// inodes says which file is a history: another one is somebody else's.
type inodes struct {
	ino uint64 // 0 if it was set aside, and there is none
	or  uint64 // the other one if not 0: nobody knows whether a shorter file took its place
}

func (i inodes) has(ino uint64) bool { return ino == i.ino || ino != 0 && ino == i.or }

// lateOwner is a history that lacks lines which the log has.
type lateOwner struct {
	it   *item[*owner] // has them as pending; nil if it could not be loaded
	todo []line        // follow what it has: of one that could not be loaded, or be set aside
	err  error         // why

	again bool // what it lacks is to be written again by resync; there is neither it nor todo
}

func (s *Store) setLate(name string, l *lateOwner) {
	s.mu.Lock()
	s.late[name] = l
	s.mu.Unlock()
	s.log.Error("history: can't be written; its lines stay in the log, and are tried again", "file", path(name), "error", l.err)
	s.wakeUp()
}

// lateness returns why a history can't take anything now, nil if it can.
func (s *Store) lateness(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.late[name]; l != nil {
		return l.err
	}
	return nil
}

// unloaded reports whether a history lacks lines since it could not be loaded, or set aside:
// then nobody may read it.
func (s *Store) unloaded(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.late[name]
	return l != nil && (l.it == nil || len(l.todo) > 0)
}

// catchUp tries to write what is late, and reports whether nothing is.
func (s *Store) catchUp() bool {
	s.applying.Lock()
	defer s.applying.Unlock()
	for name, l := range s.late {
		if l.again {
			continue
		}
		err := s.retry(name, l)
		s.mu.Lock()
		if l.err = err; err == nil {
			delete(s.late, name)
		}
		s.mu.Unlock()
		if err != nil {
			continue
		}
		if l.it != nil {
			s.owners.release(l.it)
		}
		s.log.Info("history: written again", "file", path(name))
	}
	return len(s.late) == 0
}

func (s *Store) retry(name string, l *lateOwner) error {
	for len(l.todo) > 0 {
		it, next := l.it, l.todo[0]
		if next.retired.IsZero() {
			var err error
			if it == nil {
				it, err = s.owner(name)
			}
			if err != nil {
				return err
			}
			it.val.add(next)
		} else {
			if it != nil {
				if err := s.flush(it.val); err != nil {
					return err
				}
			}
			err := s.WithoutBackup(func() error { return s.retire(name, next.rec.Seq, next.retired) })
			if err != nil {
				return err
			}
			if it != nil {
				s.owners.release(it)
				it = nil
			}
		}
		s.mu.Lock()
		l.it, l.todo = it, l.todo[1:]
		s.mu.Unlock()
	}
	if l.it == nil {
		return nil
	}
	return s.flush(l.it.val)
}

// unusable reports whether what is in a file's place is not one that a store may use.
func unusable(err error) bool {
	return errors.Is(err, disk.ErrNotRegular) || errors.Is(err, errAhead)
}

// complain logs something about a history, once.
func (s *Store) complain(name, what string, err error) {
	if _, said := s.said.LoadOrStore(name+what, true); said {
		return
	}
	attrs := []any{"file", path(name)}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	s.log.Error(what, attrs...)
}

// damage notes a damaged line, once for each place.
func (s *Store) damage(o *owner, off int64, beside bool) {
	o.mu.Lock()
	known := o.noticed[off] || len(o.noticed) == maxNoticed
	if !known {
		o.noticed[off] = true
	}
	o.mu.Unlock()
	if known {
		return
	}
	s.damaged.Add(1)
	what := "history: a damaged line"
	if beside {
		what = "history: a damaged line; what is whole in it is used"
	}
	s.log.Error(what, "file", path(o.name), "byte", off)
}

// maxNoticed bounds how much damage of one history is remembered.
const maxNoticed = 1000
