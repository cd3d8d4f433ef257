package history

import (
	"errors"
	"io"
	"math"
	"time"
)

// clockAhead is how far in the future a message may lie before its time is not
// believed: the clock may have been wrong when it was written.
const clockAhead = 24 * time.Hour

// trimHead is more than the longest trim line.
const trimHead = 128

// plan says what of a history is to go: all that stands before an offset, but for
// the messages that nobody has read yet. The oldest go first, and not more than
// has to.
type plan struct {
	end    int64     // of the history
	target int64     // how many bytes may be left
	limit  int64     // at what size it had to be shortened
	cutoff time.Time // what is older goes; zero: nothing is too old
	now    time.Time
	unread []ref // without receipts

	cut     int64 // what stands before it goes
	kept    []ref // the unread before cut
	keep    int64 // how many bytes these are
	dropped int   // messages that go
	tooOld  bool  // one of them is too old
	damaged []piece

	stopping func() bool // the store is being closed
}

// piece is a part of a file.
type piece struct{ off, end int64 }

func newPlan(t *trimming, limit int64, age time.Duration, unread []ref) *plan {
	p := &plan{end: t.end, target: math.MaxInt64, limit: limit, now: time.Now(), stopping: t.stopping}
	if t.end > limit {
		p.target = limit / keepIn * keepOf
	}
	if age > 0 {
		p.cutoff = p.now.Add(-age)
	}
	for _, u := range unread {
		if !u.receipt {
			p.unread = append(p.unread, u)
		}
	}
	return p
}

// find reads what goes, and no more.
func (p *plan) find(r *reader) error {
	lines := forward{r: r.v, end: p.end}
	old := !p.cutoff.IsZero()
	for {
		if p.stopping() {
			return errStopping
		}
		l, err := lines.next()
		if errors.Is(err, io.EOF) {
			p.cut = p.end
			return nil
		}
		if err != nil {
			return err
		}
		found := r.decode(l)
		if old = p.old(found, old); !old && trimHead+p.keep+p.end-l.off <= p.target {
			p.cut = l.off
			return nil
		}
		if len(found) == 0 {
			p.damage(piece{l.off, lines.off})
		}
		if err := p.drop(found, old); err != nil {
			return err
		}
	}
}

// old reports whether a line is too old. One that has no time of its own, or none
// that can be believed, is as old as the one before.
func (p *plan) old(found []entry, before bool) bool {
	for _, e := range found {
		if e.msg != nil && !p.cutoff.IsZero() && e.msg.Time.Before(p.now.Add(clockAhead)) {
			return e.msg.Time.Before(p.cutoff)
		}
	}
	return before
}

// drop notes what becomes of the entries of a line before the cut.
func (p *plan) drop(found []entry, old bool) error {
	for _, e := range found {
		if e.msg == nil {
			continue
		}
		for len(p.unread) > 0 && p.unread[0].off < e.off {
			p.unread = p.unread[1:] // it is damaged now
		}
		if len(p.unread) == 0 || p.unread[0].off != e.off {
			p.dropped++
			p.tooOld = p.tooOld || old
			continue
		}
		text, err := messageLine(e.msg)
		if err != nil {
			return err
		}
		p.keep += int64(len(text))
		p.kept = append(p.kept, p.unread[0])
		p.unread = p.unread[1:]
	}
	return nil
}

// damage notes a damaged piece.
func (p *plan) damage(d piece) {
	if n := len(p.damaged); n > 0 && p.damaged[n-1].end == d.off {
		p.damaged[n-1].end = d.end
		return
	}
	p.damaged = append(p.damaged, d)
}

// worthwhile reports whether enough goes to write the rest anew. What is too old
// goes in any case; what is unread can make it useless for the size.
func (p *plan) worthwhile() bool {
	if p.dropped == 0 {
		return false
	}
	left := trimHead + p.keep + p.end - p.cut
	return p.tooOld || left < p.end-p.end/8
}
