package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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
			if err := s.compact(name); err != nil {
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
	for _, name := range append(names, room.RoomHistory, room.PresenceHistory) {
		s.compactor.ask(name)
	}
}

// compact shortens a history by its limits: what is beyond them goes, oldest first, but for
// messages that are unread. The new file is made beside the old one while that is written to, and
// takes its place in one step.
func (s *Store) compact(name string) error {
	if due, err := s.due(name); err != nil || !due {
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
	if err := c.plan(time.Now()); err != nil {
		return err
	}
	if c.from == 0 {
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

// due reports whether a history may be beyond a limit, without loading it.
func (s *Store) due(name string) (bool, error) {
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
}

// plan finds out what stays. A cut is never between the lines of one event.
func (c *compaction) plan(now time.Time) error {
	limit := c.s.limit(c.o.name)
	tooOld := now.Add(-c.s.opts.Retention)
	keep := int64(0)
	if limit > 0 && c.v.size > limit {
		keep = c.v.size - limit*keepNum/keepDen
	}
	var seq uint64
	c.r.reset(0)
	for {
		recs, err := c.r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for _, rec := range recs {
			old := c.s.opts.Retention > 0 && rec.Message != nil && rec.Message.Time.Before(tooOld)
			if rec.Off >= keep && !old && rec.Message != nil && rec.Seq != seq {
				return nil
			}
			if rec.Message != nil || rec.State == nil {
				seq = rec.Seq
			}
		}
		c.from = c.r.f.Offset()
		if c.s.opts.Retention > 0 && keep == 0 && len(recs) > 0 && recs[0].Message == nil {
			continue // marks go with what is before them
		}
	}
	c.from = c.v.size
	return nil
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
	if o.torn {
		return errors.New("it is being written to")
	}
	return c.install(in, base)
}

// keepUnread copies the messages of what goes that are unread. Receipts go.
func (c *compaction) keepUnread(list []unread) error {
	for _, u := range list {
		if u.receipt {
			continue
		}
		rec, ok, err := c.r.find(u.at)
		if err == nil && !ok {
			rec, ok, err = c.r.scan(u.at)
		}
		if err != nil {
			return err
		}
		if !ok || rec.Off >= c.from {
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
	f := jsonl.NewForward(c.v, 0, c.from)
	for {
		l, err := f.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, whole := record.Parse(l); whole {
			continue
		}
		b := make([]byte, f.Offset()-l.Off)
		if _, err := c.v.ReadAt(b, l.Off); err != nil {
			return err
		}
		if err := c.s.dirs.setAside(c.o.name, b); err != nil {
			return err
		}
	}
}

// install adds what was appended meanwhile, and a state line, so that the number of the newest
// line is known however much went, and then renames the file. o.writing is held.
func (c *compaction) install(in disk.Folder, base string) error {
	o := c.o
	now, _ := o.snapshot()
	if now.ino != c.v.ino {
		return errReplaced
	}
	old := c.v.size
	c.v.size = now.size
	if err := c.copy(old, now.size); err != nil {
		return err
	}
	o.mu.Lock()
	last, places := o.last, o.places()
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
	o.shorter = shorter{st.Ino, c.size, stateAt{c.size, int64(len(state))}}
	o.mu.Unlock()
	err = in.Rename(base+".tmp", base)
	c.s.files.forget(o.name)
	if err != nil {
		return err
	}
	o.adopt(st.Ino)
	if limit := c.s.limit(o.name); limit > 0 {
		o.compactAt = max(limit, c.size+limit/8)
	}
	c.s.changed(o.name)
	return nil
}
