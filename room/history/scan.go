package history

import (
	"errors"
	"io"
	"slices"

	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// near is how far a record is looked for ahead before its place is bisected.
const near = 32 << 10

// scan notes what is needed of a history: the number of its newest line, and what is unread, which is what
// the newest state line says and what follows it. Where that doesn't add up, because somebody edited the
// file while the server was stopped, all of it is read.
func (s *Store) scan(o *owner, v *view) error {
	if shared(o.name) {
		for rec, err := range s.backward(v) {
			if err == nil {
				o.follow(0, rec)
			}
			return err
		}
		return nil
	}
	state, err := s.newestState(v)
	if err != nil {
		return err
	}
	if state == nil {
		return s.scanAll(o, v)
	}
	found, err := s.locate(v, state.State.Unread, func(at record.Place, rec record.Record) bool {
		unread := rec.Message != nil && rec.Message.For(o.name)
		if unread {
			o.noteUnread(at, rec)
		}
		return unread
	})
	if err != nil {
		return err
	}
	if !found {
		o.unread, o.waiting = nil, 0
		return s.scanAll(o, v)
	}
	from, then := state.Off, state.State.Then
	if then < state.Seq {
		if from, err = s.bisect(v, then+1); err != nil {
			return err
		}
	}
	o.last, o.count = then, allOfThem
	o.state.len = int64(state.Len) + 1
	o.state.end = state.Off + o.state.len
	for rec, err := range s.forward(v, from) {
		if err != nil {
			return err
		}
		if rec.Seq > then {
			o.follow(o.index(rec), rec)
		}
	}
	return nil
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
	var before uint64
	ordered, lines := true, make(map[uint64]int) // with each number
	for rec, err := range s.forward(v, 0) {
		if err != nil {
			return err
		}
		ordered, before = ordered && rec.Seq >= before, rec.Seq
		index := lines[rec.Seq]
		if rec.State == nil {
			lines[rec.Seq]++
		}
		o.follow(index, rec)
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
	slices.SortStableFunc(o.unread, func(a, b unread) int { return a.at.Compare(b.at) })
	return nil
}

// locate calls visit with the records at these places, which are in ascending order, until it returns
// false. It reports whether it never did, and all are there.
func (s *Store) locate(v *view, places []record.Place, visit func(record.Place, record.Record) bool) (bool, error) {
	lines := jsonl.NewForward(v, 0, v.end())
	var at record.Place // of the next record, if that has the same number as the one before
	for i, want := range places {
		var hit record.Record
		start := lines.Offset()
		for jumped := false; hit.Seq == 0; {
			if !jumped && (i == 0 || lines.Offset()-start > near) {
				off, err := s.bisect(v, want.Seq)
				if err != nil {
					return false, err
				}
				lines.SeekTo(off)
				at, jumped = record.Place{}, true
			}
			l, err := lines.Next()
			if errors.Is(err, io.EOF) || err == nil && at.Seq > want.Seq {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			for _, rec := range s.decode(v, l) {
				if rec.State != nil {
					continue
				}
				if rec.Seq != at.Seq {
					at = record.Place{Seq: rec.Seq}
				}
				if at == want {
					hit = rec
				}
				at.Index++
			}
		}
		if !visit(want, hit) {
			return false, nil
		}
	}
	return true, nil
}

// bisect returns where a line begins that is before the first one with the number seq, and near it.
func (s *Store) bisect(v *view, seq uint64) (int64, error) {
	low, high := int64(0), v.end() // low is the start of a line that is before it, or of the first
	for high-low > near {
		mid := low + (high-low)/2
		off, at := int64(0), seq // of the first whole record after mid
		for l, err := range jsonl.Lines(v, mid, high) {
			if err != nil {
				return 0, err
			}
			if l.Off == mid {
				continue // mid is somewhere in it
			}
			if found, whole := record.Parse(l); whole {
				off, at = l.Off, found[0].Seq
				break
			}
		}
		if at >= seq {
			high = mid
		} else {
			low = off
		}
	}
	return low, nil
}
