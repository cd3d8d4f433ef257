package room

import (
	"context"
	"iter"
	"slices"
)

// Inbox gives the direct and group messages that the person has not read, oldest
// first; pages can be empty. Call MarkRead when those of a page have been shown. The
// error, if there is one, comes last and wraps ErrStorage.
func (s *Seat) Inbox() iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if s.Guest() {
			return
		}
		for page, err := range s.room.unread(s.nick) {
			page.Messages = slices.DeleteFunc(page.Messages, func(m *Message) bool { return m.Kind == KindReceipt })
			s.room.wroteLast(s.nick, page.Messages)
			if !yield(page, err) {
				return
			}
		}
	}
}

// Waiting sums up an inbox.
type Waiting struct {
	Messages int
	Senders  []string       // each once, by the oldest message
	Of       map[string]int // how many of the messages are a sender's
}

func (w *Waiting) add(m *Message) {
	if w.Of == nil {
		w.Of = map[string]int{}
	}
	if w.Messages++; w.Of[m.From] == 0 {
		w.Senders = append(w.Senders, m.From)
	}
	w.Of[m.From]++
}

// Waiting sums up what Inbox would give.
func (s *Seat) Waiting() (Waiting, error) {
	var w Waiting
	for page, err := range s.Inbox() {
		if err != nil {
			return w, err
		}
		for _, m := range page.Messages {
			w.add(m)
		}
	}
	return w, nil
}

// Past gives the newest n of the person's direct and group messages, sent and
// received, oldest first; with a nick only those from or to it. Errors are those
// of History.
func (s *Seat) Past(ctx context.Context, with string, n int) iter.Seq2[Page, error] {
	if s.Guest() {
		return func(func(Page, error) bool) {}
	}
	return s.room.tail(ctx, s.nick, n, func(m *Message) bool {
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
	unread, err := r.archive.StillUnread(s.nick, idsOf(mine))
	if err != nil {
		r.release(s.nick, mine...)
		return err
	}
	still := slices.DeleteFunc(slices.Clone(mine), func(m *Message) bool { return !unread[m.ID] })
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
	r.tellSenders(nick, read, "", records, func(err error) {
		r.release(nick, claimed...)
		stored(err)
	})
}

// Gone tells the senders of messages that nick has not read that nobody will: the nick
// is nobody's any more. It returns when that is on disk; errors wrap [ErrStorage].
func (r *Room) Gone(nick string, unread []*Message) error {
	stored := make(chan error, 1)
	r.tellSenders(nick, unread, ReceiptGone, nil, func(err error) { stored <- err })
	return <-stored
}

// tellSenders gives the senders of messages to nick receipts with this text, which go on
// record together with records. stored is called once, and must not block.
func (r *Room) tellSenders(nick string, messages []*Message, text string, records []Record, stored func(error)) {
	r.speaking.Lock()
	defer r.speaking.Unlock()
	var receipts []*Message
	for _, m := range messages {
		if m.Kind == KindReceipt || isGuest(m.From) && !r.wroteThis(m.From, m) {
			continue
		}
		receipt := r.newMessage(KindReceipt, nick, []string{m.From}, text)
		receipt.Ref, receipt.RefTime = m.ID, m.Time
		r.claim(receipt)
		receipts = append(receipts, receipt)
		if !isGuest(m.From) {
			records = append(records, Record{Owner: m.From, Message: receipt})
		}
	}
	r.archive.Append(func(err error) {
		for _, receipt := range receipts {
			if err != nil { // what it is about stays unread and is shown once more
				r.release(receipt.To[0], receipt)
				continue
			}
			r.deliver(&Update{Message: receipt}, receipt.To[0], func(Receipt) {})
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
// after is the last message from before the connection broke, "" if it did not. What
// is more than a page stays unread: messages in the inbox, receipts for the next time.
func (welcome *Welcome) sort(unread []*Message, after string) {
	for _, m := range unread {
		switch {
		case m.Kind == KindReceipt:
			if len(welcome.Receipts) < pageMessages {
				welcome.Receipts = append(welcome.Receipts, m)
			}
		case welcome.Returned && m.ID > after && len(welcome.Missed) < pageMessages:
			welcome.Missed = append(welcome.Missed, m)
		default:
			welcome.Unread.add(m)
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
