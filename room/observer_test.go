package room

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// observe has nick observed by somebody who is not present.
func (h *house) observe(nick string) (*Observer, *screen) {
	h.t.Helper()
	s := &screen{manual: true}
	o, err := h.Visit(Identity{Nick: nick}).Observe(s)
	if err != nil {
		h.t.Fatal(err)
	}
	return o, s
}

func everything(*Message) bool { return true }

func (o *Observer) replayed(t testing.TB, ask Replay) []string {
	t.Helper()
	if ask.Keep == nil {
		ask.Keep = everything
	}
	messages, err := whole(o.Replay(context.Background(), ask))
	if err != nil {
		t.Fatal(err)
	}
	increasing(t, append([]*Message{{}}, messages...))
	return texts(messages)
}

// An observer sees what its nick may read, and nobody sees the observer.
func TestObserver(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		o, seen := h.observe("carol")
		dave := h.join("dave")
		bob.say("hello")
		same(t, "receipts", bob.send("for carol", "carol", "dave").words(), "carol offline", "dave delivered")
		bob.send("for dave alone", "dave")
		bob.Say(KindNotice, "the end is near", nil)
		synctest.Wait()
		same(t, "the observer", seen.take(), "bob: hello", "bob: for carol", "bob: the end is near")
		if len(seen.shown) > 0 {
			t.Error("the observer is asked whether something was shown")
		}
		if h.has("carol") || len(bob.Others()) != 1 || len(dave.OnlineSince(time.Time{})) != 1 {
			t.Error("the observer is present")
		}
		if st := h.Stats(); st.Members != 2 || st.Sessions != 2 {
			t.Errorf("the observer counts: %+v", st)
		}
		o.Close()
		bob.say("goodbye")
		same(t, "after the end", seen.take())
		_, bobs := h.observe("bob")
		carol := h.join("carol")
		unread := carol.inbox(t)
		same(t, "carol's inbox", texts(unread), "bob: for carol")
		carol.markRead(t, unread)
		same(t, "bob's observer", bobs.take(), "carol has read")
		h.quiet()
	})
}

// An observer sees what the person sends, while present or not, and what the inbox was too full for is
// not there.
func TestObserverOfASender(t *testing.T) {
	inHouse(t, func(h *house) {
		h.options.InboxMax = 1
		bob := h.join("bob")
		_, carols := h.observe("carol")
		_, bobs := h.observe("bob")
		bob.send("one", "carol")
		h.store.set(func() { h.store.hold = true }) // both are sent before either has its place
		for _, text := range []string{"two", "three"} {
			bob.Send([]string{"dave"}, text, func(Receipt) {})
		}
		h.store.set(func() { h.store.hold = false })
		synctest.Wait()
		same(t, "carol", carols.take(), "bob: one")
		same(t, "bob", bobs.take(), "bob: one", "bob: two", "bob: three")
		same(t, "bob's history", texts(must(whole(bob.Past(context.Background(), "", 9)))), "bob: one", "bob: two", "bob: three")
	})
}

func must(all []*Message, err error) []*Message {
	if err != nil {
		panic(err)
	}
	return all
}

// Whom the person blocks is hidden, also when the blocking begins later, elsewhere.
func TestObserverBlocks(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, dave := h.join("bob"), h.join("dave")
		bob.say("before")
		o, seen := h.observe("carol")
		carol := h.Visit(Identity{Nick: "carol"})
		if _, err := carol.Block("bob"); err != nil {
			t.Fatal(err)
		}
		bob.say("hidden")
		bob.Say(KindNotice, "not hidden", nil)
		dave.say("heard")
		same(t, "blocking", seen.take(), "bob: not hidden", "dave: heard")
		same(t, "the past", o.replayed(t, Replay{Room: true, Newest: 10}))
		carol.Unblock("bob")
		bob.say("again")
		same(t, "not blocking", seen.take(), "bob: again")
		same(t, "the past again", o.replayed(t, Replay{Room: true, Newest: 10}), "bob: before")
	})
}

func TestReplay(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		var third string
		var noon time.Time
		for n := range 6 {
			if n == 3 {
				pass(time.Minute)
				noon = time.Now()
			}
			bob.say(fmt.Sprint("said ", n))
			bob.send(fmt.Sprint("sent ", n), "carol")
			if n == 2 {
				third = bob.screen.messages()[len(bob.screen.messages())-1].ID
			}
		}
		o, _ := h.observe("carol")
		bob.say("too late")
		same(t, "room", o.replayed(t, Replay{Room: true, Newest: 2}), "bob: said 4", "bob: said 5")
		same(t, "direct", o.replayed(t, Replay{Direct: true, Newest: 2}), "bob: sent 4", "bob: sent 5")
		same(t, "both", o.replayed(t, Replay{Room: true, Direct: true, Newest: 3}), "bob: sent 4", "bob: said 5", "bob: sent 5")
		same(t, "neither", o.replayed(t, Replay{Room: true, Direct: true}))
		want := []string{"bob: said 3", "bob: sent 3", "bob: said 4", "bob: sent 4", "bob: said 5", "bob: sent 5"}
		same(t, "after an id", o.replayed(t, Replay{Room: true, Direct: true, After: third}), want...)
		same(t, "since a time", o.replayed(t, Replay{Room: true, Direct: true, After: After(noon)}), want...)
		fours := func(m *Message) bool { return strings.HasSuffix(m.Text, "4") }
		same(t, "some", o.replayed(t, Replay{Room: true, Direct: true, Keep: fours, Newest: 9}), "bob: said 4", "bob: sent 4")
		h.store.set(func() { h.store.broken = true })
		if _, err := whole(o.Replay(context.Background(), Replay{Room: true, Newest: 1, Keep: everything})); !errors.Is(err, ErrStorage) {
			t.Errorf("on a broken disk: %v", err)
		}
	})
}

// What can't be replayed whole is not begun, so that nobody takes it for whole.
func TestReplayLimit(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		for range 500 {
			bob.Say(KindSay, strings.Repeat("x", 10_000), nil)
		}
		bob.say("the last")
		o, _ := h.observe("carol")
		last := func(m *Message) bool { return m.Text == "the last" }
		got, err := whole(o.Replay(context.Background(), Replay{Room: true, Direct: true, After: After(time.Time{}), Keep: last}))
		if len(got) > 0 || !errors.Is(err, ErrSearchLimit) {
			t.Errorf("%d messages, %v", len(got), err)
		}
		got, err = whole(o.Replay(context.Background(), Replay{Room: true, Newest: 3, Keep: last}))
		same(t, "the newest", texts(got), "bob: the last")
		is(t, "the newest", err, ErrSearchLimit)
	})
}

// A search finds what the person may read, and hides nothing else.
func TestSearch(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol, guest := h.join("bob"), h.join("carol"), h.join("~gus")
		for _, name := range []string{"ops", "plans"} {
			bob.in(t, name)
		}
		carol.in(t, "ops")
		is(t, "private", bob.SetPrivate("plans", true), nil)
		for n := range 3 {
			bob.say(fmt.Sprint("said ", n))
			bob.sayIn(t, "ops", fmt.Sprint("ops ", n))
			bob.sayIn(t, "plans", fmt.Sprint("plans ", n))
			bob.send(fmt.Sprint("sent ", n), "carol")
		}
		carol.Block("dora")
		h.join("dora").say("said 2, too")
		twos := func(m *Message) bool { return strings.Contains(m.Text, "2") }
		search := func(who *user, name string, n int) []string {
			t.Helper()
			got, err := whole(who.Search(context.Background(), name, n, twos))
			is(t, "search", err, nil)
			return texts(got)
		}
		same(t, "bob", search(bob, "", 9), "bob: said 2", "bob: ops 2", "bob: plans 2", "bob: sent 2", "dora: said 2, too")
		same(t, "the newest", search(bob, "", 2), "bob: sent 2", "dora: said 2, too")
		same(t, "carol", search(carol, "", 9), "bob: said 2", "bob: ops 2", "bob: sent 2")
		same(t, "in the lobby", search(carol, Lobby, 9), "bob: said 2")
		same(t, "a guest", search(guest, "", 9), "bob: said 2", "dora: said 2, too")
		same(t, "a guest, in a public room", search(guest, "ops", 9), "bob: ops 2")
		_, err := whole(carol.Search(context.Background(), "plans", 9, twos))
		is(t, "in a private room", err, ErrNoRoom)
	})
}

// TestReplayCountsWhatItDoesNotGive: what was searched counts, also where nothing of it is given.
func TestReplayCountsWhatItDoesNotGive(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, text := h.join("bob"), strings.Repeat("x", 10_000)
		for range 600 {
			bob.Say(KindSay, text, nil)
		}
		synctest.Wait()
		o, _ := h.observe("carol")
		seen, searched := 0, 0
		newest := func(*Message) bool { seen++; return seen <= 100 }
		for page, err := range o.Replay(context.Background(), Replay{Room: true, After: After(time.Time{}), Keep: newest}) {
			searched += page.Searched
			if len(page.Messages) > 0 || !errors.Is(err, ErrSearchLimit) {
				t.Errorf("%d messages, %v", len(page.Messages), err)
			}
		}
		if least := searchMost + 100*len(text); searched < least {
			t.Errorf("%d bytes count as searched, want at least %d", searched, least)
		}
	})
}

// Whoever observes again and again, each time after what came last, misses nothing and gets nothing
// twice, whatever is said and sent meanwhile.
func TestReplayHasNoGap(t *testing.T) {
	for name, ask := range map[string]Replay{
		"room": {Room: true}, "direct": {Direct: true}, "both": {Room: true, Direct: true},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				const people, lines = 4, 100
				var talking sync.WaitGroup
				for i := range people {
					p := h.join(fmt.Sprintf("~g%d", i))
					talking.Go(func() {
						for n := range lines {
							p.Say(KindSay, fmt.Sprint("said ", i, n), nil)
							p.Send([]string{"bob"}, fmt.Sprint("sent ", i, n), func(Receipt) {})
							if n%10 == 0 {
								time.Sleep(time.Millisecond)
							}
						}
					})
				}
				var got []*Message
				ask.Keep, ask.After = everything, After(time.Time{})
				turn := func() {
					o, seen := h.observe("bob")
					past, err := whole(o.Replay(context.Background(), ask))
					if err != nil {
						t.Error(err)
					}
					time.Sleep(time.Millisecond)
					o.Close()
					for _, m := range append(past, seen.messages()...) {
						if m.Kind == KindSay && ask.Room || m.Kind == KindDirect && ask.Direct {
							got = append(got, m)
							ask.After = m.ID
						}
					}
				}
				for range 50 {
					turn()
				}
				talking.Wait()
				synctest.Wait()
				turn()
				o, _ := h.observe("bob")
				ask.After = After(time.Time{})
				same(t, "all turns together", texts(got), o.replayed(t, ask)...)
				if want := people * lines * map[bool]int{true: 2, false: 1}[ask.Room && ask.Direct]; len(got) != want {
					t.Errorf("%d messages, want %d", len(got), want)
				}
			})
		})
	}
}

func TestObserversAreFew(t *testing.T) {
	inHouse(t, func(h *house) {
		var all []*Observer
		for range MaxObservers - 1 {
			o, _ := h.observe("carol")
			all = append(all, o)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		carol := h.Visit(Identity{Nick: "carol"})
		ended := make(chan error, 1)
		go func() { ended <- carol.AwaitOnline(ctx, "bob") }()
		synctest.Wait()
		if _, err := carol.Observe(&screen{}); !errors.Is(err, ErrObservers) {
			t.Errorf("one more: %v", err)
		}
		if err := carol.AwaitOnline(ctx, "bob"); !errors.Is(err, ErrObservers) {
			t.Errorf("one more who waits: %v", err)
		}
		h.observe("dave")
		cancel(errors.New("enough"))
		if err := <-ended; err == nil || err.Error() != "enough" {
			t.Errorf("waiting ended with %v", err)
		}
		o, _ := h.observe("carol")
		for _, o := range append(all, o) {
			o.Close()
		}
		h.mu.Lock()
		if ps := &h.people; len(ps.observers) != 1 || len(ps.listening) != 1 {
			t.Errorf("left are %d nicks' observers, %d counts", len(ps.observers), len(ps.listening))
		}
		h.mu.Unlock()
		h.Room.Close()
		if _, err := carol.Observe(&screen{}); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestAwaitOnline(t *testing.T) {
	inHouse(t, func(h *house) {
		var came []string
		var mu sync.Mutex
		await := func(as, nick string) {
			go func() {
				if err := h.Visit(Identity{Nick: as}).AwaitOnline(context.Background(), nick); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				came = append(came, as)
			}()
			synctest.Wait()
		}
		await("carol", "bob")
		await("dave", "bob")
		h.join("erin")
		same(t, "before", came)
		bob, _, _ := h.Join(Identity{Nick: "bob", Quiet: true}, &screen{})
		synctest.Wait()
		slices.Sort(came)
		same(t, "bob came", came, "carol", "dave")
		await("erin", "bob")
		same(t, "bob is here", came, "carol", "dave", "erin")
		bob.Leave(Broke)
		await("~sam", "bob")
		same(t, "bob's connection is broken", came, "carol", "dave", "erin")
		h.join("bob")
		same(t, "bob is back", came, "carol", "dave", "erin", "~sam")
	})
}

// So is what is too many messages.
func TestReplayOfTooMany(t *testing.T) {
	var records []record
	for n := range maxReplay + 1 {
		m := &Message{ID: encodeID(uint64(n + 1)), Kind: KindSay, From: "bob", Text: "x"}
		records = append(records, record{owner: RoomHistory, message: m})
	}
	inHouse(t, func(h *house) {
		o, _ := h.observe("carol")
		ask := Replay{Room: true, Keep: everything, After: encodeID(1)}
		if got, err := whole(o.Replay(context.Background(), ask)); len(got) != maxReplay || err != nil {
			t.Errorf("%d messages, %v", len(got), err)
		}
		ask.After = After(time.Time{})
		if got, err := whole(o.Replay(context.Background(), ask)); len(got) > 0 || !errors.Is(err, ErrSearchLimit) {
			t.Errorf("one more: %d messages, %v", len(got), err)
		}
	}, records...)
}

// TestSearchAll: a long history in which nothing is found does not keep a search from the others.
func TestSearchAll(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		carol.in(t, "ops")
		bob.in(t, "ops")
		for range 500 {
			carol.send(strings.Repeat("x", 10_000), "bob")
			carol.sayIn(t, "ops", strings.Repeat("x", 10_000))
		}
		bob.send("1 sent", "carol")
		bob.sayIn(t, "ops", "2 said")
		bob.say("3 lobby")
		numbered := func(m *Message) bool { return !strings.HasPrefix(m.Text, "x") }
		got, err := whole(bob.Search(context.Background(), "", 9, numbered))
		same(t, "found", texts(got), "bob: 1 sent", "bob: 2 said", "bob: 3 lobby")
		is(t, "search", err, ErrSearchLimit)
	})
}
