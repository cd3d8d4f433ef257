package room

import "slices"

// Inbox returns the direct and group messages that the person has not read,
// oldest first. Call MarkRead when they have been shown.
func (s *Seat) Inbox() ([]*Message, error) {
	if s.Guest() {
		return nil, nil
	}
	unread, err := s.room.unread(s.nick)
	if err != nil {
		return nil, err
	}
	inbox := slices.DeleteFunc(unread, func(m *Message) bool { return m.Kind == KindReceipt })
	s.room.wroteLast(s.nick, inbox)
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
// senders. Of several sessions that show the same message, one tells. It returns when
// that is on disk, so it must not be called from the archive's goroutine. The error
// wraps ErrStorage: they stay unread.
func (s *Seat) MarkRead(shown []*Message) error {
	r := s.room
	mine := r.claimFree(s.nick, shown)
	if len(mine) == 0 {
		return nil
	}
	unread, err := r.archive.Unread(s.nick)
	if err != nil {
		r.release(s.nick, mine...)
		return err
	}
	still := slices.DeleteFunc(slices.Clone(mine), func(m *Message) bool {
		return !slices.ContainsFunc(unread, func(u *Message) bool { return u.ID == m.ID })
	})
	stored := make(chan error, 1)
	r.markRead(s.nick, mine, still, func(err error) { stored <- err })
	return <-stored
}

// markRead records that nick has read messages and that their senders are to
// know, then lets go of the claims on claimed. stored is called once, and must not
// block.
func (r *Room) markRead(nick string, claimed, read []*Message, stored func(error)) {
	if len(read) == 0 {
		r.release(nick, claimed...)
		stored(nil)
		return
	}
	var records []Record
	if !isGuest(nick) {
		records = append(records, Record{Owner: nick, Read: idsOf(read)})
	}
	r.speaking.Lock()
	defer r.speaking.Unlock()
	var receipts []*Message
	for _, m := range read {
		if m.Kind == KindReceipt || isGuest(m.From) && !r.wroteThis(m.From, m) {
			continue
		}
		receipt := r.newMessage(KindReceipt, nick, []string{m.From}, "")
		receipt.Ref, receipt.RefTime = m.ID, m.Time
		r.claim(receipt)
		receipts = append(receipts, receipt)
		if !isGuest(m.From) {
			records = append(records, Record{Owner: m.From, Message: receipt})
		}
	}
	r.archive.Append(func(err error) {
		r.release(nick, claimed...)
		for _, receipt := range receipts {
			if err != nil { // what it is about stays unread and is shown once more
				r.release(receipt.To[0], receipt)
				continue
			}
			r.deliver(&Event{Message: receipt}, receipt.To[0], func(Receipt) {})
		}
		stored(err)
	}, records...)
}

// wroteThis reports whether the guest who is called nick now is the one who wrote
// m, and not another one who came later.
func (r *Room) wroteThis(nick string, m *Message) (same bool) {
	r.withMember(nick, func(guest *member) { same = guest.firstID < m.ID })
	return same
}

// settle records that nick has been shown m. The sender is told by a receipt of
// its own only when it was told "kept" before.
func (r *Room) settle(m *Message, nick string, late bool) {
	claimed := []*Message{m}
	switch {
	case late && m.Kind != KindReceipt:
		r.markRead(nick, claimed, claimed, func(error) {})
	case isGuest(nick):
		r.release(nick, m)
	default:
		r.archive.Append(func(error) { r.release(nick, m) },
			Record{Owner: nick, Read: idsOf(claimed)})
	}
}

// sort fills the parts of welcome that come from what the person has not read.
// after is the last message from before the connection broke, "" if it did not.
func (welcome *Welcome) sort(unread []*Message, after string) {
	for _, m := range unread {
		switch {
		case m.Kind == KindReceipt:
			welcome.Receipts = append(welcome.Receipts, m)
		case welcome.Returned && m.ID > after:
			welcome.Missed = append(welcome.Missed, m)
		default:
			welcome.Unread = append(welcome.Unread, m)
		}
	}
}

func idsOf(messages []*Message) []string {
	ids := make([]string, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	return ids
}
