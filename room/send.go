package room

import (
	"slices"
	"sync"
	"time"
)

// Outcome is what became of a message for one recipient.
type Outcome int

const (
	Delivered      Outcome = iota // the recipient's client has it
	KeptOffline                   // waits in the inbox: not online
	KeptAway                      // waits in the inbox: away, for Receipt.Reason
	KeptBroken                    // waits in the inbox: the connection broke or does not answer
	RefusedSelf                   // it was the sender
	RefusedUnknown                // nobody has this nick
	RefusedGone                   // a guest who left: nothing is kept for guests
	RefusedBlocked                // the recipient does not want the sender's messages
	RefusedYours                  // the sender blocks the recipient, who could not answer
	Failed                        // Receipt.Err; nothing was kept
)

// Receipt tells the sender what became of a message for one recipient.
type Receipt struct {
	To      string
	Outcome Outcome
	Reason  string
	Err     error
}

// Send sends text to each of the recipients, one message with one id for all of
// them, and calls receipt once for each, from any goroutine, within about
// confirmWithin of the message being on disk. It must not block. Nothing is said
// to be delivered or kept before it is on disk. Nicks must be canonical; a
// repeated one counts once.
func (s *Seat) Send(to []string, text string, receipt func(Receipt)) {
	s.Active()
	accepted := s.accept(to, receipt)
	if len(accepted) == 0 {
		return
	}
	kind := KindDirect
	if len(accepted) > 1 {
		kind = KindGroup
	}
	r := s.room
	r.speaking.Lock()
	defer r.speaking.Unlock()
	m := r.newMessage(kind, s.nick, accepted, text)
	r.archive.Append(func(err error) { r.dispatch(m, err, receipt) }, recordsOf(m)...)
}

// accept answers for the recipients who can't be written to and returns the others.
func (s *Seat) accept(to []string, receipt func(Receipt)) (accepted []string) {
	mine, err := s.room.blockedBy(s.nick)
	var seen []string
	for _, nick := range to {
		if slices.Contains(seen, nick) {
			continue
		}
		seen = append(seen, nick)
		refusal := Receipt{To: nick, Outcome: Failed, Err: err}
		if err == nil {
			refusal = s.refusal(nick, mine[nick])
		}
		if refusal.Outcome == Delivered {
			accepted = append(accepted, nick)
		} else {
			receipt(refusal)
		}
	}
	return accepted
}

// refusal says why nick can't be written to; Outcome Delivered means it can.
func (s *Seat) refusal(nick string, mine bool) Receipt {
	no := func(o Outcome) Receipt { return Receipt{To: nick, Outcome: o} }
	switch {
	case nick == s.nick:
		return no(RefusedSelf)
	case !s.room.known(nick):
		if isGuest(nick) && s.room.wasHere(nick) {
			return no(RefusedGone)
		}
		return no(RefusedUnknown)
	case mine:
		return no(RefusedYours)
	}
	blocked, err := s.room.blockedBy(nick)
	switch {
	case err != nil:
		return Receipt{To: nick, Outcome: Failed, Err: err}
	case blocked[s.nick]:
		return no(RefusedBlocked)
	}
	return no(Delivered)
}

func (r *Room) known(nick string) bool {
	if !isGuest(nick) && r.directory.Held(nick) {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.members[nick] != nil
}

func (r *Room) wasHere(nick string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.seen[nick]
	return ok
}

// recordsOf lists the histories that m belongs to: its sender's and each
// recipient's, but for guests, who have none.
func recordsOf(m *Message) []Record {
	var records []Record
	for _, nick := range append([]string{m.From}, m.To...) {
		if !isGuest(nick) {
			records = append(records, Record{Owner: nick, Message: m})
		}
	}
	return records
}

// dispatch shows m to its sender's sessions and to each recipient, once the
// archive has answered. It runs on the archive's goroutine, in its order.
func (r *Room) dispatch(m *Message, err error, receipt func(Receipt)) {
	if err != nil {
		for _, nick := range m.To {
			receipt(Receipt{To: nick, Outcome: Failed, Err: err})
		}
		return
	}
	e := &Event{Message: m}
	r.withMember(m.From, func(sender *member) { sender.put(e) })
	for _, nick := range m.To {
		if early, ok := r.deliver(e, nick, receipt); !ok {
			receipt(early)
		}
	}
}

// deliver puts e to nick's sessions. Where that can't be, it returns the receipt
// and false; otherwise receipt is called when the outcome is known.
func (r *Room) deliver(e *Event, nick string, receipt func(Receipt)) (Receipt, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[nick]
	switch {
	case m == nil && isGuest(nick):
		return Receipt{To: nick, Outcome: RefusedGone}, false
	case m == nil:
		return Receipt{To: nick, Outcome: KeptOffline}, false
	case len(m.seats) == 0:
		return Receipt{To: nick, Outcome: KeptBroken}, false
	case m.away && !isGuest(nick) && e.Message.Kind != KindReceipt:
		return Receipt{To: nick, Outcome: KeptAway, Reason: m.reason}, false
	}
	if e.Message.Kind != KindReceipt {
		m.replyTo = e.Message.From
	}
	d := &delivery{room: r, message: e.Message, nick: nick, receipt: receipt, open: len(m.seats)}
	r.claimed[claim{nick, e.Message.ID}] = struct{}{}
	d.timer = time.AfterFunc(confirmWithin, d.late)
	for _, s := range m.seats {
		s.sink.Put(e, d.shown)
	}
	return Receipt{}, true
}

// delivery follows one message to one recipient's sessions until one of them has
// shown it or all have failed to. It answers the sender once.
type delivery struct {
	room    *Room
	message *Message
	nick    string
	receipt func(Receipt)
	timer   *time.Timer

	mu       sync.Mutex
	open     int  // sessions that have not answered
	done     bool // shown on one of them
	answered bool // the sender has the receipt
}

// shown takes one session's answer.
func (d *delivery) shown(ok bool) {
	d.mu.Lock()
	d.open--
	first := ok && !d.done
	d.done = d.done || ok
	over := d.open == 0 && !d.done
	tell := (first || over) && !d.answered
	late := first && d.answered
	d.answered = d.answered || tell
	d.mu.Unlock()
	switch {
	case first:
		d.timer.Stop()
		d.room.settle(d.message, d.nick, late)
		if tell {
			d.receipt(Receipt{To: d.nick, Outcome: Delivered})
		}
	case over:
		d.timer.Stop()
		d.room.release(d.nick, []string{d.message.ID})
		if tell {
			d.receipt(d.unseen())
		}
	}
}

// late answers the sender when no session has confirmed in time; the message
// counts as unread until one does.
func (d *delivery) late() {
	d.mu.Lock()
	tell := !d.answered
	d.answered = true
	d.mu.Unlock()
	if tell {
		d.receipt(d.unseen())
	}
}

func (d *delivery) unseen() Receipt {
	if isGuest(d.nick) {
		return Receipt{To: d.nick, Outcome: RefusedGone}
	}
	return Receipt{To: d.nick, Outcome: KeptBroken}
}
