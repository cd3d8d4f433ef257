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
	e := &Event{Message: r.newMessage(kind, s.nick, accepted, text), Max: r.options.InboxMax}
	r.append(e, func(got Receipt) {
		if a := away[got.To]; got.Outcome == KeptOffline && a.Away() {
			got.Outcome, got.Reason = KeptAway, a.Reason
		}
		receipt(got)
	})
}

// accept answers for the recipients who can't be written to and returns the others, and
// who of them is away.
func (s *Seat) accept(to []string, receipt func(Receipt)) (accepted []string, away map[string]Absence) {
	away = map[string]Absence{}
	mine, err := s.room.wishesOf(s.nick)
	if err == nil {
		_, err = s.room.waiting(s.nick)
	}
	var seen []string
	for _, nick := range to {
		if slices.Contains(seen, nick) {
			continue
		}
		seen = append(seen, nick)
		answer, theirs := s.refusal(nick, mine)
		if answer.Outcome == Delivered && err != nil {
			answer = failure(nick, err)
		}
		if answer.Outcome != Delivered {
			receipt(answer)
			continue
		}
		accepted = append(accepted, nick)
		away[nick] = theirs.absence
	}
	return accepted, away
}

// refusal says why nick can't be written to; Outcome Delivered means it can, and comes with
// nick's wishes.
func (s *Seat) refusal(nick string, mine wishes) (Receipt, wishes) {
	no := func(o Outcome) (Receipt, wishes) { return Receipt{To: nick, Outcome: o}, wishes{} }
	r := s.room
	switch {
	case nick == s.nick:
		return no(RefusedSelf)
	case !r.known(nick):
		if isGuest(nick) && r.wasHere(nick) {
			return no(RefusedGone)
		}
		return no(RefusedUnknown)
	case mine.blocked[nick]:
		return no(RefusedYours)
	}
	theirs, err := r.wishesOf(nick)
	if err == nil && theirs.blocked[s.nick] {
		return no(RefusedBlocked)
	}
	unread := 0
	if err == nil {
		unread, err = r.waiting(nick)
	}
	switch {
	case err != nil:
		return failure(nick, err), theirs
	case r.InboxFull(unread):
		return full(nick, r.options.InboxMax), theirs
	}
	return Receipt{To: nick}, theirs
}

func failure(nick string, err error) Receipt {
	return Receipt{To: nick, Outcome: Failed, Err: err}
}

func full(nick string, most int) Receipt {
	return Receipt{To: nick, Outcome: RefusedFull, Most: most}
}

// InboxFull reports whether nobody can write to a nick with so many unread messages.
func (r *Room) InboxFull(unread int) bool {
	return r.options.InboxMax > 0 && unread >= r.options.InboxMax
}

// waiting returns how many messages wait for nick. The error says that nick's history
// can take none. A guest has none that could not.
func (r *Room) waiting(nick string) (int, error) {
	if isGuest(nick) {
		return 0, nil
	}
	return r.histories.Waiting(nick)
}

func (r *Room) known(nick string) bool {
	return !isGuest(nick) && r.directory.Held(nick) || r.Here(nick)
}

func (r *Room) wasHere(nick string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.people.seen[nick]
	return ok
}

// dispatch shows a message to its sender's sessions and to each recipient. It returns
// what is known already of what became of it; told is called for the others. r.mu is held.
func (r *Room) dispatch(e Entry, told func(Receipt)) (known []Receipt) {
	u := &Update{Message: &e.Message}
	if len(e.Full) < len(e.To) {
		r.said[e.Kind]++
		if sender := r.people.members[e.From]; sender != nil {
			sender.put(u)
		}
	}
	for _, nick := range e.To {
		if slices.Contains(e.Full, nick) {
			known = append(known, full(nick, e.Max))
		} else if kept, ok := r.deliver(u, e.Seq, nick, told); !ok {
			known = append(known, kept)
		}
	}
	return known
}
