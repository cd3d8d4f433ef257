package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"whoelse/room"
	"whoelse/room/history/record"
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

// line is one line that an event makes in a history.
type line struct {
	owner string
	index int // from 0, of those that the event makes there
	rec   record.Record
	text  []byte
	inbox int // with so many unread messages the owner does not get it; 0 is no limit

	retired time.Time // no line, but the history is set aside at this point; zero: a line
}

// project returns the lines that an event makes, in an order that is always the same. The
// error wraps [room.ErrInvalid]; the other lines are good.
func project(e room.Entry) (lines []line, err error) {
	add := func(owner string, l line) {
		if strings.HasPrefix(owner, "~") {
			return // guests have no history
		}
		if bad := checkOwner(owner); bad != nil {
			err = fmt.Errorf("%w: %w", room.ErrInvalid, bad)
			return
		}
		l.owner, l.rec.Seq = owner, e.Seq
		for _, other := range lines {
			if other.owner == owner {
				l.index++
			}
		}
		lines = append(lines, l)
	}
	message := func(m *room.Message, inbox int, owners ...string) { // its line is the same in every history
		text, bad := record.AppendMessage(nil, e.Seq, m)
		if bad != nil {
			err = bad
			return
		}
		for _, owner := range owners {
			l := line{rec: record.Record{Message: m}, text: text}
			if owner != e.From {
				l.inbox = inbox
			}
			add(owner, l)
		}
	}
	switch e.Kind {
	case room.KindSay, room.KindMe, room.KindNotice:
		message(&e.Message, 0, "#"+e.Room)
	case room.KindJoin, room.KindLeave, room.KindAlive:
		message(&e.Message, 0, room.PresenceHistory)
	case room.KindRetired:
		owner := e.From
		if e.Room != "" {
			owner = "#" + e.Room
		}
		add(owner, line{retired: e.Time})
	case room.KindRead:
		if len(e.Read) > 0 {
			if text, bad := record.AppendRead(nil, e.Seq, e.Time, e.Read, e.Extra); bad != nil {
				err = bad
			} else {
				add(e.From, line{rec: record.Record{Read: e.Read}, text: text})
			}
		}
		for _, receipt := range e.Receipts {
			message(receipt, 0, receipt.To...)
		}
	case room.KindState: // no line in any history
		if name, is := strings.CutPrefix(e.Doc, "rooms/"); is {
			var info room.RoomInfo
			if json.Unmarshal(e.Data, &info) == nil && info.Aside {
				add("#"+name, line{retired: e.Time})
			}
		}
	default: // direct, group, and what a newer program sends to somebody
		owners := []string{e.From}
		for _, nick := range e.To {
			if nick != e.From {
				owners = append(owners, nick)
			}
		}
		message(&e.Message, e.Max, owners...)
	}
	return lines, err
}

// late is a history whose file lacks lines that the log has. If it is in memory these are pending there;
// otherwise only the log has them, and nobody may read it.
type late struct {
	since uint64 // it has all events up to this one
	err   error  // why
	told  bool   // it was logged
}

// batch is the histories that are being changed; nil is one that takes no lines now.
type batch map[string]*owner

// apply brings a batch of committed entries into the histories, in order. The lines of one
// history are written with one write. A history that can't be written is late: the
// log keeps its lines, and [Store.catchUp] tries again.
func (s *Store) apply(entries []room.Entry) {
	s.applying.Lock()
	defer s.applying.Unlock()
	b := batch{}
	for i := range entries {
		e := &entries[i]
		for _, l := range s.project(*e) {
			if _, begun := b[l.owner]; !begun {
				b[l.owner] = s.take(l.owner)
			}
			if s.give(l, b, s.retire) {
				e.Full = append(e.Full, l.owner)
			}
		}
	}
	s.finish(b)
	s.tellLate()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.applied, s.lastID = e.Seq, max(s.lastID, e.ID)
	}
}

func (s *Store) project(e room.Entry) []line {
	lines, err := project(e)
	if err != nil {
		s.log.Error("history: an event can't be kept", "seq", e.Seq, "error", err)
	}
	return lines
}

// take takes a history for a batch, nil where that can't be.
func (s *Store) take(name string) *owner {
	o, err := s.anyOwner(name)
	if err != nil {
		s.setLate(name, s.applied, err)
		return nil
	}
	return o
}

// give hands a line to its history, and reports whether that is an inbox which is full. While
// that can't be known it counts as full: whether the line is kept has to follow from the log alone, and
// nothing may be lost of which its sender was told that it is kept.
func (s *Store) give(l line, b batch, retire func(o *owner, seq uint64, at time.Time) error) (full bool) {
	o := b[l.owner]
	if o == nil {
		return l.inbox > 0
	}
	if l.retired.IsZero() {
		s.mu.Lock()
		defer s.mu.Unlock()
		return o.add(l)
	}
	err := s.flush(o)
	if err == nil {
		err = retire(o, l.rec.Seq, l.retired)
	}
	if err == nil {
		o, err = s.load(l.owner) // the next holder's
	}
	if err != nil {
		o = nil
		s.makeLate(l.owner, s.applied, err)
	}
	b[l.owner] = o
	return false
}

// finish writes what a batch changed. applying is held.
func (s *Store) finish(b batch) {
	for name, o := range b {
		if o == nil {
			continue
		}
		s.remember(o)
		if err := s.flush(o); err != nil {
			s.setLate(name, s.applied, err)
		} else {
			s.wellAgain(name)
		}
	}
	s.evict()
}

// quarantinePending sets the lines aside that go to a history whose file is unusable.
func (s *Store) quarantinePending(o *owner) {
	in, base := s.dirs.place(o.name)
	err := quarantine(in, base, bytes.NewReader(o.pending), extent{0, int64(len(o.pending))})
	if err != nil {
		s.log.Error("history: lines are lost", "file", path(o.name), "bytes", len(o.pending), "error", err)
	} else {
		s.complain(o.name, "history: the file is unusable, its lines go to the .torn file beside it", o.unusable)
	}
	o.pending = nil
}

// flush appends the lines of a history that are not in its file yet.
func (s *Store) flush(o *owner) error {
	if o.unusable != nil {
		if len(o.pending) > 0 {
			s.quarantinePending(o)
		}
		return nil
	}
	o.addState(time.Now())
	if len(o.pending) == 0 && !o.torn {
		return nil
	}
	f, st, err := s.openFile(o.name, o.ino == 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errReplaced
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // a checkpoint syncs it
	if o.ino != 0 && o.ino != st.Ino || st.Size != o.size && !o.torn {
		return errReplaced
	}
	o.ino = st.Ino
	if o.torn {
		if err := s.truncate(o, f, o.size); err != nil {
			return err
		}
	}
	o.torn = true
	if _, err := f.WriteAt(o.pending, o.size); err != nil {
		return err
	}
	o.torn = false
	o.size, o.pending = o.size+int64(len(o.pending)), nil
	s.dirty[o.name] = []uint64{st.Ino}
	if o.compactAt > 0 && o.size > o.compactAt {
		select {
		case s.tooLarge <- o.name:
			o.compactAt = o.size + s.limit(o.name)/8 // when it is looked at again if it can't be shorter
		default: // the next time
		}
	}
	return nil
}

// setLate notes that the file of a history lacks what is after an event. applying is held.
func (s *Store) setLate(name string, since uint64, err error) {
	l := &late{since: since, err: err}
	if was := s.late[name]; was != nil {
		l.since, l.told = min(since, was.since), was.told
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late[name] = l
}

// makeLate has a history made again from the log, after an event. applying is held.
func (s *Store) makeLate(name string, since uint64, err error) {
	s.setLate(name, since, err)
	s.forget(name)
}

// tellLate logs which histories are late. applying is held.
func (s *Store) tellLate() {
	for name, l := range s.late {
		if !l.told {
			l.told = true
			s.log.Error("history: can't be written; its lines stay in the log, and are tried again", "file", path(name), "error", l.err)
			wake(s.wake)
		}
	}
}

func (s *Store) wellAgain(name string) {
	l := s.late[name]
	if l == nil {
		return
	}
	s.mu.Lock()
	delete(s.late, name)
	s.mu.Unlock()
	if l.told {
		s.log.Info("history: written again", "file", path(name))
	}
}

// writeLate has late histories written, of which those that are incomplete are made from the log
// again. It reports whether none is late any more. applying is held.
func (s *Store) writeLate() bool {
	complete, again, after := batch{}, batch{}, s.applied
	for name, l := range s.late {
		if o := s.owners[name]; o != nil {
			complete[name] = o
			continue
		}
		o, err := s.load(name)
		if err != nil {
			s.setLate(name, l.since, err)
			continue
		}
		again[name] = o
		after = min(after, l.since)
	}
	s.finish(complete)
	if len(again) > 0 {
		_ = s.makeAgain(again, after, s.applied) // they stay late
	}
	s.tellLate()
	return len(s.late) == 0
}

// catchUp is writeLate for those who do not hold applying.
func (s *Store) catchUp() bool {
	s.applying.Lock()
	defer s.applying.Unlock()
	return s.writeLate()
}

// makeAgain gives histories their lines of the events after one, up to another, and writes them. A line
// that is there already is skipped, by its number. In a recovery that is done for all that have any.
func (s *Store) makeAgain(b batch, after, upTo uint64) error {
	retire := s.retire
	if !s.recovering { // else a backup that runs has the log, too
		retire = func(o *owner, seq uint64, at time.Time) error {
			return s.WithoutBackup(func() error { return s.retire(o, seq, at) })
		}
	}
	n := 0
	err := s.Log.Read(after, func(e room.Entry) error {
		if e.Seq > upTo {
			return errEnough
		}
		for _, l := range s.project(e) {
			if _, begun := b[l.owner]; !begun && s.recovering {
				b[l.owner] = s.take(l.owner)
			}
			s.give(l, b, retire)
		}
		if n++; n%1000 == 0 { // bounds what is in memory
			for _, o := range b {
				if o != nil && len(o.pending) > 0 {
					_ = s.flush(o) // finish tries again
				}
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lastID = max(s.lastID, e.ID)
		return nil
	})
	if err == nil || errors.Is(err, errEnough) {
		s.finish(b)
		return nil
	}
	for name, o := range b {
		if o != nil {
			s.makeLate(name, after, err)
		}
	}
	return err
}

var errEnough = errors.New("enough")
