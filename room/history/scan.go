package history

import (
	"cmp"
	"slices"

	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// near is how far the order of the lines before a state line is looked at.
const near = 32 << 10

// scan notes what is needed of a history: the number of its newest line, and what is unread, which is what
// the newest state line says and what follows it. Where that doesn't add up, because somebody edited the
// file while the server was stopped, all of it is read.
func (s *Store) scan(o *owner, v *view) error {
	if shared(o.name) {
		for rec, err := range s.backward(v) {
			if err == nil {
				o.follow(rec)
			}
			return err
		}
		return nil
	}
	state, err := s.newestState(v)
	if err != nil {
		return err
	}
	if state == nil || state.State.Unread == nil {
		return s.scanAll(o, v)
	}
	from, lines := state.Off, jsonl.NewForward(v, 0, v.end())
	for i, at := range state.State.Unread {
		rec, err := recordOf(v, lines, at)
		if err != nil {
			return err
		}
		if rec.Message == nil || !rec.Message.For(o.name) {
			o.unread, o.waiting = nil, 0
			return s.scanAll(o, v)
		}
		if i == record.MaxListed-1 { // there may be more behind it
			from = rec.Off
			break
		}
		o.noteUnread(rec)
	}
	o.state.len = int64(state.Len) + 1
	o.state.end = state.Off + o.state.len
	for rec, err := range s.forward(v, from) {
		if err != nil {
			return err
		}
		o.follow(rec)
	}
	return nil
}

// recordOf reads the record that was at a place when a state line was written, an empty one if it is not there.
func recordOf(v *view, lines *jsonl.Forward, at record.Place) (record.Record, error) {
	if at[1] >= uint64(v.end()) {
		return record.Record{}, nil
	}
	lines.SeekTo(int64(at[1]))
	l, err := lines.Next()
	if err != nil {
		return record.Record{}, err
	}
	if found, _ := record.Parse(l); len(found) > 0 && found[0].Off == l.Off && found[0].Seq == at[0] {
		return found[0], nil
	}
	return record.Record{}, nil
}

// newestState returns the newest state line. It is nil when there is none, or when a number is less than
// one before it, behind the state line or a little before it: what was moved across that is in no list.
func (s *Store) newestState(v *view) (state *record.Record, err error) {
	before := ^uint64(0)
	for rec, err := range s.backward(v) {
		switch {
		case err != nil:
			return nil, err
		case rec.Seq > before || state == nil && rec.State != nil && rec.Seq == before:
			return nil, nil
		case state != nil && (rec.State != nil || state.Off-rec.Off >= near):
			return state, nil
		case rec.State != nil:
			state = &rec
		}
		before = rec.Seq
	}
	return state, nil
}

// scanAll finds what is unread by reading all of the view: what is addressed to the owner and
// named by no read mark, in whatever order they are.
func (s *Store) scanAll(o *owner, v *view) error {
	before, ordered := uint64(0), true
	for rec, err := range s.forward(v, 0) {
		if err != nil {
			return err
		}
		ordered, before = ordered && rec.Seq >= before, rec.Seq
		o.follow(rec)
	}
	if ordered {
		return nil
	}
	s.log.Warn("history: lines are not in their order; all of the file is read, and it is slower to use", "file", path(o.name))
	for rec, err := range s.forward(v, 0) {
		if err != nil {
			return err
		}
		o.forget(rec.Read)
	}
	slices.SortStableFunc(o.unread, func(a, b unread) int { return cmp.Compare(a.seq, b.seq) })
	return nil
}
