package room

import (
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
	n, err := h.archive.Waiting(nick)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// fill writes to nick until the inbox is full.
func (p *person) fill(h *house, nick string) {
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
		records := len(h.archive.snapshot())
		carol.screen.take()
		got := carol.send("too much", "bob")
		same(t, "to a full inbox", got.words(), "bob full")
		if most := got.got[0].Most; most != 3 {
			t.Errorf("an inbox is said to hold %d", most)
		}
		same(t, "of another person", h.visit("dave").send("too much", "bob").words(), "bob full")
		if n := len(h.archive.snapshot()); n != records {
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
		if unread, _ := Collect(h.archive.Unread("bob")); len(unread) != 3 {
			t.Fatalf("bob has %d receipts", len(unread))
		}
		same(t, "beside receipts", dave.send("fits", "bob").words(), "bob offline")

		h.join("~ann")
		h.archive.set(func() { h.archive.hold = true })
		first, second := dave.send("1", "~ann"), dave.send("2", "~ann")
		h.archive.set(func() { h.archive.hold = false })
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

func (h *house) visit(nick string) *person { return &person{Seat: h.Visit(Who{Nick: nick})} }

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
func TestPlacesWhenTheArchiveFails(t *testing.T) {
	limited(t, 2, func(h *house) {
		carol := h.join("carol")
		h.archive.set(func() { h.archive.hold = true })
		one, two := carol.send("1", "bob"), carol.send("2", "bob")
		same(t, "a third", carol.send("3", "bob").words(), "bob full")
		h.archive.set(func() { h.archive.broken, h.archive.hold = true, false })
		synctest.Wait()
		same(t, "both", append(one.words(), two.words()...), "bob failed", "bob failed")
		same(t, "counting fails", carol.send("4", "bob").words(), "bob failed")
		h.archive.set(func() { h.archive.broken = false })
		carol.fill(h, "bob")
	})
}
