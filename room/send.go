package room

import "slices"

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
	RefusedYours                  // the sender blocks the recipient, who could not answer
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
}

// Send sends text to each of the recipients, one message with one id for all of
// them, and calls receipt once for each, from any goroutine, within about
// confirmWithin of the message being on disk. It must not block. Nothing is said
// to be delivered or kept before it is on disk. Nicks must be canonical; a
// repeated one counts once.
func (s *Seat) Send(to []string, text string, receipt func(Receipt)) {
	s.Active()
	accepted, away := s.accept(to, receipt)
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
	r.claim(m)
	r.archive.Append(func(err error) { r.dispatch(m, err, away, receipt) }, recordsOf(m)...)
}

// accept answers for the recipients who can't be written to and returns the others, and
// who of them is away.
func (s *Seat) accept(to []string, receipt func(Receipt)) (accepted []string, away map[string]Absence) {
	away = map[string]Absence{}
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
			away[nick], _ = s.room.absenceOf(nick) // it was just read
		} else {
			receipt(refusal)
		}
	}
	return accepted, away
}

// refusal says why nick can't be written to; Outcome Delivered means it can, and has
// a place in the inbox.
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
	return s.room.refusalOfInbox(nick)
}

// refusalOfInbox takes a place in nick's inbox, or says why there is none.
func (r *Room) refusalOfInbox(nick string) Receipt {
	free, err := r.takePlace(nick)
	switch {
	case err != nil:
		return Receipt{To: nick, Outcome: Failed, Err: err}
	case !free:
		return Receipt{To: nick, Outcome: RefusedFull, Most: r.options.InboxMax}
	}
	return Receipt{To: nick, Outcome: Delivered}
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
// archive has answered. away is who of them was away when it was sent. It runs on the
// archive's goroutine, in its order.
func (r *Room) dispatch(m *Message, err error, away map[string]Absence, receipt func(Receipt)) {
	r.leavePlaces(m)
	if err != nil {
		for _, nick := range m.To {
			r.release(nick, m)
			receipt(Receipt{To: nick, Outcome: Failed, Err: err})
		}
		return
	}
	e := &Update{Message: m}
	r.mu.Lock()
	r.last = m.ID
	r.said[m.Kind]++
	if sender := r.members[m.From]; sender != nil {
		sender.put(e)
	}
	r.mu.Unlock()
	for _, nick := range m.To {
		if early, ok := r.deliver(e, nick, receipt); !ok {
			if a := away[nick]; early.Outcome == KeptOffline && a.Away() {
				early.Outcome, early.Reason = KeptAway, a.Reason
			}
			receipt(early)
		}
	}
}
