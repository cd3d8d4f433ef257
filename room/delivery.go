package room

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// inflight holds, for each recipient and message id, what is neither unread nor read
// at the moment: messages on their way to a screen, and those whose reading is on its
// way through the log. The value is the delivery that shows the message; nil while its
// reading is recorded. Owned by Room.mu.
type inflight map[string]map[string]*delivery

func (f inflight) set(nick, id string, d *delivery) {
	if f[nick] == nil {
		f[nick] = map[string]*delivery{}
	}
	f[nick][id] = d
}

func (f inflight) drop(nick, id string) {
	delete(f[nick], id)
	if len(f[nick]) == 0 {
		delete(f, nick)
	}
}

// free reports whether nick's message is read or unread, not in between. One that
// no session confirmed in time counts as unread, whoever shows it first; one that is
// pending is about to be delivered, though the histories may have it. r.mu is held.
func (r *Room) free(nick, id string) bool {
	_, pending := r.pending[id]
	d, taken := r.people.inflight[nick][id]
	return !pending && (!taken || d != nil && d.answered)
}

// release ends that nick's messages are in flight.
func (p *people) release(nick string, ids []string) {
	for _, id := range ids {
		p.inflight.drop(nick, id)
	}
	p.released++
}

// delivery follows one message to one recipient's sessions until one of them has
// shown it or all have failed to. It answers the sender once.
type delivery struct {
	room   *Room
	update *Update
	seq    uint64
	nick   string
	told   func(Receipt)
	timer  *time.Timer

	// Owned by Room.mu.
	open     int  // sessions that have not answered
	done     bool // shown on one of them
	answered bool // the sender has the receipt
}

// deliver puts u, which has the place seq, to nick's sessions. Where that can't be, it
// returns the receipt and false; otherwise told is called when the outcome is known.
// r.mu is held.
func (r *Room) deliver(u *Update, seq uint64, nick string, told func(Receipt)) (Receipt, bool) {
	m := r.people.members[nick]
	if kept, ok := m.accepts(nick, u.Message); !ok {
		return kept, false
	}
	if u.Message.Kind != KindReceipt {
		m.last = u.Message
	}
	d := &delivery{room: r, update: u, seq: seq, nick: nick, told: told}
	d.timer = time.AfterFunc(confirmWithin, d.timeout)
	r.people.inflight.set(nick, u.Message.ID, d)
	for _, s := range m.seats {
		d.putTo(s)
	}
	return Receipt{}, true
}

// accepts reports whether message can be shown to nick, whose member m is, nil when
// nobody is; if not, what the sender is told. Receipts bother nobody who is away.
func (m *member) accepts(nick string, message *Message) (Receipt, bool) {
	switch {
	case m == nil && isGuest(nick):
		return Receipt{To: nick, Outcome: RefusedGone}, false
	case m == nil:
		return Receipt{To: nick, Outcome: KeptOffline}, false
	case len(m.seats) == 0:
		m.miss(message)
		return Receipt{To: nick, Outcome: KeptBroken}, false
	case m.absence.Away() && !isGuest(nick) && message.Kind != KindReceipt:
		return Receipt{To: nick, Outcome: KeptAway, Reason: m.absence.Reason}, false
	}
	return Receipt{}, true
}

// putTo gives the message to one more session. r.mu is held.
func (d *delivery) putTo(s *Seat) {
	d.open++
	s.sink.Put(d.update, d.shown)
}

// catchUp gives a new session what is on its way to m's other ones: they may be
// dead without anybody knowing yet, which is why people connect anew.
func (p *people) catchUp(m *member, s *Seat) {
	var open []*delivery
	for _, d := range p.inflight[m.nick] {
		if d != nil && !d.answered {
			open = append(open, d)
		}
	}
	slices.SortFunc(open, func(a, b *delivery) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), strings.Compare(a.update.Message.ID, b.update.Message.ID))
	})
	for _, d := range open {
		d.putTo(s)
	}
}

// shown takes one session's answer: the first that has shown the message, or the last
// that has not, decides. It records the reading, unless somebody has read the message in
// the inbox meanwhile.
func (d *delivery) shown(ok bool) {
	r, m := d.room, d.update.Message
	r.mu.Lock()
	d.open--
	first := ok && !d.done
	d.done = d.done || ok
	if !first && (d.done || d.open > 0) {
		r.mu.Unlock()
		return
	}
	d.timer.Stop()
	answered := d.answered
	d.answered = true
	// A sender who was told "kept" gets a receipt of its own.
	tell := answered && m.Kind != KindReceipt
	record := false
	if r.people.inflight[d.nick][m.ID] == d {
		if record = first && (tell || !isGuest(d.nick)); record {
			r.people.inflight.set(d.nick, m.ID, nil)
		} else {
			r.people.release(d.nick, []string{m.ID})
		}
	}
	r.mu.Unlock()
	if record {
		read := []*Message{m}
		var receipts []*Message
		if tell {
			receipts = r.receiptsFor(d.nick, read, "")
		}
		r.append(r.reading(d.nick, read, receipts), func(Receipt) {})
	}
	switch {
	case answered:
	case first:
		d.told(Receipt{To: d.nick, Outcome: Delivered})
	default:
		d.told(d.unseen(KeptBroken))
	}
}

// timeout answers the sender when no session has confirmed in time; the message
// counts as unread until one does.
func (d *delivery) timeout() {
	d.room.mu.Lock()
	tell := !d.answered
	d.answered = true
	d.room.mu.Unlock()
	if tell {
		d.told(d.unseen(KeptSilent))
	}
}

// unseen is the receipt for a message that nobody has seen yet: kept, because of o.
func (d *delivery) unseen(o Outcome) Receipt {
	if isGuest(d.nick) {
		return Receipt{To: d.nick, Outcome: RefusedGone}
	}
	return Receipt{To: d.nick, Outcome: o}
}
