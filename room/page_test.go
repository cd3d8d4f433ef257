package room

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// past makes n records of owner's, from senders in turn.
func past(n int, owner string, kind Kind, senders ...string) (records []record) {
	for i := range n {
		m := &Message{ID: encodeID(uint64(i + 1)), Kind: kind, From: senders[i%len(senders)], Text: fmt.Sprint(i)}
		if kind == KindDirect {
			m.To = []string{owner}
		}
		records = append(records, record{owner: owner, message: m})
	}
	return records
}

// The pages of a history are the whole of it, each of a size that is bounded.
func TestPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []*Message
		for i := range rapid.IntRange(0, 500).Draw(t, "messages") {
			text := strings.Repeat("x", rapid.SampledFrom([]int{0, 60, 4000, pageBytes}).Draw(t, "bytes"))
			all = append(all, &Message{ID: fmt.Sprint(i), Text: text})
		}
		var end error
		if rapid.Bool().Draw(t, "fails") {
			end = ErrStorage
		}
		var got []*Message
		var last error
		for page, err := range paged(give(all, end), new(int)) {
			bytes, looked := 0, 0
			for _, m := range page.Messages {
				bytes += len(m.Text)
				looked += searchCost(m)
			}
			if n := len(page.Messages); last != nil || n > pageMessages || n > 1 && bytes-len(page.Messages[n-1].Text) >= pageBytes {
				t.Fatalf("a page of %d messages and %d bytes, after %v", n, bytes, last)
			}
			if page.Searched != looked {
				t.Fatalf("%d searched, want %d", page.Searched, looked)
			}
			got, last = append(got, page.Messages...), err
		}
		if !slices.Equal(got, all) || last != end {
			t.Fatalf("%d of %d messages, %v instead of %v", len(got), len(all), last, end)
		}
	})
}

// A history is searched no further than searchMost in vain, which is told and counted.
func TestSearchLimit(t *testing.T) {
	records := append(past(1, RoomHistory, KindSay, "dave"), past(searchMost/100, RoomHistory, KindSay, "carol")...)
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		lines, err := whole(bob.HistoryOf(context.Background(), Lobby, 10_000))
		if len(lines) != 10_000 || err != nil {
			t.Errorf("%d lines, %v", len(lines), err)
		}
		block(h, bob, "carol")
		searched := 0
		for page, err := range bob.HistoryOf(context.Background(), Lobby, 10) {
			searched += page.Searched
			if len(page.Messages) > 0 || !errors.Is(err, ErrSearchLimit) {
				t.Errorf("%v, %v", texts(page.Messages), err)
			}
		}
		if searched < searchMost || searched > searchMost+200 {
			t.Errorf("%d bytes were searched", searched)
		}
	}, records...)
}

// What another session reads meanwhile is not shown once more.
func TestInboxReadMeanwhile(t *testing.T) {
	const all = 5*pageMessages/2 + 1
	inHouse(t, func(h *house) {
		bob, other := h.join("bob"), h.join("bob")
		if n := bob.welcome.Unread; n.Messages != all || n.Of["carol"] != all/2+1 || len(n.Senders) != 2 {
			t.Errorf("waiting: %v", n)
		}
		var got []*Message
		for page, err := range bob.Inbox() {
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				rest := other.inbox(t)[pageMessages:]
				other.markRead(t, rest[:pageMessages])
				h.Visit(Identity{Nick: "dave"}).Send([]string{"bob"}, "later", func(Receipt) {})
				synctest.Wait()
			}
			got = append(got, page.Messages...)
			bob.markRead(t, page.Messages)
		}
		if len(got) != all-pageMessages || got[pageMessages].Text != fmt.Sprint(2*pageMessages) {
			t.Errorf("%d are shown: %v", len(got), texts(got))
		}
		same(t, "all is read", texts(bob.inbox(t)))
		h.quiet()
	}, past(all, "bob", KindDirect, "carol", "dave")...)
}

// A welcome has a page of what came meanwhile; the rest is there afterwards.
func TestWelcomeIsBounded(t *testing.T) {
	const more = pageMessages + 20
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		for i := range more {
			bob.send(fmt.Sprint("to read ", i), "dave")
		}
		bob.Leave(Broke)
		dave := h.join("dave")
		dave.markRead(t, dave.inbox(t))
		for i := range more {
			carol.send(fmt.Sprint(i), "bob")
		}
		bob = h.join("bob")
		w := bob.welcome
		if len(w.Missed) != pageMessages || w.Unread.Messages != 20 || len(w.Receipts) != pageMessages {
			t.Errorf("%d missed, %d unread, %d receipts", len(w.Missed), w.Unread.Messages, len(w.Receipts))
		}
		bob.markRead(t, slices.Concat(w.Missed, w.Receipts))
		if rest := bob.inbox(t); len(rest) != 20 || rest[0].Text != fmt.Sprint(pageMessages) {
			t.Errorf("the rest: %v", texts(rest))
		}
		if w := h.join("bob").welcome; len(w.Receipts) != 20 {
			t.Errorf("%d receipts are left", len(w.Receipts))
		}
		h.quiet()
	})
}

// Nothing is searched for who has gone.
func TestSearchEndsWithItsContext(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		ctx, gone := context.WithCancel(context.Background())
		gone()
		if lines, err := whole(bob.HistoryOf(ctx, Lobby, 10)); len(lines) > 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("%d lines, %v", len(lines), err)
		}
	}, past(3, RoomHistory, KindSay, "carol")...)
}
