package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// keepOf is how much of a history's limit is left when it was shortened, so that this is not
// due again soon.
const keepNum, keepDen = 3, 4

// compactor knows which histories are to be shortened. Its methods may be called
// concurrently.
type compactor struct {
	mu    sync.Mutex
	names map[string]bool
	wake  chan struct{}
}

func (c *compactor) ask(name string) {
	c.mu.Lock()
	c.names[name] = true
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *compactor) take() (name string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.names {
		delete(c.names, name)
		return name, true
	}
	return "", false
}

// limit is the size from which on a history is shortened, 0 for never.
func (s *Store) limit(owner string) int64 {
	if shared(owner) {
		return s.opts.RoomMaxBytes
	}
	return s.opts.MaxBytes
}

func (s *Store) limited() bool {
	return s.opts.MaxBytes > 0 || s.opts.RoomMaxBytes > 0 || s.opts.Retention > 0
}

// shorten shortens histories that are too large, or have too old lines, until the store is closed.
func (s *Store) shorten() {
	defer close(s.shortened)
	age := time.NewTimer(0) // a start sees to what is too old, or too large for a lower limit
	defer age.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-age.C:
			s.askAll()
			if s.opts.Retention > 0 {
				s.sweepRetired(time.Now())
				age.Reset(max(time.Second, min(24*time.Hour, s.opts.Retention/12)))
			}
		case <-s.compactor.wake:
		}
		for name, ok := s.compactor.take(); ok && !s.isClosed(); name, ok = s.compactor.take() {
			if err := s.compact(name); err != nil && !errors.Is(err, errClosed) {
				s.complain(name, "history: can't be shortened", err)
			}
		}
	}
}

// askAll has each history looked at.
func (s *Store) askAll() {
	names, err := s.Nicks()
	if err != nil {
		s.log.Error("history: can't look for histories to shorten", "error", err)
	}
	s.removeUnfinished()
	for _, name := range append(names, room.RoomHistory, room.PresenceHistory) {
		s.compactor.ask(name)
	}
}

// removeUnfinished removes shorter files that took no history's place: they have what is to go.
func (s *Store) removeUnfinished() {
	for _, in := range []disk.Folder{s.dirs.users, s.dirs.rooms, s.dirs.root} {
		names, _ := in.Names() // what can't be removed now is tried again another time
		for _, name := range names {
			if strings.HasSuffix(name, ".jsonl.tmp") {
				_ = in.Remove(name)
			}
		}
	}
}

// compact shortens a history by its limits: what is beyond them goes, oldest first, but for
// messages that are unread. The new file is made beside the old one while that is written to, and
// takes its place in one step.
func (s *Store) compact(name string) error {
	if may, err := s.mayBeBeyond(name); err != nil || !may {
		return err
	}
	it, err := s.owner(name)
	if err != nil {
		return err
	}
	defer s.owners.release(it)
	o := it.val
	v, list, err := s.view(o)
	if err != nil {
		return err
	}
	defer v.close()
	v.tail = nil
	c := compaction{s: s, o: o, v: v, r: &reader{s: s, o: o, v: v}}
	worth, err := c.plan(time.Now(), list)
	if err != nil {
		return err
	}
	if !worth {
		s.setCompactAt(o, v.size)
		return nil
	}
	in, base := s.dirs.place(name)
	defer func() { _ = in.Remove(base + ".tmp") }() // where it was not renamed
	if err := c.write(in, base, list); err != nil {
		return fmt.Errorf("%s: %w", path(name), err)
	}
	return nil
}

// mayBeBeyond reports whether a history may be beyond a limit, without loading it.
func (s *Store) mayBeBeyond(name string) (bool, error) {
	in, base := s.dirs.place(name)
	st, err := in.Lstat(base)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return s.opts.Retention > 0 || s.limit(name) > 0 && st.Size > s.limit(name), err
}

// setCompactAt has a history that can't be made shorter looked at again when it has grown.
func (s *Store) setCompactAt(o *owner, size int64) {
	if limit := s.limit(o.name); limit > 0 {
		o.writing.Lock()
		defer o.writing.Unlock()
		o.compactAt = max(limit, size+limit/8)
	}
}

// compaction makes one history shorter.
type compaction struct {
	s *Store
	o *owner
	v *view
	r *reader

	from int64 // where the lines begin that stay in any case
	out  disk.File
	size int64 // of out

	dropped []string // ids of unread receipts that go
}

// clockAhead is how far in the future a message may lie before its time is not believed: the
// clock was wrong when it was written, or is now.
const clockAhead = 24 * time.Hour

// plan finds out what stays, and whether enough goes. A cut is never between the lines of
// one event.
func (c *compaction) plan(now time.Time, list []unread) (worth bool, err error) {
	target, retention := c.v.size, c.s.opts.Retention
	if limit := c.s.limit(c.o.name); limit > 0 && target > limit {
		target = limit * keepNum / keepDen
	}
	keep := make(map[string]bool) // ids
	for _, u := range list {
		if !u.receipt {
			keep[u.id] = true
		}
	}
	var seq uint64    // of the line before
	var kept int64    // bytes of messages that stay though they are before c.from
	goes, old := 0, 0 // messages
	c.r.reset(0)
	for {
		recs, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		end := c.r.f.Offset()
		for _, rec := range recs {
			m := rec.Message
			tooLarge := c.v.size-rec.Off+kept > target
			believed := m != nil && retention > 0 && m.Time.Before(now.Add(clockAhead))
			tooOld := believed && m.Time.Before(now.Add(-retention))
			if !tooLarge && !tooOld && m != nil && rec.Seq != seq && (believed || retention == 0) {
				if c.from > 0 {
					c.from = rec.Off
				}
				return old > 0 || c.v.size-c.from+kept < c.v.size-c.v.size/8 && goes > 0, nil
			}
			seq = rec.Seq
			if tooLarge || tooOld {
				c.from = end
			}
			switch {
			case m == nil:
			case keep[m.ID]:
				kept += end - rec.Off
			default:
				goes++
				if tooOld {
					old++
				}
			}
		}
	}
	return old > 0 || c.v.size-c.from+kept < c.v.size-c.v.size/8 && goes > 0, nil
}

// next is the next of c.r, unless the store is being closed.
func (c *compaction) next() ([]record.Record, error) {
	if c.s.isClosed() {
		return nil, errClosed
	}
	return c.r.next()
}

// write makes the shorter file and puts it in the place of the old one.
func (c *compaction) write(in disk.Folder, base string, list []unread) (err error) {
	if err := in.Remove(base + ".tmp"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := c.setDamageAside(); err != nil {
		return err
	}
	if c.out, err = in.Open(base+".tmp", true); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.out.Close()) }()
	if err := c.keepUnread(list); err != nil {
		return err
	}
	if err := c.copy(c.from, c.v.size); err != nil {
		return err
	}
	if err := c.out.Sync(); err != nil {
		return err
	}
	o := c.o
	o.writing.Lock()
	defer o.writing.Unlock()
	switch {
	case o.gone:
		return nil // what it was is no more
	case o.torn:
		return errors.New("it is being written to")
	}
	return c.install(in, base)
}

// keepUnread copies the messages of what goes that are unread. Receipts go.
func (c *compaction) keepUnread(list []unread) error {
	r := &reader{s: c.s, o: c.o, v: c.v}
	for _, u := range list {
		rec, ok, err := r.unread(u)
		if err != nil {
			return err
		}
		if !ok || rec.Off >= c.from {
			continue
		}
		if u.receipt {
			c.dropped = append(c.dropped, u.id)
			continue
		}
		text, err := record.AppendMessage(nil, rec.Seq, rec.Message)
		if err != nil {
			return err
		}
		if err := c.put(text); err != nil {
			return err
		}
	}
	return nil
}

func (c *compaction) put(b []byte) error {
	_, err := c.out.WriteAt(b, c.size)
	c.size += int64(len(b))
	return err
}

// copy copies bytes of the old file.
func (c *compaction) copy(from, to int64) error {
	b := make([]byte, 256<<10)
	for from < to {
		if c.s.isClosed() {
			return errClosed
		}
		part := b[:min(int64(len(b)), to-from)]
		if _, err := c.v.ReadAt(part, from); err != nil {
			return err
		}
		if err := c.put(part); err != nil {
			return err
		}
		from += int64(len(part))
	}
	return nil
}

// setDamageAside keeps damaged lines of what goes in the .torn file.
func (c *compaction) setDamageAside() error {
	var damaged []piece
	f := jsonl.NewForward(c.v, 0, c.from)
	for {
		l, err := f.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if _, whole := record.Parse(l); whole {
			continue
		}
		if n := len(damaged); n > 0 && damaged[n-1].end == l.Off {
			damaged[n-1].end = f.Offset()
		} else {
			damaged = append(damaged, piece{l.Off, f.Offset()})
		}
	}
	if len(damaged) == 0 {
		return nil
	}
	return c.s.dirs.setAside(c.o.name, c.v, damaged)
}

// install adds what was appended meanwhile, and a state line, so that the number of the newest
// line is known however much went, and then renames the file. o.writing is held.
func (c *compaction) install(in disk.Folder, base string) error {
	o := c.o
	now := o.snapshot()
	if now.ino != c.v.ino {
		return errReplaced
	}
	old := c.v.size
	c.v.size = now.size
	if err := c.copy(old, now.size); err != nil {
		return err
	}
	o.mu.Lock()
	last, places := o.last, o.placesWithout(c.dropped)
	settled := len(o.pending) == 0
	o.mu.Unlock()
	if !settled {
		return errors.New("lines are late")
	}
	state := record.AppendState(nil, last, time.Now(), places)
	if err := c.put(state); err != nil {
		return err
	}
	st, err := c.out.Stat()
	if err == nil {
		err = c.out.Sync()
	}
	if err != nil {
		return err
	}
	o.mu.Lock()
	o.shorter = shorter{st.Ino, c.size, stateAt{c.size, int64(len(state))}, last, c.dropped}
	o.mu.Unlock()
	c.s.renaming.Lock()
	defer c.s.renaming.Unlock()
	named, err := in.Lstat(base)
	if err != nil {
		return err
	}
	if named.Ino != c.v.ino || named.Size != c.v.size {
		return errReplaced
	}
	err = in.Rename(base+".tmp", base)
	c.s.files.forget(o.name)
	if err != nil { // it may have its effect nevertheless, see adopt
		c.s.changedTo(o.name, inodes{c.v.ino, st.Ino})
		return err
	}
	o.adopt(st.Ino)
	if limit := c.s.limit(o.name); limit > 0 {
		o.compactAt = max(limit, c.size+limit/8)
	}
	c.s.changed(o.name, st.Ino)
	return nil
}
