package history

import (
	"errors"
	"fmt"
	"io/fs"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
	"whoelse/room/log"
)

// Look is one owner's history as it is found on disk, with what only the log has of it, for looking at
// without a [Store]: also beside a running server, and without
// changing anything. One goroutine uses it.
type Look struct {
	f      disk.File // nil when all of it is in the log
	view   *view
	unread map[string]bool // ids
	inUse  func() bool     // a server has the folder, and may be writing
}

// OpenLook opens the history of name, a nick or one of [room.RoomHistory] and
// [room.PresenceHistory], in the folder dir. Without one it is fs.ErrNotExist, with another
// layout an error.
func OpenLook(dir, name string) (*Look, error) {
	if err := checkOwner(name); err != nil {
		return nil, fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	}
	root, err := disk.OpenReadOnly(dir)
	if err != nil {
		return nil, err
	}
	l := &Look{unread: make(map[string]bool), inUse: usedNow(dir)}
	_, err = checkVersion(root)
	d := dirs{root: root}
	if err == nil {
		d, err = openDirs(root, true)
	}
	if err == nil {
		err = l.open(d, name)
	}
	if err := errors.Join(err, d.close()); err != nil {
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

// open makes of the file and the log what a start would. It reads the log first: if a segment goes in
// between, its lines are in the file too.
func (l *Look) open(d dirs, name string) error {
	point, waiting, err := linesInLog(d, name)
	if err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	var st disk.Stat
	if in, base := d.place(name); in != nil {
		if l.f, st, err = openStat(in, base, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if l.f == nil && len(waiting) == 0 {
		return fs.ErrNotExist
	}
	o := &owner{name: name, size: st.Size}
	l.view = &view{o: o, file: l.f, size: st.Size}
	if l.f != nil {
		if len(waiting) > 0 {
			if _, l.view.size, err = suspect(l.f, st.Size, point); err != nil {
				return err
			}
		}
		if err := newStore(Options{}).scan(o, l.view); err != nil {
			return err
		}
	}
	for _, w := range waiting {
		if w.retired.IsZero() {
			o.add(w)
		} else if o.last <= w.rec.Seq { // it is set aside here
			o, l.view.size = &owner{name: name}, 0
		}
	}
	l.view.tail = o.pending
	for _, u := range o.unread {
		l.unread[u.id] = true
	}
	return nil
}

// linesInLog returns the checkpoint, and the lines for name of the events after it.
func linesInLog(d dirs, name string) (point uint64, list []line, err error) {
	if d.log == nil {
		return 0, nil, nil
	}
	c, _ := loadCheckpoint(d.root) // without one all of the log counts, as for a start
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
func (l *Look) Each(n int, want func(Line) bool, tell func(Problem), visit func(Line) error) error {
	skip := -n // when all are counted, how many come before the newest n
	for _, counting := range []bool{true, false} {
		if counting && n == 0 {
			continue
		}
		for ln, err := range jsonl.Lines(l.view, 0, l.view.end()) {
			if err != nil {
				return err
			}
			found, whole := record.Parse(ln)
			told := !counting && (n == 0 || skip < 0)
			if told && (!whole || ln.Torn) && !(ln.Torn && l.inUse()) { // a server may be writing it right now
				tell(damaged(path(l.view.o.name), ln, found))
			}
			for _, r := range found {
				text := ln.Data[r.Off-ln.Off:][:r.Len]
				line := Line{text, r.Message, r.Message != nil && l.unread[r.Message.ID]}
				if !want(line) {
					continue
				}
				if counting {
					skip++
				} else if skip--; skip < 0 {
					if err := visit(line); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}
