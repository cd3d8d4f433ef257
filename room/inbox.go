package room

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
)

// Inbox gives the direct and group messages that the person has not read, oldest
// first; pages can be empty. Call MarkRead when those of a page have been shown. The
// error, if there is one, comes last and wraps ErrStorage.
func (s *Member) Inbox() iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if s.Guest() {
			return
		}
		for page, err := range s.room.unread(s.nick) {
			page.Messages = slices.DeleteFunc(page.Messages, func(m *Message) bool { return m.Kind == KindReceipt })
			s.room.wasWritten(s.nick, page.Messages)
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
func (s *Member) Waiting() (Waiting, error) {
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
func (s *Member) Past(ctx context.Context, with string, n int) iter.Seq2[Page, error] {
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
func (s *Member) MarkRead(shown []*Message) error {
	r := s.room
	for some := range slices.Chunk(shown, maxRead) {
		read, err := r.unreadAmong(s.nick, some, true)
		if err != nil {
			return err
		}
		if len(read) == 0 {
			continue
		}
		if err := r.wait(reading(s.nick, read, receiptsFor(s.nick, read, ""))); err != nil {
			return err
		}
	}
	return nil
}

// AwaitRead returns once it is on disk that messages to the person, which a session has just
// confirmed, were read. The error wraps ErrStorage: they stay unread. It must not be called on the
// log's goroutine.
func (s *Member) AwaitRead(ids []string) error {
	r := s.room
	r.mu.Lock()
	for slices.ContainsFunc(ids, func(id string) bool {
		d := r.people.inflight[s.nick][id]
		return d != nil && d.reading
	}) {
		r.people.released.Wait()
	}
	r.mu.Unlock()
	if s.Guest() {
		return nil
	}
	still, err := r.histories.StillUnread(s.nick, ids)
	if err == nil && slices.ContainsFunc(ids, func(id string) bool { return still[id] }) {
		err = fmt.Errorf("%w: it is not on record that messages were read", ErrStorage)
	}
	return err
}

// unreadAmong returns those of messages to nick that are unread and not in flight. Claimed, these
// are in flight from now on. Which are in flight is looked at first: what is released after
// that is not taken for unread because the histories were asked before. A message that no session
// confirmed in time counts as unread; a pending one is about to be delivered, though the
// histories may have it.
func (r *Room) unreadAmong(nick string, messages []*Message, claim bool) (unread []*Message, err error) {
	var free, others []*Message
	r.mu.Lock()
	for _, m := range messages {
		d := r.people.inflight[nick][m.ID]
		if pending := m.ID > r.lastID; pending || d != nil && (d.reading || !d.answered) {
			continue
		}
		free = append(free, m)
		if claim {
			r.people.inflight.set(nick, m.ID, &delivery{reading: true})
		}
	}
	r.mu.Unlock()
	if len(free) == 0 {
		return nil, nil
	}
	still, err := r.histories.StillUnread(nick, idsOf(free))
	for _, m := range free {
		if still[m.ID] && err == nil {
			unread = append(unread, m)
		} else {
			others = append(others, m)
		}
	}
	if claim {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.people.release(nick, idsOf(others))
	}
	return unread, err
}

// reading makes the event that nick has read messages, which are claimed, with receipts for their
// senders. When it is applied, or fails, they are released.
func reading(nick string, messages, receipts []*Message) *Event {
	return &Event{Message: Message{Kind: KindRead, From: nick}, Read: idsOf(messages), Receipts: receipts}
}

// receiptsFor makes receipts with this text for the senders of messages to nick.
func receiptsFor(nick string, messages []*Message, text string) (receipts []*Message) {
	for _, m := range messages {
		if m.Kind == KindReceipt {
			continue
		}
		receipts = append(receipts, &Message{
			Kind: KindReceipt, From: nick, To: []string{m.From}, Text: text, Ref: m.ID, RefTime: m.Time,
		})
	}
	return receipts
}

// wasWritten notes, for replies, that nick was shown these direct messages. One that is shown
// late does not hide a newer one.
func (r *Room) wasWritten(nick string, messages []*Message) {
	r.withPerson(nick, func(p *person) {
		for _, m := range messages {
			if p.last == nil || p.last.ID < m.ID {
				p.last = m
			}
		}
	})
}

// Retire has nick's history set aside, since the nick has no holder any more, and tells the
// senders of unread messages that they will not be read; LeaveRooms is to be called before. It returns how many there were, once all
// is applied: it must not be called on the log's goroutine. Errors wrap [ErrStorage].
func (r *Room) Retire(nick string) (unread int, err error) {
	for page, err := range paged(r.histories.Unread(nick), new(int)) {
		unread += len(page.Messages)
		receipts := receiptsFor(nick, page.Messages, ReceiptGone)
		if err == nil && len(receipts) > 0 {
			err = r.wait(reading(nick, nil, receipts))
		}
		if err != nil {
			return unread, err
		}
	}
	return unread, r.wait(&Event{Message: Message{Kind: KindRetired, From: nick}})
}

// unread gives nick's unread messages and receipts but for those that are in flight, checked
// again for each page, since pages are taken slowly.
func (r *Room) unread(nick string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for page, err := range paged(r.histories.Unread(nick), new(int)) {
			still, stillErr := r.unreadAmong(nick, page.Messages, false)
			page.Messages = still
			if !yield(page, cmp.Or(err, stillErr)) || stillErr != nil {
				return
			}
		}
	}
}
