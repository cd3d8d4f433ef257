package room

import (
	"context"
	"errors"
	"iter"
	"math"
	"time"
)

// Page is a part of a history, oldest message first. A history is handed out page
// by page, so that a slow reader has little of it in memory.
type Page struct {
	Messages []*Message
	Searched int // about how many bytes were looked at to find these, since the page before
}

// A page ends with whichever it reaches first.
const (
	pageMessages = 100
	pageBytes    = 64 << 10 // of text
)

// searchMost bounds a search, by the cost of the messages that it passes over.
const searchMost = 4 << 20

// ErrSearchLimit ends a history that was not searched to its beginning.
var ErrSearchLimit = errors.New("the search ended before the beginning of the history")

// searchCost is what looking at m costs, in bytes.
func searchCost(m *Message) int { return len(m.Text) + 100 }

// tail gives the newest n messages of owner that keep accepts. The error, if there
// is one, comes with the last page and is [ErrSearchLimit], or wraps [ErrStorage].
// Once ctx is over it is ctx's, soon: nothing is searched for a client that has gone.
func (r *Room) tail(ctx context.Context, owner string, n int, keep func(*Message) bool) iter.Seq2[Page, error] {
	inVain := 0
	return paged(r.histories.Tail(owner, n, func(m *Message) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if inVain >= searchMost {
			return false, ErrSearchLimit
		}
		if keep(m) {
			return true, nil
		}
		inVain += searchCost(m)
		return false, nil
	}), &inVain)
}

// paged makes pages of messages. inVain grows as messages are passed over to find these. The error, and the last
// page, may come with no messages.
func paged(messages iter.Seq2[*Message, error], inVain *int) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		var page Page
		size, charged := 0, 0
		give := func(err error) bool {
			page.Searched += *inVain - charged
			more := yield(page, err)
			page, size, charged = Page{}, 0, *inVain
			return more
		}
		for m, err := range messages {
			if err != nil {
				give(err)
				return
			}
			page.Messages = append(page.Messages, m)
			page.Searched += searchCost(m)
			if size += len(m.Text); len(page.Messages) == pageMessages || size >= pageBytes {
				if !give(nil) {
					return
				}
			}
		}
		give(nil)
	}
}

// onePage is a history of one page, or an error.
func onePage(messages []*Message, err error) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) { yield(Page{Messages: messages}, err) }
}

// olderInARow is how many consecutive messages from before the time asked for end Since: the clock may have
// been set back in between.
const olderInARow = 100

// Since returns owner's messages with a Time of t or later, oldest first. Errors wrap [ErrStorage].
func Since(from Histories, owner string, t time.Time) ([]*Message, error) {
	older := 0
	return Collect(without(errEnough, from.Tail(owner, math.MaxInt, func(m *Message) (bool, error) {
		switch {
		case !m.Time.Before(t):
			older = 0
			return true, nil
		case older == olderInARow:
			return false, errEnough
		}
		older++
		return false, nil
	})))
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
