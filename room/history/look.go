package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"whoelse/room"
)

// Look is one owner's history as it is found on disk, with what waits for it in the
// journals, for looking at without a [Store]: also beside a running server, and without
// changing anything. One goroutine uses it.
type Look struct {
	file   string // below the folder
	f      file   // nil when all of it waits in the journals
	view   *view
	unread map[string]bool // ids
	inUse  func() bool     // a server has the folder, and may be writing
}

// OpenLook opens the history of name, a nick or one of [room.RoomHistory] and
// [room.PresenceHistory], in the folder dir. Without one it is fs.ErrNotExist, with a
// newer layout an error.
func OpenLook(dir, name string) (*Look, error) {
	if !validOwner(name) {
		return nil, fmt.Errorf("%w: %q: %w", errOwner, name, fs.ErrNotExist)
	}
	root, err := lookDir(dir)
	if err != nil {
		return nil, err
	}
	s := newStore(Options{})
	s.at.Store(&home{root: root})
	defer func() { _ = s.release() }() // it was only looked at
	if _, err := readVersion(root); err != nil {
		return nil, err
	}
	l := &Look{file: fileOf(name), unread: make(map[string]bool), inUse: usedNow(dir)}
	if err = l.open(s, name); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Close releases the file.
func (l *Look) Close() error {
	if l.f == nil {
		return nil
	}
	return l.f.close()
}

// open reads what waits for name before it opens the file: if a journal goes in
// between, its lines are in the file too.
func (l *Look) open(s *Store, name string) error {
	waiting, err := s.waiting(name)
	if err != nil {
		return fmt.Errorf("the journals: %w", err)
	}
	h := s.home()
	if h.users, err = h.root.sub("users"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var size int64
	if in, base := s.place(name); in != nil {
		if l.f, size, err = openSized(in, base); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if l.f == nil && len(waiting) == 0 {
		return fs.ErrNotExist
	}
	var mark trimMark
	if l.f != nil {
		if mark, err = readTrim(l.f, size); err != nil {
			return err
		}
	}
	all, err := newOverlay(l.f, size, mark.places(waiting))
	if err != nil {
		return err
	}
	l.view = &view{file: all, size: all.size}
	return l.findUnread(s, name)
}

// waiting returns what the journals have for name.
func (s *Store) waiting(name string) (list []span, err error) {
	h := s.home()
	h.journals, err = h.root.sub("journal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := s.readJournals()
	if err != nil {
		return nil, err
	}
	return found.owners[name], nil
}

// findUnread does what a server does. A newest state line that is damaged costs time.
func (l *Look) findUnread(s *Store, name string) error {
	if sharedFiles[name] != "" {
		return nil
	}
	o := &owner{name: name, noticed: make(map[int64]bool)}
	if err := s.loadUnread(o, l.view); err != nil {
		return err
	}
	for _, r := range o.unread {
		l.unread[r.id] = true
	}
	return nil
}

// openSized opens a file and tells its size.
func openSized(in folder, name string) (file, int64, error) {
	f, err := in.open(name, false)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.close())
	}
	return f, st.size, nil
}

// fileOf is where name's history lies in the folder.
func fileOf(name string) string {
	if file := sharedFiles[name]; file != "" {
		return file
	}
	return "users/" + name + ".jsonl"
}

// Line is one good line of a history.
type Line struct {
	Text    []byte        // as it is in the file, without the newline; good until the next one
	Message *room.Message // nil for marks, which are no messages
	Unread  bool
}

// Each calls visit with the newest n lines that want accepts, oldest first; with all of
// them if n is 0. What is damaged is told, and left out. It holds one line at a time.
func (l *Look) Each(n int, want func(Line) bool, tell func(Finding), visit func(Line) error) error {
	start, skip, err := l.newest(n, want)
	if err != nil {
		return err
	}
	lines := forward{r: l.view, off: start, end: l.view.end()}
	for {
		ln, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		good, bad := l.split(ln, lines.off, l.view)
		if bad.What != "" {
			tell(bad)
		}
		for _, g := range good {
			if !want(g) {
				continue
			}
			if skip--; skip >= 0 {
				continue
			}
			if err := visit(g); err != nil {
				return err
			}
		}
	}
}

// newest finds the line with the n-th newest that want accepts, and how many before it
// in that line are too many.
func (l *Look) newest(n int, want func(Line) bool) (start int64, skip int, err error) {
	if n <= 0 {
		return 0, 0, nil
	}
	b := backward{r: l.view, off: l.view.end()}
	for {
		ln, err := b.next()
		if errors.Is(err, io.EOF) {
			return 0, 0, nil
		}
		if err != nil {
			return 0, 0, err
		}
		good, _ := l.split(ln, ln.off, nil)
		for _, g := range good {
			if want(g) {
				n--
			}
		}
		if n <= 0 {
			return ln.off, -n, nil
		}
	}
}

// split returns what is good in a line, and what is to be told about the rest. next is
// where the next line begins.
func (l *Look) split(ln line, next int64, r io.ReaderAt) (good []Line, bad Finding) {
	if isTrim(ln) {
		return []Line{{Text: ln.data}}, bad
	}
	found, whole := decodeLine(ln.data)
	for _, e := range found {
		g := Line{Text: record(ln.data, e, whole), Message: e.msg}
		g.Unread = e.msg != nil && l.unread[e.msg.ID]
		good = append(good, g)
	}
	if whole || r == nil || torn(ln, next) && l.inUse() {
		return good, bad // a server may be writing the last line right now
	}
	return good, damage(l.file, ln, next, r, found)
}

// record is the bytes of e, which was found in a line.
func record(data []byte, e entry, whole bool) []byte {
	if whole {
		return data
	}
	return data[e.off : e.off+int64(recordLen(data[e.off:]))]
}
