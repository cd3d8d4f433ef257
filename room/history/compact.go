package history

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"whoelse/internal/disk"
	"whoelse/room/history/record"
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

// shorten shortens histories that are too large, or have too old lines, until the store is closed.
func (s *Store) shorten() {
	age := time.NewTimer(0) // a start sees to what is too old, or too large for a lower limit
	defer age.Stop()
	for {
		var names []string
		select {
		case <-s.closing:
			return
		case name := <-s.tooLarge:
			names = []string{name}
		case <-age.C:
			var err error
			if names, err = s.dirs.owners(); err != nil {
				s.log.Error("history: can't look for histories to shorten", "error", err)
			}
			s.removeUnfinished()
			if s.opts.Retention > 0 {
				s.sweepRetired(time.Now())
				age.Reset(max(time.Second, min(24*time.Hour, s.opts.Retention/12)))
			}
		}
		for _, name := range names {
			if err := s.compact(name); err != nil && !s.isClosed() {
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
// messages that are unread.
func (s *Store) compact(name string) error {
	in, base := s.dirs.place(name)
	limit := s.limit(name)
	st, err := in.Lstat(base)
	within := err == nil && s.opts.Retention == 0 && (limit == 0 || st.Size <= limit)
	if within || s.isClosed() || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return s.replace(name, func(d *draft) (bool, error) {
		from, damaged, err := d.plan(time.Now(), limit)
		if err != nil || from == 0 {
			return false, err
		}
		if len(damaged) > 0 {
			err = quarantine(in, base, d.v, damaged...)
		}
		if err == nil {
			err = d.keepUnread(from)
		}
		if err == nil {
			err = d.copy(from, d.v.size)
		}
		return true, err
	})
}

// plan returns where the lines begin that stay in any case, and what is damaged before that; 0 where too
// little goes. A cut is never between the lines of one event. Where the history is too large, three
// quarters of its limit are left, so that this is not due again soon.
func (d *draft) plan(now time.Time, limit int64) (from int64, damaged []extent, err error) {
	target, retention := d.v.size, d.s.opts.Retention
	if limit > 0 && target > limit {
		target = limit / 4 * 3
	}
	keep := make(map[string]bool) // ids
	for _, u := range d.v.unread {
		if !u.receipt {
			keep[u.id] = true
		}
	}
	var seq uint64    // of the line before
	var kept int64    // bytes of messages that stay though they are before that
	goes, old := 0, 0 // messages
lines:
	for l, err := range jsonl.Lines(d.v, 0, d.v.size) {
		if err == nil && d.s.isClosed() {
			err = errClosed
		}
		if err != nil {
			return 0, nil, err
		}
		found, whole := record.Parse(l)
		if n := len(damaged); !whole && n > 0 && damaged[n-1].end == l.Off {
			damaged[n-1].end = l.End
		} else if !whole {
			damaged = append(damaged, extent{l.Off, l.End})
		}
		for _, rec := range found {
			m := rec.Message
			tooLarge := d.v.size-rec.Off+kept > target
			believed := m != nil && retention > 0 && m.Time.Before(now.Add(clockAhead))
			tooOld := believed && m.Time.Before(now.Add(-retention))
			if !tooLarge && !tooOld && m != nil && rec.Seq != seq && (believed || retention == 0) {
				if from > 0 {
					from = rec.Off
				}
				break lines
			}
			seq = rec.Seq
			if tooLarge || tooOld {
				from = l.End
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
	for n := len(damaged); n > 0 && damaged[n-1].off >= from; n-- {
		damaged = damaged[:n-1]
	}
	if old == 0 && (goes == 0 || from-kept <= d.v.size/8) {
		return 0, nil, nil
	}
	return from, damaged, nil
}

// keepUnread copies the messages of what goes that are unread. Receipts go.
func (d *draft) keepUnread(from int64) error {
	d.from = from
	lines := jsonl.NewForward(d.v, 0, d.v.size)
	for _, u := range d.v.unread {
		if u.off >= from || u.receipt {
			continue
		}
		rec, err := d.s.recordAt(d.v, lines, u.off)
		if err != nil {
			return err
		}
		if rec.Message == nil {
			continue // it was damaged meanwhile
		}
		if err := d.copyRecord(rec); err != nil {
			return err
		}
	}
	return nil
}
