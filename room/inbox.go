package room

import (
	"slices"
	"time"
)

// Inbox returns the direct and group messages that the person has not read,
// oldest first. Call MarkRead when they have been shown.
func (s *Seat) Inbox() ([]*Message, error) {
	if s.Guest() {
		return nil, nil
	}
	unread, err := s.room.archive.Unread(s.nick)
	if err != nil {
		return nil, err
	}
	inbox := s.room.unclaimed(s.nick, unread)
	inbox = slices.DeleteFunc(inbox, func(m *Message) bool { return m.Kind == KindReceipt })
	if n := len(inbox); n > 0 {
		s.room.withMember(s.nick, func(m *member) { m.replyTo = inbox[n-1].From })
	}
	return inbox, nil
}

// Past returns the newest n of the person's direct and group messages, sent and
// received, oldest first; with a nick only those from or to it.
func (s *Seat) Past(with string, n int) ([]*Message, error) {
	if s.Guest() {
		return nil, nil
	}
	return s.room.archive.Tail(s.nick, n, func(m *Message) bool {
		if m.Kind == KindReceipt {
			return false
		}
		return with == "" || m.From == with || slices.Contains(m.To, with)
	})
}

// MarkRead notes that messages from Inbox or a Welcome were shown, and tells their
// senders. Of several sessions that show the same message, one tells. It reads the
// history and must not be called from a Sink's shown function of the archive's
// goroutine. The error wraps ErrStorage: they stay unread.
func (s *Seat) MarkRead(shown []*Message) error {
	r := s.room
	mine := r.claimAll(s.nick, shown)
	if len(mine) == 0 {
		return nil
	}
	unread, err := r.archive.Unread(s.nick)
	if err != nil {
		r.release(s.nick, idsOf(mine))
		return err
	}
	still := slices.DeleteFunc(slices.Clone(mine), func(m *Message) bool {
		return !slices.ContainsFunc(unread, func(u *Message) bool { return u.ID == m.ID })
	})
	r.markRead(s.nick, mine, still)
	return nil
}

// markRead records that nick has read messages and that their senders are to
// know, then lets go of the claims on claimed.
func (r *Room) markRead(nick string, claimed, read []*Message) {
	if len(read) == 0 {
		r.release(nick, idsOf(claimed))
		return
	}
	records := []Record{{Owner: nick, Read: idsOf(read)}}
	r.speaking.Lock()
	defer r.speaking.Unlock()
	var receipts []*Message
	for _, m := range read {
		if m.Kind == KindReceipt || isGuest(m.From) {
			continue
		}
		receipt := r.newMessage(KindReceipt, nick, []string{m.From}, "")
		receipt.Ref, receipt.RefTime = m.ID, m.Time
		receipts = append(receipts, receipt)
		records = append(records, Record{Owner: m.From, Message: receipt})
	}
	r.archive.Append(func(err error) {
		r.release(nick, idsOf(claimed))
		if err != nil {
			return // they stay unread and are shown once more
		}
		for _, receipt := range receipts {
			r.deliver(&Event{Message: receipt}, receipt.To[0], func(Receipt) {})
		}
	}, records...)
}

// settle records that nick has been shown m. The sender is told by a receipt of
// its own only when it was told "kept" before.
func (r *Room) settle(m *Message, nick string, late bool) {
	claimed := []*Message{m}
	switch {
	case isGuest(nick):
		r.release(nick, idsOf(claimed))
	case late && m.Kind != KindReceipt:
		r.markRead(nick, claimed, claimed)
	default:
		r.archive.Append(func(error) { r.release(nick, idsOf(claimed)) },
			Record{Owner: nick, Read: idsOf(claimed)})
	}
}

// sortUnread fills the parts of welcome that come from what nick has not read.
func (r *Room) sortUnread(nick string, unread []*Message, brokeAt time.Time, welcome *Welcome) {
	for _, m := range r.unclaimed(nick, unread) {
		switch {
		case m.Kind == KindReceipt:
			welcome.Receipts = append(welcome.Receipts, m)
		case !brokeAt.IsZero() && !m.Time.Before(brokeAt.Truncate(time.Millisecond)):
			welcome.Missed = append(welcome.Missed, m)
		default:
			welcome.Unread = append(welcome.Unread, m)
		}
	}
}

// unclaimed returns those of nick's messages that are not being shown right now.
func (r *Room) unclaimed(nick string, messages []*Message) []*Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unclaimedLocked(nick, messages)
}

func (r *Room) unclaimedLocked(nick string, messages []*Message) []*Message {
	var free []*Message
	for _, m := range messages {
		if _, taken := r.claimed[claim{nick, m.ID}]; !taken {
			free = append(free, m)
		}
	}
	return free
}

// claimAll claims those of nick's messages that nobody has claimed.
func (r *Room) claimAll(nick string, messages []*Message) []*Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	free := r.unclaimedLocked(nick, messages)
	for _, m := range free {
		r.claimed[claim{nick, m.ID}] = struct{}{}
	}
	return free
}

func (r *Room) release(nick string, ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		delete(r.claimed, claim{nick, id})
	}
}

func idsOf(messages []*Message) []string {
	ids := make([]string, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	return ids
}
