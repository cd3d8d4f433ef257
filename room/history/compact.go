package history

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"whoelse/room/history/record"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// clockAhead is how far in the future a message may lie before its time is not believed: the
// clock was wrong when it was written, or is now.
const clockAhead = 24 * time.Hour

// limit is the size from which on a history is shortened, 0 for never.
func (s *Store) limit(owner string) int64 {
	if shared(owner) {
		return s.opts.RoomMaxBytes
	}
	return s.opts.MaxBytes
}

// askShorter has a history shortened.
func (s *Store) askShorter(names ...string) {
	s.mu.Lock()
	for _, name := range names {
		s.tooLarge[name] = true
	}
	s.mu.Unlock()
	wake(s.shorter)
}

// nextTooLarge takes a history that is to be shortened, as long as the store is open.
func (s *Store) nextTooLarge() (name string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.tooLarge {
		delete(s.tooLarge, name)
		return name, !s.closed
	}
	return "", false
}

// shorten shortens histories that are too large, or have too old lines, until the store is closed.
func (s *Store) shorten() {
	age := time.NewTimer(0) // a start sees to what is too old, or too large for a lower limit
	defer age.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-age.C:
			names, err := s.Nicks()
			if err != nil {
				s.log.Error("history: can't look for histories to shorten", "error", err)
			}
			s.removeUnfinished()
			s.askShorter(append(names, sharedHistories...)...)
			if s.opts.Retention > 0 {
				s.sweepRetired(time.Now())
				age.Reset(max(time.Second, min(24*time.Hour, s.opts.Retention/12)))
			}
		case <-s.shorter:
		}
		for name, ok := s.nextTooLarge(); ok; name, ok = s.nextTooLarge() {
			if err := s.compact(name); err != nil && !errors.Is(err, errClosed) {
				s.complain(name, "history: can't be shortened", err)
			}
		}
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
func (s *Store) compact(name string) (err error) {
	in, base := s.dirs.place(name)
	limit := s.limit(name)
	st, err := in.Lstat(base)
	if errors.Is(err, fs.ErrNotExist) || err == nil && s.opts.Retention == 0 && (limit == 0 || st.Size <= limit) {
		return nil
	}
	it, err := s.owner(name)
	if err != nil {
		return err
	}
	defer s.owners.release(it)
	v, err := s.view(it.val)
	if err != nil && s.owners.has(it) {
		return err
	}
	if err != nil { // it was set aside just now
		return nil
	}
	defer v.close()
	v.tail = nil
	c := compaction{s: s, it: it, v: v}
	worth, err := c.plan(time.Now(), limit)
	if err != nil {
		return err
	}
	if !worth { // it is looked at again when it has grown
		s.applying.Lock()
		defer s.applying.Unlock()
		it.val.setCompactAt(limit, v.size)
		return nil
	}
	if err := in.Remove(base + ".tmp"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(c.damaged) > 0 {
		if err := setAside(in, base, v, c.damaged...); err != nil {
			return err
		}
	}
	if c.out, err = in.Open(base+".tmp", true); err != nil {
		return err
	}
	defer func() {
		_ = in.Remove(base + ".tmp") // where it was not renamed
		err = errors.Join(err, c.out.Close())
	}()
	if err := c.keepUnread(); err != nil {
		return err
	}
	if err := c.copy(c.from, v.size); err != nil {
		return err
	}
	if err := c.out.Sync(); err != nil {
		return err
	}
	return c.install(in, base, limit)
}

// setCompactAt is called with applying held.
func (o *owner) setCompactAt(limit, size int64) {
	if limit > 0 {
		o.compactAt = max(limit, size+limit/8)
	}
}

// compaction makes one history shorter.
type compaction struct {
	s  *Store
	it *item[*owner]
	v  *view

	from    int64   // where the lines begin that stay in any case
	damaged []piece // before that
	out     disk.File
	size    int64    // of out
	dropped []string // ids of unread receipts that go
}

// plan finds out what stays, and whether enough goes. A cut is never between the lines of
// one event. Where the history is too large, three quarters of its limit are left, so that this is not due
// again soon.
func (c *compaction) plan(now time.Time, limit int64) (worth bool, err error) {
	target, retention := c.v.size, c.s.opts.Retention
	if limit > 0 && target > limit {
		target = limit / 4 * 3
	}
	keep := make(map[string]bool) // ids
	for _, u := range c.v.unread {
		if !u.receipt {
			keep[u.id] = true
		}
	}
	var seq uint64    // of the line before
	var kept int64    // bytes of messages that stay though they are before c.from
	goes, old := 0, 0 // messages
lines:
	for l, err := range jsonl.Lines(c.v, 0, c.v.size) {
		if err == nil && c.s.isClosed() {
			err = errClosed
		}
		if err != nil {
			return false, err
		}
		found, whole := record.Parse(l)
		if n := len(c.damaged); !whole && n > 0 && c.damaged[n-1].end == l.Off {
			c.damaged[n-1].end = l.End
		} else if !whole {
			c.damaged = append(c.damaged, piece{l.Off, l.End})
		}
		for _, rec := range found {
			m := rec.Message
			tooLarge := c.v.size-rec.Off+kept > target
			believed := m != nil && retention > 0 && m.Time.Before(now.Add(clockAhead))
			tooOld := believed && m.Time.Before(now.Add(-retention))
			if !tooLarge && !tooOld && m != nil && rec.Seq != seq && (believed || retention == 0) {
				if c.from > 0 {
					c.from = rec.Off
				}
				break lines
			}
			seq = rec.Seq
			if tooLarge || tooOld {
				c.from = l.End
			}
			switch {
			case m == nil:
			case keep[m.ID]:
				kept += l.End - rec.Off
			case tooOld:
				old++
				goes++
			default:
				goes++
			}
		}
	}
	for n := len(c.damaged); n > 0 && c.damaged[n-1].off >= c.from; n-- {
		c.damaged = c.damaged[:n-1]
	}
	return old > 0 || c.v.size-c.from+kept < c.v.size-c.v.size/8 && goes > 0, nil
}

// keepUnread copies the messages of what goes that are unread. Receipts go.
func (c *compaction) keepUnread() error {
	lines := jsonl.NewForward(c.v, 0, c.v.size)
	for _, u := range c.v.unread {
		if u.off >= c.from {
			continue
		}
		if u.receipt {
			c.dropped = append(c.dropped, u.id)
			continue
		}
		rec, err := c.s.recordAt(c.v, lines, u.off)
		if err != nil {
			return err
		}
		if rec.Message == nil {
			continue // it was damaged meanwhile
		}
		text := make([]byte, rec.Len)
		if _, err := c.v.ReadAt(text, rec.Off); err != nil {
			return err
		}
		if err := c.put(append(text, '\n')); err != nil {
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

// install adds what was appended meanwhile, and a state line, so that the number of the newest
// line is known however much went, and then renames the file. The history is loaded anew from it.
func (c *compaction) install(in disk.Folder, base string, limit int64) error {
	s, o := c.s, c.it.val
	s.applying.Lock()
	defer s.applying.Unlock()
	now := o.snapshot(false)
	if !s.owners.has(c.it) || s.late[o.name] != nil {
		return nil // what it was is no more, or is made again
	}
	old := c.v.size
	c.v.size = now.size
	if err := c.copy(old, now.size); err != nil {
		return err
	}
	state := record.AppendState(nil, o.last, time.Now(), o.places(c.dropped))
	err := c.put(state)
	if err == nil {
		err = c.out.Sync()
	}
	if err != nil {
		return err
	}
	st, err := c.out.Stat()
	if err != nil {
		return err
	}
	named, err := in.Lstat(base)
	if err != nil {
		return err
	}
	if named.Ino != c.v.ino || named.Size != c.v.size {
		return fmt.Errorf("%s: %w", path(o.name), errReplaced)
	}
	s.changed(o.name, st.Ino, c.v.ino)
	defer s.drop(o.name)
	if err := in.Rename(base+".tmp", base); err != nil {
		return err // it may have its effect nevertheless
	}
	s.changed(o.name, st.Ino)
	return nil
}
