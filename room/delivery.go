package room

import (
	"slices"
	"strings"
	"time"
)

// delivery follows one message to one recipient's sessions until one of them has
// shown it or all have failed to. It answers the sender once.
type delivery struct {
	room    *Room
	event   *Update
	nick    string
	receipt func(Receipt)
	timer   *time.Timer

	// Owned by Room.mu.
	open     int  // sessions that have not answered
	done     bool // shown on one of them
	answered bool // the sender has the receipt
}

// deliver puts e to nick's sessions. Where that can't be, it returns the receipt
// and false; otherwise receipt is called when the outcome is known.
func (r *Room) deliver(e *Update, nick string, receipt func(Receipt)) (Receipt, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[nick]
	if no, ok := m.takes(nick, e.Message); !ok {
		r.claims.drop(nick, e.Message.ID)
		if m != nil {
			m.released++
		}
		return no, false
	}
	m.wroteLast(e.Message)
	d := &delivery{room: r, event: e, nick: nick, receipt: receipt}
	d.timer = time.AfterFunc(confirmWithin, d.late)
	r.claims.set(nick, e.Message.ID, d)
	for _, s := range m.seats {
		d.putTo(s)
	}
	return Receipt{}, true
}

// takes reports whether message can be shown to nick, whose member m is, nil when
// nobody is; if not, what the sender is told. Receipts bother nobody who is away.
func (m *member) takes(nick string, message *Message) (Receipt, bool) {
	switch {
	case m == nil && isGuest(nick):
		return Receipt{To: nick, Outcome: RefusedGone}, false
	case m == nil:
		return Receipt{To: nick, Outcome: KeptOffline}, false
	case len(m.seats) == 0:
		return Receipt{To: nick, Outcome: KeptBroken}, false
	case m.absence.Away() && !isGuest(nick) && message.Kind != KindReceipt:
		return Receipt{To: nick, Outcome: KeptAway, Reason: m.absence.Reason}, false
	}
	return Receipt{}, true
}

// putTo gives the message to one more session. r.mu is held.
func (d *delivery) putTo(s *Seat) {
	d.open++
	s.sink.Put(d.event, d.shown)
}

// catchUp gives a new session what is on its way to m's other ones: they may be
// dead without anybody knowing yet, which is why people connect anew. r.mu is held.
func (r *Room) catchUp(m *member, s *Seat) {
	var open []*delivery
	for _, d := range r.claims[m.nick] {
		if d != nil && !d.answered {
			open = append(open, d)
		}
	}
	slices.SortFunc(open, func(a, b *delivery) int {
		return strings.Compare(a.event.Message.ID, b.event.Message.ID)
	})
	for _, d := range open {
		d.putTo(s)
	}
}

// shown takes one session's answer.
func (d *delivery) shown(ok bool) {
	first, over, tell, late, held := d.note(ok)
	m := d.event.Message
	switch {
	case first:
		d.timer.Stop()
		if held {
			d.room.settle(m, d.nick, late)
		}
		if tell {
			d.receipt(Receipt{To: d.nick, Outcome: Delivered})
		}
	case over:
		d.timer.Stop()
		if held {
			d.room.release(d.nick, m)
		}
		if tell {
			d.receipt(d.unseen(KeptBroken))
		}
	}
}

// note counts a session's answer: whether it is the first to have shown the
// message, or the last to have failed; whether the sender is to be told now, or
// was told "kept" before; and whether the claim was still the delivery's, and not
// taken by somebody who reads the inbox.
func (d *delivery) note(ok bool) (first, over, tell, late, held bool) {
	r := d.room
	r.mu.Lock()
	defer r.mu.Unlock()
	d.open--
	first = ok && !d.done
	d.done = d.done || ok
	over = d.open == 0 && !d.done
	if !first && !over {
		return first, over, false, false, false
	}
	late = d.answered
	d.answered = true
	if held = r.claims.held(d); held {
		r.claims.set(d.nick, d.event.Message.ID, nil)
	}
	return first, over, !late, late, held
}

// late answers the sender when no session has confirmed in time; the message
// counts as unread until one does.
func (d *delivery) late() {
	d.room.mu.Lock()
	tell := !d.answered
	d.answered = true
	d.room.mu.Unlock()
	if tell {
		d.receipt(d.unseen(KeptSilent))
	}
}

// unseen is the receipt for a message that nobody has seen yet: kept, because of o.
func (d *delivery) unseen(o Outcome) Receipt {
	if isGuest(d.nick) {
		return Receipt{To: d.nick, Outcome: RefusedGone}
	}
	return Receipt{To: d.nick, Outcome: o}
}
