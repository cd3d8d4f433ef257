package room

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestInboxHasWhatWasKept(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		carol.send("delivered", "bob")
		bob.Away("")
		carol.send("away", "bob")
		h.join("dave").send("to both", "bob", "erin")
		bob.Leave(Quit)
		carol.send("offline", "bob")
		bob = h.join("bob")
		want := []string{"carol: away", "dave: to both", "carol: offline"}
		same(t, "welcome", bob.welcome.Unread.Senders, "carol", "dave")
		same(t, "inbox", texts(bob.inbox(t)), want...)
		same(t, "unread until marked", texts(bob.inbox(t)), want...)
		bob.markRead(t, bob.inbox(t)[:1])
		same(t, "the rest", texts(bob.inbox(t)), want[1:]...)
		past, err := whole(bob.Past(context.Background(), "", 10))
		same(t, "all", texts(past), "carol: delivered", "carol: away", "dave: to both", "carol: offline")
		with, err2 := whole(bob.Past(context.Background(), "dave", 10))
		same(t, "with dave", texts(with), "dave: to both")
		if err := errors.Join(err, err2); err != nil {
			t.Error(err)
		}
	})
}

func TestGuestsHaveNoInbox(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("~ann")
		h.join("bob").send("hi", "~ann")
		past, err := whole(ann.Past(context.Background(), "", 10))
		if got := append(ann.inbox(t), past...); err != nil || len(got) > 0 {
			t.Errorf("%v, %v", got, err)
		}
		for _, rec := range h.store.snapshot() {
			if isGuest(rec.owner) {
				t.Errorf("a record of %s", rec.owner)
			}
		}
		for _, e := range h.store.applied() {
			if e.Kind == KindRead {
				t.Errorf("an event that nothing follows from: %+v", e.Event)
			}
		}
	})
}

func TestTwoSessionsMarkRead(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		carol.send("hi", "bob")
		bob, other := h.join("bob"), h.join("bob")
		pass(2 * time.Second)
		carol.screen.take()
		inbox := bob.inbox(t)
		var marking sync.WaitGroup
		for _, p := range []*user{bob, other, other, bob} {
			marking.Go(func() {
				if err := p.MarkRead(append(inbox, inbox...)); err != nil {
					t.Error(err)
				}
			})
		}
		marking.Wait()
		bob.markRead(t, inbox)
		same(t, "told once", carol.screen.take(), "bob has read")
		same(t, "inbox", texts(bob.inbox(t)))
		h.quiet()
	})
}

func TestReadReceipts(t *testing.T) {
	tests := []struct {
		name     string
		before   func(h *house, carol *user) // bob reads after that
		live     []string                    // what carol's first session sees
		atJoin   []string                    // what carol is told on joining
		nextTime []string                    // and on joining again
	}{
		{"online", func(*house, *user) {}, []string{"bob has read"}, nil, nil},
		{"away", func(_ *house, carol *user) { carol.Away("lunch") }, []string{"bob has read"}, nil, nil},
		{"gone", func(_ *house, carol *user) { carol.Leave(Quit) }, nil, []string{"bob has read"}, nil},
		{"broken", func(_ *house, carol *user) { carol.Leave(Broke) }, nil, []string{"bob has read"}, nil},
		{"not shown", func(_ *house, carol *user) { carol.screen.manual = true },
			[]string{"bob has read"}, []string{"bob has read"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				carol := h.join("carol")
				carol.send("hi", "bob")
				bob := h.join("bob")
				pass(2 * time.Second)
				carol.screen.take()
				tt.before(h, carol)
				synctest.Wait()
				carol.screen.take()
				bob.markRead(t, bob.inbox(t))
				same(t, "live", carol.screen.take(), tt.live...)
				carol.screen.answer(false)
				again := h.join("carol")
				same(t, "receipts", texts(again.welcome.Receipts), tt.atJoin...)
				same(t, "no receipts in the inbox", texts(again.inbox(t)))
				again.markRead(t, again.welcome.Receipts)
				same(t, "once", texts(h.join("carol").welcome.Receipts), tt.nextTime...)
				h.quiet()
			})
		})
	}
}

// A guest hears of what was read too, but not a later guest of the same name.
func TestReadReceiptsOfGuests(t *testing.T) {
	for _, same1 := range []bool{true, false} {
		inHouse(t, func(h *house) {
			ann := h.join("~ann")
			same(t, "kept", ann.send("hi", "bob").words(), "bob offline")
			want := []string{"bob has read"}
			if !same1 {
				ann.Leave(Quit)
				ann, want = h.join("~ann"), nil
			}
			bob := h.join("bob")
			pass(2 * time.Second)
			ann.screen.take()
			bob.markRead(t, bob.inbox(t))
			same(t, "told", ann.screen.take(), want...)
			h.quiet()
		})
	}
}

func TestMarkReadFails(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		carol.send("hi", "bob")
		bob := h.join("bob")
		pass(2 * time.Second)
		carol.screen.take()
		inbox := bob.inbox(t)
		h.store.set(func() { h.store.broken = true })
		if err := bob.MarkRead(inbox); !errors.Is(err, ErrStorage) {
			t.Errorf("got %v", err)
		}
		h.store.set(func() { h.store.broken, h.store.failing = false, true }) // reads, but can't write
		if err := bob.MarkRead(inbox); !errors.Is(err, ErrStorage) {
			t.Errorf("got %v", err)
		}
		h.store.set(func() { h.store.broken = true })
		if _, err := whole(bob.Inbox()); !errors.Is(err, ErrStorage) {
			t.Errorf("got %v", err)
		}
		if again, err := h.tryJoin("bob"); !errors.Is(err, ErrStorage) || again.Member == nil {
			t.Errorf("joined as %v, error %v", again.Member, err)
		}
		h.quiet()
		h.store.set(func() { h.store.broken, h.store.failing = false, false })
		same(t, "carol hears nothing", carol.screen.take())
		same(t, "still unread", texts(bob.inbox(t)), "carol: hi")
		bob.markRead(t, inbox)
		same(t, "now she does", carol.screen.take(), "bob has read")
	})
}

// What is shown, but whose reading is not on disk yet, is not unread any more.
func TestInboxWhileSettling(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		bob.screen.manual = true
		carol.send("hi", "bob")
		h.store.set(func() { h.store.hold = true })
		bob.screen.answer(true)
		same(t, "inbox", texts(bob.inbox(t)))
		same(t, "welcome", h.join("bob").welcome.Unread.Senders)
		h.store.set(func() { h.store.hold = false })
		synctest.Wait()
		same(t, "later", texts(bob.inbox(t)))
		h.quiet()
	})
}

// Who joins while a receipt is between disk and screen is told of it once.
func TestJoinWhileReceiptCommits(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		carol.send("hi", "bob")
		carol.Leave(Quit)
		bob := h.join("bob")
		h.store.set(func() { h.store.holding = true })
		bob.markRead(t, bob.inbox(t))
		carol = h.join("carol")
		same(t, "welcome", texts(carol.welcome.Receipts))
		h.store.set(func() { h.store.holding = false })
		synctest.Wait()
		same(t, "live", texts(carol.screen.messages()), "bob has read")
		h.quiet()
	})
}

// The histories are read, and before the answer is looked at, the message is shown.
func TestShownWhileReadingTheInbox(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		bob.screen.manual = true
		carol.send("hi", "bob")
		unread, err := Collect(h.store.Unread("bob"))
		if err != nil || len(unread) != 1 {
			t.Fatal(unread, err)
		}
		stale := map[string]bool{unread[0].ID: true}
		h.histories = &staleHistories{fakeStore: h.store, stale: stale, meanwhile: func() { bob.screen.answer(true) }}
		same(t, "inbox", texts(bob.inbox(t)))
	})
}

// Two commands that read the same inbox at the same time may both show it, but only one of
// them tells its sender.
func TestReadByACommandWhileReadingTheInbox(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		carol.send("hi", "bob")
		carol.screen.take()
		one, other := h.visit("bob"), h.visit("bob")
		inbox := one.inbox(t)
		stale := map[string]bool{inbox[0].ID: true}
		h.histories = &staleHistories{fakeStore: h.store, stale: stale, meanwhile: func() {
			if err := other.MarkRead(inbox); err != nil {
				t.Error(err)
			}
		}}
		one.markRead(t, one.inbox(t))
		same(t, "told once", carol.screen.take(), "bob has read")
		same(t, "later", texts(one.inbox(t)))
		h.quiet()
	})
}

// staleHistories gives an old answer once, after something happened.
type staleHistories struct {
	*fakeStore
	stale     map[string]bool
	meanwhile func()
}

func (a *staleHistories) StillUnread(nick string, ids []string) (map[string]bool, error) {
	stale := a.stale
	if a.stale = nil; stale == nil {
		return a.fakeStore.StillUnread(nick, ids)
	}
	a.meanwhile()
	return stale, nil
}

func TestReplyTo(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, dave, bob := h.join("carol"), h.join("dave"), h.join("bob")
		want := func(nick string) {
			t.Helper()
			if got := bob.ReplyTo(); got != nick {
				t.Errorf("reply goes to %q, want %q", got, nick)
			}
		}
		want("")
		bob.Away("")
		carol.send("kept", "bob")
		want("")
		bob.Back()
		dave.send("shown", "bob")
		want("dave")
		bob.markRead(t, bob.inbox(t))
		want("dave") // carol wrote before
		bob.send("kept", "erin")
		erin := h.join("erin")
		erin.markRead(t, erin.inbox(t))
		want("dave") // a receipt is no message
		bob.Away("")
		carol.send("kept", "bob")
		bob.inbox(t)
		want("carol")
	})
}
