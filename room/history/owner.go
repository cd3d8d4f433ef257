package history

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/history/record"
)

// owner is one history: its file and what is known of it. When another file takes the place of this
// one, by a shortening for instance, it is loaded anew. Store.applying guards it.
type owner struct {
	name string

	ino     uint64                   // of the file; 0 when there is none
	size    int64                    // of the lines in the file
	pending []byte                   // the lines that follow them and are not in the file yet; appended to only
	last    uint64                   // number of the newest line
	count   int                      // lines with that number; all there can be, after a state line
	state   struct{ end, len int64 } // of the newest state line

	compactAt int64 // the size at which the history is compacted
	torn      bool  // the file may have something after size
	unusable  error // why what is in the file's place is none that may be used; not nil: pending is set aside

	// Changed only with Store.mu held, too, or while o is not shared yet.
	unread  []unread
	waiting int // how many of these are no receipts
}

// unread is a message that the owner has not read.
type unread struct {
	seq     uint64
	off     int64 // where its line is
	id      string
	receipt bool // it only tells that something was read
}

// allOfThem is a count that no event reaches: nothing more with that number belongs there.
const allOfThem = 1 << 30

// stateEvery is how many bytes may follow a state line before the next one is
// due. A long one is repeated less often, so that they stay a small part of the file.
const stateEvery = 4 << 10

// add appends a line, unless it is there already: the log is applied again after a crash. It
// reports whether the owner does not get the message since the inbox is full.
func (o *owner) add(l line) (full bool) {
	if l.rec.Seq < o.last || l.rec.Seq == o.last && l.index < o.count {
		return false
	}
	if l.inbox > 0 && o.waiting >= l.inbox {
		return true
	}
	l.rec.Off = o.size + int64(len(o.pending))
	o.pending = append(o.pending, l.text...)
	o.follow(l.rec)
	return false
}

// follow notes a line that was read or appended.
func (o *owner) follow(r record.Record) {
	switch {
	case r.State != nil:
		o.last, o.count = max(o.last, r.Seq), allOfThem
		return
	case r.Seq > o.last:
		o.last, o.count = r.Seq, 1
	case r.Seq == o.last:
		o.count++
	}
	if r.Message != nil && r.Message.For(o.name) {
		o.noteUnread(r)
	} else if len(r.Read) > 0 {
		o.forget(r.Read)
	}
}

func (o *owner) noteUnread(r record.Record) {
	u := unread{r.Seq, r.Off, r.Message.ID, r.Message.Kind == room.KindReceipt}
	o.unread = append(o.unread, u)
	if !u.receipt {
		o.waiting++
	}
}

// forget takes messages that were read out of o.unread. As a rule these are among the
// oldest, so it costs what it takes out and not what is there.
func (o *owner) forget(ids []string) {
	read := setOf(ids)
	kept := 0 // of those that were looked at
	i := 0
	for ; i < len(o.unread) && len(read) > 0; i++ {
		u := o.unread[i]
		switch {
		case !read[u.id]:
			o.unread[kept] = u
			kept++
			continue
		case !u.receipt:
			o.waiting--
		}
		delete(read, u.id)
	}
	copy(o.unread[i-kept:i], o.unread[:kept])
	clear(o.unread[:i-kept])
	o.unread = o.unread[i-kept:]
}

// places are where the unread messages are.
func (o *owner) places() (list []record.Place) {
	for _, u := range o.unread {
		list = append(list, record.Place{u.seq, uint64(u.off)})
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
	end := o.size + int64(len(o.pending))
	if shared(o.name) || end-o.state.end <= stateEvery+8*o.state.len {
		return
	}
	before := len(o.pending)
	o.pending = record.AppendState(o.pending, o.last, now, o.places())
	o.count = allOfThem
	o.state.len = int64(len(o.pending) - before)
	o.state.end = end + o.state.len
}

// view is one history up to a certain size. What is below that size never changes, so a
// view is read without a lock while others append, also when another file takes
// the place of its own.
type view struct {
	o      *owner
	file   disk.File // nil when all is in tail
	ino    uint64    // of the file
	size   int64     // of the lines in the file
	tail   []byte    // the lines that follow, which are not in the file yet
	unread []unread
}

func (v *view) end() int64 { return v.size + int64(len(v.tail)) }

// ReadAt implements io.ReaderAt.
func (v *view) ReadAt(p []byte, off int64) (n int, err error) {
	if off < v.size {
		part := p[:min(int64(len(p)), v.size-off)]
		if n, err = v.file.ReadAt(part, off); n < len(part) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if at := off + int64(n) - v.size; at >= 0 && at < int64(len(v.tail)) {
		n += copy(p[n:], v.tail[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// errReplaced is given when the file is no longer the one that the store wrote.
var errReplaced = errors.New("the file was replaced or changed while the server runs; stop it before that, and start it now to use the new one")

// view returns a history as it is now. The caller closes it. applying is held.
func (s *Store) view(o *owner) (*view, error) {
	v := &view{o: o, ino: o.ino, size: o.size, tail: slices.Clip(o.pending), unread: slices.Clone(o.unread)}
	if o.ino == 0 {
		return v, nil
	}
	f, st, err := s.openFile(o.name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errReplaced
	}
	if err != nil {
		return nil, err
	}
	if st.Ino != o.ino {
		return nil, errors.Join(errReplaced, f.Close())
	}
	v.file = f
	return v, nil
}

func (v *view) close() {
	if v.file != nil {
		_ = v.file.Close() // it was only read
	}
}
