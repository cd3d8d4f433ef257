package room

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// limited runs test in a house where nobody has more than most unread messages.
func limited(t *testing.T, most int, test func(h *house)) {
	t.Helper()
	inHouse(t, func(h *house) {
		h.options.InboxMax = most
		test(h)
		pass(time.Minute)
		h.quiet()
	})
}

func (h *house) waiting(nick string) int {
	h.t.Helper()
	n, err := h.store.Waiting(nick)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// fill writes to nick until the inbox is full.
func (p *user) fill(h *house, nick string) {
	for h.waiting(nick) < h.options.InboxMax {
		if got := p.send("one more", nick).got[0]; got.Outcome != KeptOffline && got.Outcome != KeptAway {
			h.t.Fatalf("filling: %v", got)
		}
	}
}

func TestFullInbox(t *testing.T) {
	limited(t, 3, func(h *house) {
		carol := h.join("carol")
		carol.fill(h, "bob")
		records := len(h.store.snapshot())
		carol.screen.take()
		got := carol.send("too much", "bob")
		same(t, "to a full inbox", got.words(), "bob full")
		if most := got.got[0].Most; most != 3 {
			t.Errorf("an inbox is said to hold %d", most)
		}
		same(t, "of another person", h.visit("dave").send("too much", "bob").words(), "bob full")
		if n := len(h.store.snapshot()); n != records {
			t.Errorf("%d records were kept", n-records)
		}
		same(t, "shown to its sender", carol.screen.take())

		bob := h.join("bob")
		if bob.welcome.Unread.Messages != 3 || !h.InboxFull(3) || h.InboxFull(2) {
			t.Errorf("bob finds %d", bob.welcome.Unread.Messages)
		}
		same(t, "online, and not read yet", carol.send("too much", "bob").words(), "bob full")
		bob.markRead(t, bob.inbox(t)[:1])
		bob.Away("")
		same(t, "one was read", carol.send("fits", "bob").words(), "bob away: ")
		same(t, "and it is full again", carol.send("too much", "bob").words(), "bob full")
		same(t, "inbox", texts(bob.inbox(t)), "carol: one more", "carol: one more", "carol: fits")
	})
}

func TestGroupPastAFullInbox(t *testing.T) {
	limited(t, 2, func(h *house) {
		carol := h.join("carol")
		carol.fill(h, "bob")
		same(t, "group", carol.send("all", "bob", "dave", "erin").words(), "bob full", "dave offline", "erin offline")
		for _, m := range carol.screen.messages()[2:] {
			same(t, "it is for", m.To, "dave", "erin")
		}
		same(t, "pair", carol.send("both", "bob", "dave").words(), "bob full", "dave offline")
		for nick, want := range map[string]int{"bob": 2, "dave": 2, "erin": 1} {
			if n := h.waiting(nick); n != want {
				t.Errorf("%d wait for %s, want %d", n, nick, want)
			}
		}
	})
}

// Receipts say what became of one's own messages: they take no place. Guests have
// no inbox, and 0 is no limit.
func TestWhatTakesNoPlace(t *testing.T) {
	limited(t, 1, func(h *house) {
		bob, dave := h.join("bob"), h.join("dave")
		bob.Leave(Quit)
		for range 3 {
			same(t, "bob writes", h.visit("bob").send("to be read", "erin").words(), "erin offline")
			erin := h.join("erin")
			erin.markRead(t, erin.inbox(t))
			erin.Leave(Quit)
		}
		if unread, _ := Collect(h.store.Unread("bob")); len(unread) != 3 {
			t.Fatalf("bob has %d receipts", len(unread))
		}
		same(t, "beside receipts", dave.send("fits", "bob").words(), "bob offline")

		h.join("~ann")
		h.store.set(func() { h.store.hold = true })
		first, second := dave.send("1", "~ann"), dave.send("2", "~ann")
		h.store.set(func() { h.store.hold = false })
		synctest.Wait()
		same(t, "a guest", append(first.words(), second.words()...), "~ann delivered", "~ann delivered")
	})
	limited(t, 0, func(h *house) {
		carol := h.join("carol")
		for range 1200 {
			same(t, "without a limit", carol.send("hi", "bob").words(), "bob offline")
		}
	})
}

func (h *house) visit(nick string) *user { return &user{Member: h.Visit(Identity{Nick: nick})} }

// A message to somebody online is unread until it was shown.
func TestFullWhileShowing(t *testing.T) {
	limited(t, 2, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		bob.screen.manual = true
		first, second := carol.send("1", "bob"), carol.send("2", "bob")
		same(t, "a third", carol.send("3", "bob").words(), "bob full")
		bob.screen.answer(true)
		same(t, "shown", append(first.words(), second.words()...), "bob delivered", "bob delivered")
		same(t, "and then", h.visit("carol").send("4", "bob").words())
		bob.screen.answer(true)
		if n := h.waiting("bob"); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

// What failed takes no place; who can't be counted can't be written to.
func TestFullWhenTheLogFails(t *testing.T) {
	limited(t, 2, func(h *house) {
		carol := h.join("carol")
		h.store.set(func() { h.store.hold = true })
		one, two, three := carol.send("1", "bob"), carol.send("2", "bob"), carol.send("3", "bob")
		h.store.set(func() { h.store.broken, h.store.hold = true, false })
		synctest.Wait()
		same(t, "all", slices.Concat(one.words(), two.words(), three.words()), "bob failed", "bob failed", "bob failed")
		same(t, "counting fails", carol.send("4", "bob").words(), "bob failed")
		h.store.set(func() { h.store.broken = false })
		carol.fill(h, "bob")
		same(t, "afterwards", carol.send("5", "bob").words(), "bob full")
	})
}

// Where a history can't take anything, its owner is sent nothing, and sends nothing.
func TestHistoryThatTakesNothing(t *testing.T) {
	limited(t, 0, func(h *house) {
		h.histories = &unreadable{h.store, "bob"}
		carol, bob := h.join("carol"), h.join("~ann")
		same(t, "to bob and others", carol.send("hi", "bob", "dave", "~ann").words(), "bob failed", "dave offline", "~ann delivered")
		same(t, "from bob", h.visit("bob").send("hi", "carol", "bob").words(), "bob self", "carol failed")
		same(t, "guests have no history", bob.send("hi", "carol").words(), "carol delivered")
		for _, e := range h.store.applied() {
			if e.From == "bob" || slices.Contains(e.To, "bob") {
				t.Errorf("on record: %+v", e.Message)
			}
		}
	})
}
