package room

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestReceipts(t *testing.T) {
	tests := []struct {
		name string
		set  func(h *house, carol *user) // carol writes; bob, dave and erin have keys
		to   []string
		want []string
	}{
		{"online", func(h *house, _ *user) { h.join("bob") }, []string{"bob"}, []string{"bob delivered"}},
		{"two sessions", func(h *house, _ *user) { h.join("bob"); h.join("bob") }, []string{"bob"}, []string{"bob delivered"}},
		{"offline", nil, []string{"bob"}, []string{"bob offline"}},
		{"away and not here", func(h *house, _ *user) { h.Visit(Identity{Nick: "bob"}).Away("lunch") }, []string{"bob"}, []string{"bob away: lunch"}},
		{"left while away", func(h *house, _ *user) {
			bob := h.join("bob")
			bob.Away("lunch")
			bob.Leave(Quit)
		}, []string{"bob"}, []string{"bob away: lunch"}},
		{"away", func(h *house, _ *user) { h.join("bob").Away("lunch") }, []string{"bob"}, []string{"bob away: lunch"}},
		{"back", func(h *house, _ *user) {
			bob := h.join("bob")
			bob.Away("lunch")
			was, err := bob.Back()
			is, err2 := bob.Back()
			if !was || is || err != nil || err2 != nil {
				h.t.Error("Back does not say whether one was away")
			}
		}, []string{"bob"}, []string{"bob delivered"}},
		{"broken", func(h *house, _ *user) { h.join("bob").Leave(Broke) }, []string{"bob"}, []string{"bob broken"}},
		{"self", nil, []string{"carol"}, []string{"carol self"}},
		{"unknown", nil, []string{"zoe", "~zoe"}, []string{"zoe unknown", "~zoe unknown"}},
		{"online without a known key", func(h *house, _ *user) { h.join("zoe") }, []string{"zoe"}, []string{"zoe delivered"}},
		{"guest", func(h *house, _ *user) { h.join("~ann") }, []string{"~ann"}, []string{"~ann delivered"}},
		{"whose key is gone", func(h *house, _ *user) { h.join("zoe").Leave(Quit) }, []string{"zoe"}, []string{"zoe unknown"}},
		{"guest is away", func(h *house, _ *user) { h.join("~ann").Away("") }, []string{"~ann"}, []string{"~ann delivered"}},
		{"guest left", func(h *house, _ *user) { h.join("~ann").Leave(Quit) }, []string{"~ann"}, []string{"~ann gone"}},
		{"blocked by recipient", func(h *house, _ *user) { block(h, h.join("bob"), "carol") }, []string{"bob"}, []string{"bob blocked"}},
		{"blocked by one offline", func(h *house, _ *user) {
			block(h, &user{Member: h.Visit(Identity{Nick: "bob"})}, "carol")
		}, []string{"bob"}, []string{"bob blocked"}},
		{"blocked by me", func(h *house, carol *user) { block(h, carol, "bob") }, []string{"bob"}, []string{"bob yours"}},
		{"nobody", nil, nil, nil},
		{"twice", nil, []string{"bob", "carol", "bob", "carol"}, []string{"bob offline", "carol self"}},
		{"group", func(h *house, _ *user) { h.join("bob"); h.join("dave").Away("out") },
			[]string{"bob", "carol", "dave", "erin", "zoe"},
			[]string{"bob delivered", "carol self", "dave away: out", "erin offline", "zoe unknown"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				carol := h.join("carol")
				if tt.set != nil {
					tt.set(h, carol)
				}
				got := carol.send("hi", tt.to...)
				same(t, "receipts", got.words(), tt.want...)
				pass(time.Minute)
				same(t, "a minute later", got.words(), tt.want...)
				h.quiet()
			})
		})
	}
}

func block(h *house, p *user, nick string) {
	h.t.Helper()
	if changed, err := p.Block(nick); err != nil || !changed {
		h.t.Fatalf("blocking %s: %v, %v", nick, changed, err)
	}
}

func TestGroupIsOneMessage(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob, dave := h.join("carol"), h.join("bob"), h.join("dave")
		pass(2 * time.Second)
		for _, p := range []*user{carol, bob, dave} {
			p.screen.take()
		}
		carol.send("hi all", "bob", "dave", "~ann", "erin")
		m := carol.screen.messages()[0]
		for _, p := range []*user{carol, bob, dave} {
			got := p.screen.messages()
			if len(got) != 1 || got[0] != m || m.Kind != KindGroup || len(m.To) != 3 {
				t.Errorf("%s was shown %+v", p.Nick(), got)
			}
		}
		erin := h.join("erin")
		if inbox := erin.inbox(t); len(inbox) != 1 || inbox[0].ID != m.ID {
			t.Errorf("erin's inbox has %v", inbox)
		}
		carol.send("only you", "bob", "zoe")
		if m := bob.screen.messages()[1]; m.Kind != KindDirect {
			t.Errorf("the only one accepted gets a %s message", m.Kind)
		}
	})
}

func TestLogFails(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		pass(2 * time.Second)
		bob.screen.take()
		carol.screen.take()
		h.store.set(func() { h.store.broken = true })
		got := carol.send("hi", "bob", "dave", "carol")
		same(t, "receipts", got.words(), "bob failed", "carol self", "dave failed")
		same(t, "shown", append(bob.screen.take(), carol.screen.take()...))
		h.store.set(func() { h.store.broken = false })
		same(t, "inbox", h.join("dave").welcome.Unread.Senders)
		h.quiet()
	})
}

func TestSettingsFail(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		h.settings.err = ErrStorage
		same(t, "unreadable list of the recipient", carol.send("hi", "bob").words(), "bob failed")
		same(t, "nor of a visitor", (&user{Member: h.Visit(Identity{Nick: "dave"})}).send("hi", "carol").words(), "carol failed")
		if _, err := h.tryJoin("bob"); err == nil {
			t.Error("bob joins without a block list")
		}
	})
}

// Recipients who join between the commit and the dispatch are shown the message,
// and only once; those who leave then find it later.
func TestJoinAndLeaveBeforeDispatch(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, dave := h.join("carol"), h.join("dave")
		pass(2 * time.Second)
		h.store.set(func() { h.store.holding = true })
		got := carol.send("hi", "bob", "dave")
		bob := h.join("bob")
		same(t, "not in the inbox yet", append(bob.welcome.Unread.Senders, texts(bob.inbox(t))...))
		dave.Leave(Quit)
		h.store.set(func() { h.store.holding = false })
		pass(2 * time.Second)
		same(t, "receipts", got.words(), "bob delivered", "dave offline")
		same(t, "shown", texts(bob.screen.messages()), "carol: hi")
		same(t, "not unread", texts(bob.inbox(t)))
		same(t, "kept", h.join("dave").welcome.Unread.Senders, "carol")
		h.quiet()
	})
}

// Whoever takes a guest's name sees nothing that was from or to an earlier guest of the name, whether it is on its way or
// waits for a receipt.
func TestEarlierGuest(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, ann := h.join("bob"), h.join("~ann")
		h.store.set(func() { h.store.hold = true })
		ann.send("from her", "carol")
		got := bob.send("to her", "~ann")
		ann.Leave(Quit)
		second := h.join("~ann")
		h.store.set(func() { h.store.hold = false })
		synctest.Wait()
		same(t, "bob is told", got.words(), "~ann gone")
		carol := h.join("carol")
		carol.markRead(t, carol.inbox(t))
		same(t, "another ~ann", texts(second.screen.messages()))
		second.send("hers", "carol")
		same(t, "another ~ann", texts(second.screen.messages()), "~ann: hers")

		second.Leave(Quit)
		visitor := h.Visit(Identity{Nick: "~ann"})
		visitor.Send([]string{"erin"}, "in passing", func(Receipt) {})
		synctest.Wait()
		visitor.Leave(Quit)
		visitor = h.Visit(Identity{Nick: "~ann"})
		seen := &screen{}
		o, err := visitor.Observe(seen)
		is(t, "observe", err, nil)
		erin := h.join("erin")
		erin.markRead(t, erin.inbox(t))
		same(t, "who observes as ~ann", texts(seen.messages()))
		o.Close()
	})
}
