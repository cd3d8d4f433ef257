package room

import (
	"context"
	"errors"
	"iter"
	"strings"
)

// Page is a part of a history, oldest message first. A history is handed out page
// by page, so that whoever takes it slowly has little of it in memory.
type Page struct {
	Messages []*Message
	Searched int // about how many bytes were looked at to find these, since the page before
}

// A page ends with whichever it reaches first.
const (
	pageMessages = 100
	pageBytes    = 64 << 10 // of text
)

// searchMost bounds the search for what somebody may see or asked for: by the cost of
// the messages that are neither.
const searchMost = 4 << 20

// ErrSearchLimit ends a history that was not searched to its beginning.
var ErrSearchLimit = errors.New("the search ended before the beginning of the history")

// searchCost is what looking at m costs, in bytes.
func searchCost(m *Message) int { return len(m.Text) + 100 }

// tail gives the newest n messages of owner that keep accepts. The error, if there
// is one, comes with the last page and is [ErrSearchLimit], or wraps [ErrStorage].
// Once ctx is over it is ctx's, soon: who has gone is not searched for.
func (r *Room) tail(ctx context.Context, owner string, n int, keep func(*Message) bool) iter.Seq2[Page, error] {
	searched, inVain := 0, 0
	return paged(r.histories.Tail(owner, n, func(m *Message) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if inVain >= searchMost {
			return false, ErrSearchLimit
		}
		searched += searchCost(m)
		if keep(m) {
			return true, nil
		}
		inVain += searchCost(m)
		return false, nil
	}), &searched)
}

// paged makes pages of messages. It takes what is in searched for each.
func paged(messages iter.Seq2[*Message, error], searched *int) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		var page Page
		size := 0
		hand := func(err error) bool {
			page.Searched, *searched = *searched, 0
			whole := page
			page, size = Page{}, 0
			return yield(whole, err)
		}
		for m, err := range messages {
			if err != nil {
				hand(err)
				return
			}
			page.Messages = append(page.Messages, m)
			size += len(m.Text)
			if (len(page.Messages) == pageMessages || size >= pageBytes) && !hand(nil) {
				return
			}
		}
		if len(page.Messages) > 0 || *searched > 0 {
			hand(nil)
		}
	}
}

// Find gives the newest message that this person may see whose id ends in suffix: one
// of the room's or, if there is none, one to or from this person. Errors are those of
// History.
func (s *Seat) Find(ctx context.Context, suffix string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		w, err := s.room.wishesOf(s.nick)
		if err != nil {
			yield(Page{}, err)
			return
		}
		if m := s.findRecent(suffix, w.blocked); m != nil {
			yield(Page{Messages: []*Message{m}}, nil)
			return
		}
		is := func(m *Message) bool {
			return strings.HasSuffix(m.ID, suffix) && m.Kind != KindReceipt && !m.hidden(w.blocked)
		}
		owners := []string{RoomHistory}
		if !s.Guest() {
			owners = append(owners, s.nick)
		}
		for _, owner := range owners {
			for page, err := range s.room.tail(ctx, owner, 1, is) {
				if !yield(page, err) || len(page.Messages) > 0 {
					return
				}
			}
		}
	}
}

// findRecent is Find among what is in memory, where a guest's last direct message is, too.
func (s *Seat) findRecent(suffix string, blocked map[string]bool) *Message {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.people.members[s.nick]; m != nil && m.last != nil && strings.HasSuffix(m.last.ID, suffix) {
		return m.last
	}
	return r.lobby.find(suffix, blocked)
}

// Collect returns all of messages, and the error that ends them.
func Collect(messages iter.Seq2[*Message, error]) ([]*Message, error) {
	var all []*Message
	for m, err := range messages {
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
	return all, nil
}
