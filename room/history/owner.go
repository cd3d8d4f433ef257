package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// errOwner is the error for what can't have a history.
var errOwner = errors.New("not a valid owner of a history")

// ValidNick is the allow-list that keeps nicks from ever being paths.
func ValidNick(name string) bool {
	if len(name) == 0 || len(name) > 32 {
		return false
	}
	for i, c := range []byte(name) {
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}

// shared reports whether a history is no nick's: nothing is ever unread there.
func shared(owner string) bool { return owner == room.RoomHistory || owner == room.PresenceHistory }

// dirs are the folders of a store.
type dirs struct {
	root, log, users, rooms disk.Folder
}

// place returns the folder and the name of owner's file.
func (d dirs) place(owner string) (disk.Folder, string) {
	switch owner {
	case room.PresenceHistory:
		return d.root, "presence.jsonl"
	case room.RoomHistory:
		return d.rooms, owner[1:] + ".jsonl"
	}
	return d.users, owner + ".jsonl"
}

// path is where owner's file is in the folder of the histories, for people.
func path(owner string) string {
	switch owner {
	case room.PresenceHistory:
		return "presence.jsonl"
	case room.RoomHistory:
		return "rooms/" + owner[1:] + ".jsonl"
	}
	return "users/" + owner + ".jsonl"
}

// owner is one history: its file and what is known of it. Only the applying goroutine, or
// whoever holds writing, changes it; they hold mu while they do, and never over I/O.
type owner struct {
	name string

	writing sync.Mutex // held while the file is written or replaced; taken before mu

	mu      sync.Mutex
	ino     uint64 // of the file; 0 when there is none
	size    int64  // of the lines in the file
	pending []byte // the lines that follow them and are not in the file yet; appended to only
	last    uint64 // number of the newest line
	count   int    // lines with that number; all there can be, after a state line
	unread  []unread
	waiting int // how many of these are no receipts
	state   stateAt
	noticed map[int64]bool // damage that was reported
	shorter shorter        // takes or has taken the file's place

	// compactAt is the size from which on the history is to be shortened. Guarded by writing.
	compactAt int64
	// torn is that a write may have left something behind size. Guarded by writing.
	torn bool
	// gone is that the file was set aside or cut, and is loaded again for whoever asks next.
	// Guarded by writing.
	gone bool
}

// unread is a message that the owner has not read.
type unread struct {
	at      record.Place
	off     int64 // where its line is, as long as no shorter file took this one's place; -1 after that
	id      string
	receipt bool // it only tells that something was read
}

// allOfThem is a count that no event reaches: nothing more with that number belongs there.
const allOfThem = 1 << 30

// stateEvery is how many bytes may follow a state line before the next one is
// due. A long one is repeated less often, so that they stay a small part of the file.
const stateEvery = 4 << 10

// stateAt is where the newest state line ends, and how long it is.
type stateAt struct{ end, len int64 }

// due reports whether a state line is due at end.
func (a stateAt) due(end int64) bool { return end-a.end > stateEvery+8*a.len }

// shorter is a file that was made to take the place of a history's.
type shorter struct {
	ino     uint64
	size    int64
	state   stateAt
	last    uint64   // number of its newest line
	dropped []string // ids of the unread receipts that it lacks
}

// adopt makes the shorter file the history's, if it is the one with that inode: a rename that fails
// can have its effect nevertheless.
func (o *owner) adopt(ino uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shorter.ino != ino || ino == 0 {
		return false
	}
	o.ino, o.size, o.state = ino, o.shorter.size, o.shorter.state
	if o.last == o.shorter.last { // of a newer event more lines may come
		o.count = allOfThem
	}
	o.forget(o.shorter.dropped)
	for i := range o.unread {
		o.unread[i].off = -1
	}
	o.noticed = make(map[int64]bool)
	o.shorter = shorter{}
	return true
}

// add appends a line, unless it is there already: the log is applied again after a crash. It
// reports whether the owner does not get the message since the inbox is full.
func (o *owner) add(l line) (full bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.rec.Seq < o.last || l.rec.Seq == o.last && l.index < o.count {
		return false
	}
	if l.inbox > 0 && o.waiting >= l.inbox {
		return true
	}
	l.rec.Off = o.size + int64(len(o.pending))
	o.pending = append(o.pending, l.text...)
	o.follow(l.index, l.rec)
	return false
}

// index is that of a line which follows all others.
func (o *owner) index(r record.Record) int {
	if r.Seq == o.last {
		return o.count
	}
	return 0
}

// follow notes a line that was read or appended: the index-th with its number. o.mu is
// held, or o not shared yet.
func (o *owner) follow(index int, r record.Record) {
	switch {
	case r.State != nil:
		o.last, o.count = max(o.last, r.Seq), allOfThem
		return
	case r.Seq > o.last:
		o.last, o.count = r.Seq, 1
	case r.Seq == o.last:
		o.count++
	}
	switch {
	case r.Message != nil && r.Message.For(o.name):
		o.noteUnread(unread{record.Place{Seq: r.Seq, Index: index}, r.Off, r.Message.ID, r.Message.Kind == room.KindReceipt})
	case len(r.Read) > 0:
		o.forget(r.Read)
	}
}

func (o *owner) noteUnread(u unread) {
	o.unread = append(o.unread, u)
	if !u.receipt {
		o.waiting++
	}
}

// forget takes messages that were read out of o.unread. As a rule these are among the
// oldest, so it costs what it takes out and not what is there.
func (o *owner) forget(ids []string) {
	read := setOf(ids)
	first := 0
	for first < len(o.unread) && read[o.unread[first].id] {
		delete(read, o.unread[first].id)
		if !o.unread[first].receipt {
			o.waiting--
		}
		first++
	}
	clear(o.unread[:first])
	o.unread = o.unread[first:]
	kept := 0
	for i, u := range o.unread {
		if len(read) == 0 {
			kept += copy(o.unread[kept:], o.unread[i:])
			break
		}
		if read[u.id] {
			delete(read, u.id)
			if !u.receipt {
				o.waiting--
			}
			continue
		}
		o.unread[kept] = u
		kept++
	}
	clear(o.unread[kept:])
	o.unread = o.unread[:kept]
}

// places are where the unread messages are. o.mu is held.
func (o *owner) places() []record.Place {
	return o.placesWithout(nil)
}

// placesWithout leaves out those with these ids.
func (o *owner) placesWithout(ids []string) []record.Place {
	list := make([]record.Place, 0, len(o.unread))
	without := setOf(ids)
	for _, u := range o.unread {
		if !without[u.id] {
			list = append(list, u.at)
		}
	}
	return list
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// addState appends a state line when one is due. All lines of the newest event have to be
// there.
func (o *owner) addState(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	end := o.size + int64(len(o.pending))
	if shared(o.name) || !o.state.due(end) {
		return
	}
	line := record.AppendState(nil, o.last, now, o.places())
	o.pending = append(o.pending, line...)
	o.count = allOfThem
	o.state = stateAt{end + int64(len(line)), int64(len(line))}
}

// snapshot returns all of a view but its file.
func (o *owner) snapshot() *view {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.snapshotLocked()
}

func (o *owner) snapshotLocked() *view {
	return &view{ino: o.ino, size: o.size, tail: o.pending[:len(o.pending):len(o.pending)]}
}

// snapshotUnread is snapshot, with what is unread in it.
func (o *owner) snapshotUnread() (*view, []unread) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.snapshotLocked(), slices.Clone(o.unread)
}

// load reads what is needed of a history: its end, and what is unread.
func (s *Store) load(name string) (*owner, error) {
	o := &owner{name: name, noticed: make(map[int64]bool), compactAt: s.limit(name)}
	h, err := s.handle(name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.files.release(h)
	st, err := h.val.Stat()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	expected, changed := s.dirty[name]
	s.mu.Unlock()
	if changed && !expected.has(st.Ino) {
		return nil, errReplaced
	}
	o.ino = st.Ino
	if o.size, err = s.mendEnd(name, h.val, st.Size); err != nil {
		return nil, err
	}
	r := &reader{s: s, o: o, v: &view{file: h.val, size: o.size}}
	if shared(name) {
		err = r.newest(func(rec record.Record) bool { o.follow(0, rec); return false })
	} else {
		err = r.loadUnread()
	}
	if err == nil && s.isAhead(o.last) {
		err = errAhead // what would be appended would count as there already
	}
	return o, err
}

// errAhead is given when the log has lost the newest of its events.
var errAhead = errors.New("has events that the log does not have; put back the log, or stop the server and run: whoelse check --repair")

// isAhead reports whether the log has not come to an event yet.
func (s *Store) isAhead(seq uint64) bool {
	s.mu.Lock()
	applied := s.applied
	s.mu.Unlock()
	return s.Log != nil && seq > max(applied, s.Log.Last())
}

// mendEnd returns where the lines of a file of that size end. A last line without a newline gets one if it is
// whole; else it was torn by a crash, and is set aside.
func (s *Store) mendEnd(name string, f disk.File, size int64) (int64, error) {
	l, err := jsonl.NewBackward(f, size).Next()
	if errors.Is(err, io.EOF) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var end [1]byte
	if _, err := f.ReadAt(end[:], size-1); err != nil {
		return 0, err
	}
	switch _, whole := record.Parse(l); {
	case end[0] == '\n':
		return size, nil
	case whole:
		_, err := f.WriteAt([]byte("\n"), size)
		return size + 1, err
	}
	return l.Off, s.cut(name, f, l.Off, size)
}

// cut sets aside what a file has from off on, and then removes it from there.
func (s *Store) cut(name string, f disk.File, off, size int64) error {
	if err := s.dirs.setAside(name, f, []piece{{off, size}}); err != nil {
		return err
	}
	s.damaged.Add(1)
	s.log.Warn("history: the damaged end of a file was set aside", "file", path(name), "byte", off, "bytes", size-off)
	return s.truncate(name, f, off)
}

func (s *Store) truncate(name string, f disk.File, off int64) error {
	st, err := f.Stat()
	if err == nil {
		err = f.Truncate(off)
	}
	if err != nil {
		return err
	}
	s.changed(name, st.Ino)
	return f.Sync() // or what was there could come back between the lines that follow
}

// piece is a part of a file.
type piece struct{ off, end int64 }

// setAside appends pieces of from to the .torn file of owner's history, durably.
func (d dirs) setAside(owner string, from io.ReaderAt, pieces []piece) error {
	in, base := d.place(owner)
	return appendTorn(in, base, from, pieces)
}

// appendTorn appends pieces of from to the .torn file of a file, durably. It has little
// of them in memory.
func appendTorn(in disk.Folder, base string, from io.ReaderAt, pieces []piece) error {
	f, err := in.Open(base+".torn", true)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	to := io.NewOffsetWriter(f, st.Size)
	for _, p := range pieces {
		var last [1]byte
		if err == nil {
			_, err = io.Copy(to, io.NewSectionReader(from, p.off, p.end-p.off))
		}
		if err == nil {
			_, err = from.ReadAt(last[:], p.end-1)
		}
		if err == nil && last[0] != '\n' {
			_, err = to.Write([]byte("\n"))
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s.torn: %w", base, err)
	}
	return in.Sync()
}

// owner returns the state of a history, loading it when it is not in memory. The
// caller releases it.
func (s *Store) owner(name string) (*item[*owner], error) {
	if !shared(name) && !ValidNick(name) {
		return nil, fmt.Errorf("%w: %q", errOwner, name)
	}
	it, err := s.owners.get(name, func() (*owner, error) { return s.load(name) })
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", name, err)
	}
	return it, nil
}

// handle returns the open file of a history. The caller releases it.
func (s *Store) handle(name string, create bool) (*item[disk.File], error) {
	return s.files.get(name, func() (disk.File, error) {
		in, base := s.dirs.place(name)
		return in.Open(base, create)
	})
}
