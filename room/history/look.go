package history

import (
	"errors"
	"fmt"
	"io/fs"

	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
	"whoelse/room/log"
)

// Look is one owner's history as it is found on disk, with what only the log has of it, for looking at
// without a [Store]: also beside a running server, and without
// changing anything. One goroutine uses it.
type Look struct {
	file   string    // below the folder
	f      disk.File // nil when all of it is in the log
	view   *view
	unread map[string]bool // ids
	inUse  func() bool     // a server has the folder, and may be writing
}

// OpenLook opens the history of name, a nick or one of [room.RoomHistory] and
// [room.PresenceHistory], in the folder dir. Without one it is fs.ErrNotExist, with another
// layout an error.
func OpenLook(dir, name string) (*Look, error) {
	if !shared(name) && !ValidNick(name) {
		return nil, fmt.Errorf("%w: %q: %w", errOwner, name, fs.ErrNotExist)
	}
	root, err := disk.OpenReadOnly(dir)
	if err != nil {
		return nil, err
	}
	d := dirs{root: root}
	l := &Look{file: path(name), unread: make(map[string]bool), inUse: usedNow(dir)}
	if err := errors.Join(l.open(&d, name), d.close()); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Close releases the file.
func (l *Look) Close() error {
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}

// open reads the log before it opens the file: if a segment goes in
// between, its lines are in the file too.
func (l *Look) open(d *dirs, name string) error {
	if v, err := ReadVersion(d.root); err != nil || v != 0 && v < Version {
		return errors.Join(err, fmt.Errorf("the histories have version %d; a start of the server brings them up to date", v))
	}
	for dir, folder := range map[string]*disk.Folder{logFolder: &d.log, "users": &d.users, "rooms": &d.rooms} {
		var err error
		if *folder, err = d.root.Sub(dir); errors.Is(err, fs.ErrNotExist) {
			*folder = nil
		} else if err != nil {
			return err
		}
	}
	point, waiting, err := l.fromLog(d, name)
	if err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	o := &owner{name: name, noticed: make(map[int64]bool)}
	l.view = &view{}
	if in, base := d.place(name); in != nil {
		var st disk.Stat
		if l.f, st, err = openStat(in, base, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		l.view.size = st.Size
	}
	if l.f == nil && len(waiting) == 0 {
		return fs.ErrNotExist
	}
	if l.f != nil {
		l.view.file = l.f
		if len(waiting) > 0 { // as a start does
			if _, l.view.size, err = suspect(l.f, l.view.size, point); err != nil {
				return err
			}
		}
		if err := l.load(o); err != nil {
			return err
		}
	}
	for _, w := range waiting {
		if w.retired.IsZero() {
			o.add(w)
		} else if o.last <= w.rec.Seq { // it is set aside here
			o, l.view.size = &owner{name: name, noticed: make(map[int64]bool)}, 0
		}
	}
	l.view.tail = o.pending
	for _, u := range o.unread {
		l.unread[u.id] = true
	}
	return nil
}

// load finds what is known of the file.
func (l *Look) load(o *owner) error {
	r := &reader{s: newStore(Options{}), o: o, v: l.view}
	if shared(o.name) {
		return r.newest(func(rec record.Record) bool { o.follow(0, rec); return false })
	}
	return r.loadUnread()
}

// fromLog returns the checkpoint, and the lines for name of the events after it.
func (l *Look) fromLog(d *dirs, name string) (point uint64, list []line, err error) {
	if d.log == nil {
		return 0, nil, nil
	}
	c, err := ReadCheckpoint(d.root)
	if err != nil {
		c = Checkpoint{} // all of the log counts, as for a start
	}
	err = log.ReadSegments(d.log, c.Seq, func(e room.Entry) error {
		lines, _ := project(e) // a start reports what it can't keep
		for _, ln := range lines {
			if ln.owner == name {
				list = append(list, ln)
			}
		}
		return nil
	}, func(log.Damage) {})
	return c.Seq, list, err
}

// Line is one good line of a history.
type Line struct {
	Text    []byte        // as it is in the file, without the newline; good until the next one
	Message *room.Message // nil for marks, which are no messages
	Unread  bool
}

// Each calls visit with the newest n lines that want accepts, oldest first; with all of
// them if n is 0. What is damaged is reported, and left out. It holds one line at a time.
func (l *Look) Each(n int, want func(Line) bool, tell func(Finding), visit func(Line) error) error {
	skip := 0
	if n > 0 {
		skip = -n
		if err := l.each(want, func(Finding, bool) {}, func(Line) error { skip++; return nil }); err != nil {
			return err
		}
	}
	return l.each(want, func(f Finding, cut bool) {
		if (n == 0 || skip < 0) && !(cut && l.inUse()) { // a server may be writing the last line right now
			tell(f)
		}
	}, func(line Line) error {
		if skip--; skip >= 0 {
			return nil
		}
		return visit(line)
	})
}

// each calls visit with the lines that want accepts. It also reports whether what is damaged has no
// newline.
func (l *Look) each(want func(Line) bool, tell func(f Finding, cut bool), visit func(Line) error) error {
	return eachLine(l.view, 0, l.view.end(), func(ln jsonl.Line, next int64) error {
		good, whole := split(ln)
		if cut := torn(ln, next); !whole || cut {
			tell(damaged(l.file, ln, next, good), cut)
		}
		for _, g := range good {
			line := Line{g.data, g.Message, g.Message != nil && l.unread[g.Message.ID]}
			if !want(line) {
				continue
			}
			if err := visit(line); err != nil {
				return err
			}
		}
		return nil
	})
}
