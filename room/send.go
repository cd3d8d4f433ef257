package room

import (
	"slices"
	"strings"
	"time"
)

// confirmWithin is after how long a sender is told "delivered" or "kept".
const confirmWithin = 5 * time.Second

// Outcome is what became of a message for one recipient.
type Outcome int

const (
	Delivered      Outcome = iota // the recipient's client has it
	KeptOffline                   // waits in the inbox: not online
	KeptAway                      // waits in the inbox: away, for Receipt.Reason
	KeptBroken                    // waits in the inbox: the connection broke
	KeptSilent                    // waits in the inbox: the connection does not answer
	RefusedSelf                   // it was the sender
	RefusedUnknown                // nobody has this nick
	RefusedGone                   // a guest who left: nothing is kept for guests
	RefusedBlocked                // the recipient does not want the sender's messages
	RefusedYours                  // the sender blocks the recipient
	RefusedFull                   // Receipt.Most messages wait unread in the inbox already
	Failed                        // Receipt.Err; nothing was kept
)

// Receipt tells the sender what became of a message for one recipient.
type Receipt struct {
	To      string
	Outcome Outcome
	Reason  string
	Most    int
	Err     error
	ID      string // of the message; "" where it was refused before it was made
	Again   bool   // it repeats the receipt of an earlier try: see Member.Once
}

// SendFile sends a file, whose bytes are durable, as [Member.Once] sends a text to people.
func (s *Member) SendFile(to []string, file *File, receipt func(Receipt)) {
	s.send("", to, "", file, receipt)
}

// send sends a text, or a file, to each of the recipients, one message with one id for all of
// them, and calls receipt once for each, from any goroutine, within about
// confirmWithin of the message being on disk, and not before that where it says delivered or
// kept. receipt must not block. Nicks must be canonical; a repeated one counts once.
func (s *Member) send(key string, to []string, text string, file *File, receipt func(Receipt)) {
	s.Active()
	r := s.room
	accepted, away := s.accept(to, receipt)
	if len(accepted) == 0 {
		return
	}
	kind := KindDirect
	if len(accepted) > 1 {
		kind = KindGroup
	}
	m := Message{Kind: kind, From: s.nick, To: accepted, Text: text, Key: key, File: file}
	r.append(&Event{Message: m, Max: r.options.InboxMax}, func(got Receipt) {
		if a := away[got.To]; got.Outcome == KeptOffline && a.Away() {
			got.Outcome, got.Reason = KeptAway, a.Reason
		}
		receipt(got)
	})
}

// accept answers for the recipients who can't be written to and returns the others, with
// their absences.
func (s *Member) accept(to []string, receipt func(Receipt)) (accepted []string, away map[string]Absence) {
	away = map[string]Absence{}
	mine, err := s.room.preferences(s.nick)
	if err == nil {
		_, err = s.room.waiting(s.nick)
	}
	for i, nick := range to {
		if slices.Contains(to[:i], nick) {
			continue
		}
		theirs, outcome, why := s.check(nick, mine)
		if outcome == Delivered && err != nil {
			outcome, why = Failed, err
		}
		if outcome != Delivered {
			receipt(Receipt{To: nick, Outcome: outcome, Most: s.room.options.InboxMax, Err: why})
			continue
		}
		accepted = append(accepted, nick)
		away[nick] = theirs.Absence
	}
	return accepted, away
}

// check returns what is known of a message to nick before it is sent: Delivered if nothing is
// against it.
func (s *Member) check(nick string, mine Preferences) (theirs Preferences, o Outcome, err error) {
	r := s.room
	here := r.Here(nick)
	switch {
	case nick == s.nick:
		return theirs, RefusedSelf, nil
	case !here && isGuest(nick) && r.wasHere(nick):
		return theirs, RefusedGone, nil
	case !here && (isGuest(nick) || !r.directory.Registered(nick)):
		return theirs, RefusedUnknown, nil
	case mine.blocks(nick):
		return theirs, RefusedYours, nil
	}
	if theirs, err = r.preferences(nick); err != nil {
		return theirs, Failed, err
	}
	if theirs.blocks(s.nick) {
		return theirs, RefusedBlocked, nil
	}
	unread, err := r.waiting(nick)
	switch {
	case err != nil:
		return theirs, Failed, err
	case r.InboxFull(unread):
		return theirs, RefusedFull, nil
	}
	return theirs, Delivered, nil
}

// InboxFull reports whether an inbox with so many unread messages takes no more.
func (r *Room) InboxFull(unread int) bool {
	return r.options.InboxMax > 0 && unread >= r.options.InboxMax
}

// waiting returns how many messages wait for nick. The error says that nick's history
// can take none. Guests have no history.
func (r *Room) waiting(nick string) (int, error) {
	if isGuest(nick) {
		return 0, nil
	}
	return r.histories.Waiting(nick)
}

// dispatch shows a message to its sender's sessions and to each recipient. It returns the
// receipts that are known already; told is called for the others. It is nil if no sender on this server waits.
// r.mu is held.
func (r *Room) dispatch(e Entry, told func(Receipt)) (known []Receipt) {
	u := &Update{Message: &e.Message}
	full := func(nick string) bool { return slices.Contains(e.Full, nick) }
	r.people.observe(u, slices.DeleteFunc(append([]string{e.From}, e.To...), full)...) // whose histories have it
	if len(e.Full) < len(e.To) {
		r.said[e.Kind]++
		if sender := r.people.here[e.From]; sender != nil && !sender.cameAfter(e.ID) {
			sender.put(u)
		}
	}
	for _, nick := range e.To {
		if slices.Contains(e.Full, nick) {
			known = append(known, Receipt{To: nick, Outcome: RefusedFull, Most: e.Max})
		} else if kept, ok := r.deliver(u, nick, told); !ok {
			known = append(known, kept)
		}
	}
	return known
}

// inflight holds, for each recipient and message id, what is neither unread nor read
// at the moment: messages on their way to a screen, and those whose reading is on its
// way through the log.
type inflight map[string]map[string]*delivery

func (f inflight) set(nick, id string, d *delivery) {
	if f[nick] == nil {
		f[nick] = map[string]*delivery{}
	}
	f[nick][id] = d
}

// release ends that nick's messages are in flight.
func (ps *people) release(nick string, ids []string) {
	for _, id := range ids {
		delete(ps.inflight[nick], id)
	}
	if len(ps.inflight[nick]) == 0 {
		delete(ps.inflight, nick)
	}
	ps.released.Broadcast()
}

// notRead ends that the reading of messages is on its way: it is not on record, or in a cluster may still come. What a sender
// is to be told of stays in flight.
func (ps *people) notRead(nick string, ids []string) {
	for _, id := range ids {
		d := ps.inflight[nick][id]
		if d == nil || d.told == nil || d.answered && !d.remembered() {
			ps.release(nick, []string{id})
			continue
		}
		if d.reading, d.done = false, false; d.answered {
			d.timer.Reset(lateReading)
		}
	}
	ps.released.Broadcast()
}

// delivery follows one message to one recipient's sessions until one of them has
// shown it or all have failed to. It answers the sender once.
type delivery struct {
	room   *Room
	update *Update
	nick   string
	told   func(Receipt) // nil if no sender on this server waits
	timer  *time.Timer

	// Owned by Room.mu.
	open     int  // sessions that have not answered
	done     bool // shown on one of them
	reading  bool // its reading is on its way through the log
	answered bool // the sender has the receipt
}

// lateReading is how long this server remembers that a sender was told "kept", for readings on servers that are
// behind.
const lateReading = 10 * time.Minute

// deliver puts u to nick's sessions. If it can't, it returns the receipt
// and false; otherwise told, unless it is nil, is called when the outcome is known. Being away does not hold up
// read receipts. r.mu is held.
func (r *Room) deliver(u *Update, nick string, told func(Receipt)) (kept Receipt, ok bool) {
	p, isReceipt := r.people.here[nick], u.Message.Kind == KindReceipt
	kept.To = nick
	switch {
	case p == nil && isGuest(nick), p.cameAfter(u.Message.ID):
		kept.Outcome = RefusedGone
	case p == nil:
		kept.Outcome = KeptOffline
	case len(p.sessions) == 0 && !p.connectedElsewhere():
		kept.Outcome = KeptBroken
	case p.Absence.Away() && !isGuest(nick) && !isReceipt:
		kept.Outcome, kept.Reason = KeptAway, p.Absence.Reason
	case told == nil && p.local && isGuest(nick) && !isReceipt && p.blocks(u.Message.From): // only this server knows
		r.log.Append(&Event{Message: r.newMessage(KindRead, nick, nil, readBlocked), Read: []string{u.Message.ID}}, func(error) {})
	default:
		ok = true
		if !isReceipt {
			p.last = u.Message
		}
	}
	if told == nil && (!ok || len(p.sessions) == 0) || !ok && r.peers == nil {
		return kept, ok
	}
	d := &delivery{room: r, update: u, nick: nick, told: told, answered: !ok}
	r.people.inflight.set(nick, u.Message.ID, d)
	if !ok {
		d.timer = time.AfterFunc(lateReading, d.timeout)
		return kept, false
	}
	d.timer = time.AfterFunc(confirmWithin, d.timeout)
	for _, s := range p.sessions {
		d.putTo(s)
	}
	return kept, true
}

// deliverReceipt shows a read receipt to the sender of the message. r.mu is held.
func (r *Room) deliverReceipt(receipt *Message) {
	u, nick := &Update{Message: receipt}, receipt.To[0]
	if p := r.people.here[nick]; isGuest(nick) && (p == nil || !p.local || p.cameAfter(receipt.Ref)) {
		return // not for another guest of this name, who may be observing
	}
	r.people.observe(u, nick)
	r.deliver(u, nick, nil)
}

// putTo gives the message to one more session. r.mu is held.
func (d *delivery) putTo(s *Member) {
	d.open++
	s.sink.Put(d.update, d.shown)
}

// catchUp gives a new session the messages on their way to p's other ones, which may be
// dead connections.
func (ps *people) catchUp(p *person, s *Member) {
	var open []*delivery
	for _, d := range ps.inflight[p.nick] {
		if !d.answered && !d.reading {
			open = append(open, d)
		}
	}
	slices.SortFunc(open, func(a, b *delivery) int { return strings.Compare(a.update.Message.ID, b.update.Message.ID) })
	for _, d := range open {
		d.putTo(s)
	}
}

// shown takes one session's answer: the first that has shown the message, or the last
// that has not, decides. It records the reading, unless the message was read in the
// inbox meanwhile; wasRead tells the sender. For a guest there is a record only where it is needed for that.
func (d *delivery) shown(ok bool) {
	r, m := d.room, d.update.Message
	r.mu.Lock()
	d.open--
	first := ok && !d.done
	d.done = d.done || ok
	if !first && (d.done || d.open > 0 || d.awaitsOthers()) {
		r.mu.Unlock()
		return
	}
	guest, receipt := isGuest(d.nick), m.Kind == KindReceipt
	tell := d.answered && !receipt // a sender who was told "kept" gets a receipt of its own
	ours := r.people.inflight[d.nick][m.ID] == d
	if ours && first && (tell || !guest || d.told == nil && !receipt) {
		d.reading = true
		r.mu.Unlock()
		var receipts []*Message
		if tell {
			receipts = receiptsFor(d.nick, []*Message{m}, "")
		}
		r.append(reading(d.nick, []*Message{m}, receipts), nil)
		return
	}
	answered := d.answered
	d.answered = true
	d.timer.Stop()
	if ours && !first && d.remembered() {
		d.timer.Reset(lateReading)
	} else if ours {
		r.people.release(d.nick, []string{m.ID})
	}
	r.mu.Unlock()
	switch {
	case answered:
	case first:
		d.tell(Delivered)
	default:
		d.tell(KeptBroken)
	}
}

// awaitsOthers reports whether a session on another server may still show the message in time. r.mu is held.
func (d *delivery) awaitsOthers() bool {
	p := d.room.people.here[d.nick]
	return d.told != nil && !d.answered && p != nil && p.connectedElsewhere()
}

// remembered reports whether the delivery stays in flight when the sender was told "kept", in case that another server
// shows the message.
func (d *delivery) remembered() bool { return d.told != nil && d.room.peers != nil }

// timeout answers the sender when no session has confirmed in time; the message
// counts as unread until one does.
func (d *delivery) timeout() {
	r, id := d.room, d.update.Message.ID
	r.mu.Lock()
	if d.reading && !d.answered { // wasRead tells, however late: a receipt of its own could fail
		d.timer.Reset(time.Second)
		r.mu.Unlock()
		return
	}
	answered := d.answered
	d.answered = true
	switch ours := r.people.inflight[d.nick][id] == d; {
	case !ours:
	case !answered && d.remembered():
		d.timer.Reset(lateReading)
	case d.open == 0 && !d.reading:
		r.people.release(d.nick, []string{id})
	}
	r.mu.Unlock()
	if !answered {
		d.tell(KeptSilent)
	}
}

// tell tells the sender what became of the message. Nothing is kept for guests.
func (d *delivery) tell(o Outcome) {
	if isGuest(d.nick) && o != Delivered && o != RefusedBlocked {
		o = RefusedGone
	}
	if d.told != nil {
		d.told(Receipt{To: d.nick, Outcome: o})
	}
}

// readBlocked is the text of a KindRead for a message to a guest who blocks its sender. Only the guest's server knows that.
const readBlocked = "blocked"

// wasRead ends that messages are in flight, since e.From has read them, here or on another server. A sender who waits on
// this server is told, and others are shown their receipts. It returns functions to be called without r.mu, which is held.
func (r *Room) wasRead(e *Event) (after []func()) {
	for _, id := range e.Read {
		d := r.people.inflight[e.From][id]
		if d == nil || d.told == nil {
			continue
		}
		d.timer.Stop()
		told := slices.ContainsFunc(e.Receipts, func(receipt *Message) bool { return receipt.Ref == id })
		switch {
		case e.Text == readBlocked && !d.answered:
			after = append(after, func() { d.tell(RefusedBlocked) })
		case told && !d.answered:
			after = append(after, func() { d.tell(KeptSilent) })
		case !d.answered:
			after = append(after, func() { d.tell(Delivered) })
		case !told && e.Text != readBlocked: // there the message was taken for delivered, and here for kept
			after = append(after, func() {
				receipts := receiptsFor(d.nick, []*Message{d.update.Message}, "")
				r.append(reading(d.nick, nil, receipts), nil)
			})
		}
		d.answered = true
	}
	r.people.release(e.From, e.Read)
	var before []string
	if r.peers != nil {
		before = r.recent.note(e.From, e.Read)
	}
	for _, receipt := range e.Receipts {
		if sender := receipt.To[0]; !slices.Contains(before, receipt.Ref) {
			r.deliverReceipt(receipt)
		} else if e.Node == r.node && !isGuest(sender) { // it repeats another one: nobody needs to see it
			after = append(after, func() { r.append(reading(sender, []*Message{receipt}, nil), nil) })
		}
	}
	return after
}
