package history

import (
	"errors"
	"io"
	"slices"

	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// view is one history up to a certain size. What is below that size never changes, so a
// view is read without a lock while others append, also when a shorter file takes
// the place of its own.
type view struct {
	file   io.ReaderAt // nil when all is in tail
	ino    uint64      // of the file
	size   int64       // of the lines in the file
	tail   []byte      // the lines that follow, which are not in the file yet
	closer func()
}

func (v *view) end() int64 { return v.size + int64(len(v.tail)) }

func (v *view) close() {
	if v.closer != nil {
		v.closer()
	}
}

// ReadAt implements io.ReaderAt.
func (v *view) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	if off < v.size {
		part := p[:min(int64(len(p)), v.size-off)]
		var err error
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

// reader finds records in a view. It is cheap when they are asked for in the order of
// the file. One goroutine uses it.
type reader struct {
	s *Store
	o *owner
	v *view

	offs map[string]int64 // where the owner's messages are, by id, if find is of no use

	f   *jsonl.Forward
	seq uint64 // of the last record that was read
	n   int    // how many records with that number were read, states left out
}

// decode returns what a line holds, and reports damage.
func (r *reader) decode(l jsonl.Line) []record.Record {
	found, whole := record.Parse(l)
	if !whole {
		r.s.damage(r.o, l.Off, len(found) > 0)
	}
	return found
}

// next returns the records of the next line; after the last one the error is io.EOF.
func (r *reader) next() ([]record.Record, error) {
	l, err := r.f.Next()
	if err != nil {
		return nil, err
	}
	return r.decode(l), nil
}

// reset makes off, the start of a line, the place of the next line.
func (r *reader) reset(off int64) {
	if r.f == nil {
		r.f = jsonl.NewForward(r.v, off, r.v.end())
	}
	r.f.SeekTo(off)
	r.seq, r.n = 0, 0
}

// near is how far a record is looked for ahead before its place is bisected.
const near = 32 << 10

// find returns the record at a place; ok is false when there is none.
func (r *reader) find(at record.Place) (rec record.Record, ok bool, err error) {
	if r.f == nil || at.Seq < r.seq || at.Seq == r.seq && at.Index < r.n {
		if err := r.bisect(at.Seq); err != nil {
			return rec, false, err
		}
	}
	bisected := false
	for start := r.f.Offset(); ; {
		if !bisected && r.f.Offset()-start > near {
			if err := r.bisect(at.Seq); err != nil {
				return rec, false, err
			}
			bisected = true
		}
		recs, err := r.next()
		if errors.Is(err, io.EOF) {
			return rec, false, nil
		}
		if err != nil {
			return rec, false, err
		}
		for _, rec := range recs {
			if rec.State != nil {
				continue
			}
			if rec.Seq != r.seq {
				r.seq, r.n = rec.Seq, 0
			}
			r.n++
			if at == (record.Place{Seq: r.seq, Index: r.n - 1}) {
				return rec, true, nil
			}
		}
		if r.seq > at.Seq {
			return rec, false, nil
		}
	}
}

// unread returns an unread message; ok is false when its line was damaged meanwhile, which
// was reported. The first time that one is not at its place, all of the file is read.
func (r *reader) unread(u unread) (rec record.Record, ok bool, err error) {
	is := func(rec record.Record) bool { return rec.Message != nil && rec.Message.ID == u.id }
	if u.off >= 0 {
		r.reset(u.off)
		recs, err := r.next()
		if i := slices.IndexFunc(recs, is); i >= 0 {
			return recs[i], true, err
		}
	}
	if r.offs == nil {
		if rec, ok, err = r.find(u.at); err != nil || ok && is(rec) {
			return rec, ok, err
		}
		r.offs = make(map[string]int64)
		err = r.all(0, func(rec record.Record) {
			if rec.Message != nil && rec.Message.For(r.o.name) {
				r.offs[rec.Message.ID] = rec.Off
			}
		})
	}
	off, ok := r.offs[u.id]
	if err != nil || !ok {
		return rec, false, err
	}
	r.reset(off)
	recs, err := r.next()
	if i := slices.IndexFunc(recs, is); i >= 0 {
		return recs[i], true, err
	}
	return rec, false, err
}

// bisect goes to a line before the first one with the number seq, and near it.
func (r *reader) bisect(seq uint64) error {
	low, high := int64(0), r.v.end() // low is the start of a line that is before it, or of the first
	for high-low > near {
		mid := low + (high-low)/2
		off, at, err := r.sample(mid, high)
		switch {
		case err != nil:
			return err
		case at == 0 || at >= seq:
			high = mid
		default:
			low = off
		}
	}
	r.reset(low)
	return nil
}

// sample returns where the first whole record after mid and before high is, and its number; 0 when
// there is none.
func (r *reader) sample(mid, high int64) (off int64, seq uint64, err error) {
	f := jsonl.NewForward(r.v, mid, r.v.end())
	for first := true; ; first = false {
		l, err := f.Next()
		if errors.Is(err, io.EOF) || err == nil && l.Off >= high {
			return 0, 0, nil
		}
		if err != nil {
			return 0, 0, err
		}
		if first {
			continue // mid is somewhere in it
		}
		if found, whole := record.Parse(l); whole {
			return l.Off, found[0].Seq, nil
		}
	}
}

// newest calls visit with the records of the view, the newest first, until it returns false.
func (r *reader) newest(visit func(record.Record) bool) error {
	b := jsonl.NewBackward(r.v, r.v.end())
	for {
		l, err := b.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, rec := range slices.Backward(r.decode(l)) {
			if !visit(rec) {
				return nil
			}
		}
	}
}

// all calls visit with the records from off, the start of a line, on.
func (r *reader) all(off int64, visit func(record.Record)) error {
	r.reset(off)
	for {
		recs, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, rec := range recs {
			visit(rec)
		}
	}
}

// loadUnread finds what is unread: what the newest state line says, and what follows
// it. Where that doesn't add up, because somebody edited the file while the server was stopped, all
// of it is read.
func (r *reader) loadUnread() error {
	state, end, after, ordered, err := r.sinceState()
	if err != nil {
		return err
	}
	if state == nil || !ordered {
		return r.loadAll()
	}
	o := r.o
	o.last, o.count = state.Seq, allOfThem
	o.state = end
	for _, at := range state.State.Unread {
		rec, ok, err := r.find(at)
		if err != nil {
			return err
		}
		if !ok || rec.Message == nil || !rec.Message.For(o.name) {
			*o = owner{name: o.name, ino: o.ino, size: o.size, noticed: o.noticed, compactAt: o.compactAt}
			return r.loadAll()
		}
		o.noteUnread(unread{at, rec.Off, rec.Message.ID, rec.Message.Kind == room.KindReceipt})
	}
	if then := state.State.Then; then < state.Seq {
		if err := r.bisect(then + 1); err != nil {
			return err
		}
		o.last, o.count = then, allOfThem
		return r.all(r.f.Offset(), func(rec record.Record) {
			if rec.Seq > then {
				o.follow(o.index(rec), rec)
			}
		})
	}
	for _, rec := range slices.Backward(after) {
		o.follow(o.index(rec), rec)
	}
	return nil
}

// sinceState returns the newest state line, where it ends, and what follows it, the newest
// first. ordered is false when a number is less than one before it, here or a little before the
// state line: what was moved across that is in no list.
func (r *reader) sinceState() (state *record.Record, at stateAt, after []record.Record, ordered bool, err error) {
	ordered = true
	end, before := r.v.end(), ^uint64(0)
	err = r.newest(func(rec record.Record) bool {
		if rec.Seq > before || state == nil && rec.State != nil && rec.Seq == before {
			ordered = false
			return false
		}
		before = rec.Seq
		if state != nil {
			return rec.State == nil && end-rec.Off < near
		}
		if rec.State != nil {
			state, at = &rec, stateAt{end, end - rec.Off}
			return true
		}
		if rec.Message != nil { // the text is not needed
			short := *rec.Message
			short.Text = ""
			rec.Message = &short
		}
		end = rec.Off
		after = append(after, rec)
		return true
	})
	return state, at, after, ordered, err
}

// loadAll finds what is unread by reading all of the view: what is addressed to the owner and
// named by no read mark, in whatever order they are.
func (r *reader) loadAll() error {
	o := r.o
	var before uint64
	ordered, lines := true, make(map[uint64]int) // with each number
	err := r.all(0, func(rec record.Record) {
		ordered, before = ordered && rec.Seq >= before, rec.Seq
		index := lines[rec.Seq]
		if rec.State == nil {
			lines[rec.Seq]++
		}
		o.follow(index, rec)
	})
	if err != nil || ordered {
		return err
	}
	r.s.log.Warn("history: lines are not in their order; all of the file is read, and it is slower to use", "file", path(o.name))
	err = r.all(0, func(rec record.Record) {
		if len(rec.Read) > 0 {
			o.forget(rec.Read)
		}
	})
	slices.SortStableFunc(o.unread, func(a, b unread) int { return a.at.Compare(b.at) })
	return err
}
