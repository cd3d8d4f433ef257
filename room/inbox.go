package room

import (
	"cmp"
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

// maxRead bounds how many messages one event marks as read, or has receipts for.
const maxRead = pageMessages

// MarkRead notes that messages from Inbox or a Welcome were shown, and tells their
// senders. Of several sessions that show the same message, one tells. It returns when
// that is on disk and the senders were told, so it must not be called on the log's
// goroutine. The error wraps ErrStorage: they, or some of them, stay unread.
func (s *Seat) MarkRead(shown []*Message) error {
	for some := range slices.Chunk(shown, maxRead) {
		if err := s.room.markRead(s.nick, some); err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) markRead(nick string, shown []*Message) error {
	mine := r.claimFree(nick, shown)
	if len(mine) == 0 {
		return nil
	}
	unread, err := r.histories.StillUnread(nick, idsOf(mine))
	var read, others []*Message
	for _, m := range mine {
		if unread[m.ID] && err == nil {
			read = append(read, m)
		} else {
			others = append(others, m)
		}
	}
	r.mu.Lock()
	r.people.release(nick, idsOf(others))
	r.mu.Unlock()
	if len(read) == 0 {
		return err
	}
	return r.wait(r.reading(nick, read, r.receiptsFor(nick, read, "")))
}

// claimFree claims those of nick's messages that are free.
func (r *Room) claimFree(nick string, messages []*Message) (mine []*Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range messages {
		if r.free(nick, m.ID) {
			r.people.inflight.set(nick, m.ID, nil)
			mine = append(mine, m)
		}
	}
	return mine
}

// reading makes the event that nick has read messages, which nick has claimed, and that this is
// told with receipts. When it was applied, or failed, they are released.
func (r *Room) reading(nick string, messages, receipts []*Message) *Event {
	return &Event{Message: r.newMessage(KindRead, nick, nil, ""), Read: idsOf(messages), Receipts: receipts}
}

// receiptsFor makes receipts with this text for the senders of messages to nick.
func (r *Room) receiptsFor(nick string, messages []*Message, text string) (receipts []*Message) {
	for _, m := range messages {
		if m.Kind == KindReceipt || isGuest(m.From) && !r.wroteThis(m.From, m) {
			continue
		}
		receipt := r.newMessage(KindReceipt, nick, []string{m.From}, text)
		receipt.Ref, receipt.RefTime = m.ID, m.Time
		receipts = append(receipts, &receipt)
	}
	return receipts
}

// wroteThis reports whether the guest who is called nick now is the one who wrote
// m, and not another one who came later.
func (r *Room) wroteThis(nick string, m *Message) (same bool) {
	r.withMember(nick, func(guest *member) { same = guest.firstID < m.ID })
	return same
}

// Retire has nick's history set aside, since nick is nobody's any more, and tells the
// senders of what waited in it that it will not be read. It returns how much that was, once all
// is applied: it must not be called on the log's goroutine. Errors wrap [ErrStorage].
func (r *Room) Retire(nick string) (unread int, err error) {
	for page, err := range paged(r.histories.Unread(nick), new(int)) {
		unread += len(page.Messages)
		receipts := r.receiptsFor(nick, page.Messages, ReceiptGone)
		if err == nil && len(receipts) > 0 {
			err = r.wait(r.reading(nick, nil, receipts))
		}
		if err != nil {
			return unread, err
		}
	}
	return unread, r.wait(&Event{Message: r.newMessage(KindRetired, nick, nil, "")})
}

// unread gives nick's unread messages and receipts but for those that are in flight.
func (r *Room) unread(nick string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for page, err := range paged(r.histories.Unread(nick), new(int)) {
			for _, m := range page.Messages {
				page.Searched += searchCost(m)
			}
			still, stillErr := r.stillUnread(nick, page.Messages)
			page.Messages = still
			if !yield(page, cmp.Or(err, stillErr)) || stillErr != nil {
				return
			}
		}
	}
}

// unreadTries bounds how often stillUnread asks the histories for one answer.
const unreadTries = 3

// stillUnread returns those of nick's messages that are unread now and not in flight.
// The histories are asked again when something was released meanwhile, because they may
// have been asked before it was read; too much of that only shows one twice.
func (r *Room) stillUnread(nick string, messages []*Message) (still []*Message, err error) {
	ids := idsOf(messages)
	for range unreadTries {
		before := r.count(&r.people.released)
		unread, err := r.histories.StillUnread(nick, ids)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		still = slices.DeleteFunc(slices.Clone(messages), func(m *Message) bool { return !unread[m.ID] || !r.free(nick, m.ID) })
		same := before == r.people.released
		r.mu.Unlock()
		if same {
			break
		}
	}
	return still, nil
}

// sort fills the parts of welcome that come from what the person has not read. What is more
// than a page stays unread: messages in the inbox, receipts for the next time.
func (welcome *Welcome) sort(unread []*Message) {
	for _, m := range unread {
		switch {
		case m.Kind == KindReceipt:
			if len(welcome.Receipts) < pageMessages {
				welcome.Receipts = append(welcome.Receipts, m)
			}
		case welcome.missed[m.ID]:
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
