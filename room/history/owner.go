package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"whoelse/room"
)

// errOwner is the error for what can't have a history.
var errOwner = errors.New("not a valid owner of a history")

// Where the files of owners that are no nicks lie: beside users, not in it.
var sharedFiles = map[string]string{
	room.RoomHistory:     "room.jsonl",
	room.PresenceHistory: "presence.jsonl",
}

// validOwner is the allow-list that keeps names from ever being paths.
func validOwner(name string) bool {
	if sharedFiles[name] != "" {
		return true
	}
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

// place returns the folder and the name of owner's file.
func (s *Store) place(name string) (folder, string) {
	if file := sharedFiles[name]; file != "" {
		return s.home().root, file
	}
	return s.home().users, name + ".jsonl"
}

// ref is where an unread message stands.
type ref struct {
	off     int64
	id      string
	receipt bool // it tells that something was read
}

func refTo(off int64, m *room.Message) ref { return ref{off, m.ID, m.Kind == room.KindReceipt} }

// owner is what is known about one owner's history. The writer alone changes
// it, under mu; everybody else reads it under mu.
type owner struct {
	name string

	mu      sync.Mutex
	ino     uint64 // of the file; 0 when there is none
	end     int64  // where the next line goes
	behind  []byte // the last bytes before end, if they are not in the file
	unread  []ref  // in the order of the file
	state   stateAt
	trim    trimMark // what its first line says
	noticed map[int64]bool

	// trimAt is the size at which the trimmer is asked next. The writer's own.
	trimAt int64
}

// logged is the offset under which journals know what stands at off.
func (o *owner) logged(off int64) int64 { return off + o.trim.shift() }

// stateEvery is how many bytes may follow a state line before the next one is
// due. A long one is repeated less often, so that they stay a small part of the
// file.
const stateEvery = 4 << 10

// stateAt is where the newest state line ends, and how long it is.
type stateAt struct{ end, len int64 }

// due reports whether one is due at end.
func (a stateAt) due(end int64) bool { return end-a.end > stateEvery+8*a.len }

// apply follows the entries that were appended. The caller holds mu.
func (o *owner) apply(entries []entry) {
	for _, e := range entries {
		o.unread = follow(o.unread, o.name, e)
	}
}

// follow returns what is unread after e, given what was before it.
func follow(unread []ref, name string, e entry) []ref {
	switch {
	case e.msg != nil && e.msg.For(name):
		return append(unread, refTo(e.off, e.msg))
	case len(e.ids) == 0 || len(unread) == 0:
		return unread
	}
	read := make(map[string]bool, len(e.ids))
	for _, id := range e.ids {
		read[id] = true
	}
	least, most := slices.Min(e.ids), slices.Max(e.ids) // which spares looking up most
	return slices.DeleteFunc(unread, func(r ref) bool { return least <= r.id && r.id <= most && read[r.id] })
}

// owner returns the state of owner's history, loading it when it is not in
// memory. The caller releases it.
func (s *Store) owner(name string) (*item[*owner], error) {
	if !validOwner(name) {
		return nil, fmt.Errorf("%w: %q", errOwner, name)
	}
	it, err := s.owners.get(name, func() (*owner, error) { return s.load(name) })
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", name, err)
	}
	return it, nil
}

// handle returns the open file of owner's history. The caller releases it.
func (s *Store) handle(name string, create bool) (*item[file], error) {
	return s.files.get(name, func() (file, error) {
		in, base := s.place(name)
		return in.open(base, create)
	})
}

// load reads what is needed of owner's file, mending its end.
func (s *Store) load(name string) (*owner, error) {
	o := &owner{name: name, noticed: make(map[int64]bool), trimAt: s.limit(name)}
	h, err := s.handle(name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.files.release(h)
	st, err := h.val.stat()
	if err != nil {
		return nil, err
	}
	o.ino = st.ino
	if o.end, err = s.mendTail(name, h.val, st.size); err != nil {
		return nil, err
	}
	if o.trim, err = s.loadTrim(name, h.val, o.end); err != nil {
		return nil, err
	}
	if sharedFiles[name] != "" {
		return o, nil // nothing is ever unread there
	}
	return o, s.loadUnread(o, &view{file: h.val, size: o.end})
}

// loadUnread finds what is unread from the newest state line on.
func (s *Store) loadUnread(o *owner, v *view) error {
	mark, err := s.newestState(o, v)
	if err != nil {
		return err
	}
	rd := reader{s: s, o: o, v: v}
	for _, off := range mark.unread {
		e, err := rd.at(off, func(e entry) bool { return e.msg != nil && e.msg.For(o.name) })
		if err != nil {
			return err
		}
		if e.msg != nil {
			o.unread = append(o.unread, refTo(off, e.msg))
		}
	}
	f := forward{r: v, off: mark.then, end: v.end()}
	for {
		l, err := f.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		o.apply(rd.decode(l))
	}
}

// newestState returns the last state line that can be trusted: its checksum is
// right and it stands where it was written, so that what it lists does too.
// Without any, all has to be read: the zero mark says so.
func (s *Store) newestState(o *owner, v *view) (stateMark, error) {
	b := backward{r: v, off: v.end()}
	for {
		l, err := b.next()
		if errors.Is(err, io.EOF) {
			return stateMark{}, nil
		}
		if err != nil {
			return stateMark{}, err
		}
		if !bytes.Contains(l.data, []byte(`"kind":"state"`)) {
			continue
		}
		if e, ok := decode(l.data); ok && e.mark != nil && e.mark.credible(l.off) {
			n := int64(len(l.data)) + 1
			o.state = stateAt{l.off + n, n}
			return *e.mark, nil
		}
	}
}

// credible reports whether the mark was written for the offset it stands at.
func (m *stateMark) credible(off int64) bool {
	return m.at == off && m.then >= 0 && m.then <= off &&
		slices.IsSorted(m.unread) &&
		(len(m.unread) == 0 || m.unread[0] >= 0 && m.unread[len(m.unread)-1] < off)
}
