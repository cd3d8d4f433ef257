package room

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// another has an event come from another server: this one has not appended it.
func (h *house) another(e *Event) {
	h.store.Append(e, func(error) {})
	synctest.Wait()
}

func event(id string, kind Kind, from, text string, to ...string) *Event {
	e := &Event{Message: Message{ID: id, Time: time.Now(), Kind: kind, From: from, To: to, Text: text}}
	if len(to) == 0 {
		e.Room = Lobby
	}
	return e
}

// Whether nothing has its place yet, or the histories have it and the room does not:
// nobody sees anything of it.
func TestNothingBeforeItIsApplied(t *testing.T) {
	for _, hold := range []bool{true, false} {
		inHouse(t, func(h *house) {
			carol, bob := h.join("carol"), h.join("bob")
			carol.send("before", "dave")
			dave := h.join("dave")
			pass(2 * time.Second)
			for _, p := range []*user{carol, bob, dave} {
				p.screen.take()
			}
			h.store.set(func() { h.store.hold, h.store.holding = hold, !hold })
			stored := 0
			count := func(error) { stored++ }
			carol.Say(KindSay, "1", count)
			carol.Say(KindMe, "2", count)
			got := carol.send("3", "bob", "erin")
			carol.Say(KindNotice, "4", count)
			dave.markRead(t, dave.inbox(t))
			pass(time.Minute)
			erin := h.join("erin")
			for _, p := range []*user{carol, bob, dave, erin} {
				for _, m := range p.screen.messages() {
					t.Errorf("%s was shown %q", p.Nick(), m.Text)
				}
				same(t, "inbox", texts(p.inbox(t)))
			}
			same(t, "answered", got.words())
			if n := h.Stats().Messages; stored > 0 || n[KindSay]+n[KindGroup] > 0 {
				t.Errorf("%d stored; sent: %v", stored, n)
			}
			if w := erin.welcome; len(w.Recent) > 0 || w.Unread.Messages > 0 {
				t.Errorf("welcomed with %v, %v", texts(w.Recent), w.Unread)
			}
			h.store.set(func() { h.store.hold, h.store.holding = false, false })
			synctest.Wait()
			same(t, "bob", texts(bob.screen.messages()), "carol: 1", "carol: 2", "carol: 3", "carol: 4")
			same(t, "carol", texts(carol.screen.messages()), "carol: 1", "carol: 2", "carol: 3", "carol: 4", "dave has read")
			same(t, "erin", texts(erin.screen.messages()), "carol: 1", "carol: 2", "carol: 3", "carol: 4")
			same(t, "receipts", got.words(), "bob delivered", "erin delivered")
			if stored != 3 {
				t.Errorf("%d stored", stored)
			}
			h.quiet()
		})
	}
}

// Two servers that apply the same log show the same lines in the same order, whatever the
// batches are and whoever appended what.
func TestTwoRoomsTellTheSameStory(t *testing.T) {
	inHouse(t, func(h *house) {
		other := build(h.t, h.settings, &fakeRooms{of: map[string]RoomInfo{}}, nil)
		defer other.store.close()
		defer other.Close()
		here, there := h.join("bob"), other.join("bob")
		carol := h.join("carol")
		var talking sync.WaitGroup
		for i := range 4 {
			talking.Go(func() {
				member := h.Visit(Identity{Nick: fmt.Sprint("n", i)})
				for n := range 50 {
					member.Say(KindSay, fmt.Sprint(i, " ", n), nil)
					member.Send([]string{"bob"}, fmt.Sprint("to bob ", i, " ", n), func(Receipt) {})
					h.store.Append(event(fmt.Sprint("x", i, n), KindSay, "zoe", fmt.Sprint("from elsewhere ", i, n)), func(error) {})
				}
			})
		}
		talking.Wait()
		synctest.Wait()
		if err := carol.MarkRead(carol.inbox(t)); err != nil {
			t.Error(err)
		}
		for rest := h.store.applied(); len(rest) > 0; {
			n := 1 + rand.IntN(min(20, len(rest)))
			other.Apply(rest[:n])
			rest = rest[n:]
		}
		synctest.Wait()
		if n := len(here.screen.messages()); n != 600 {
			t.Errorf("%d lines", n)
		}
		same(t, "the other server", texts(there.screen.messages()), texts(here.screen.messages())...)
		same(t, "whoever joins there", texts(other.join("dave").welcome.Recent), texts(h.join("dave").welcome.Recent)...)
	})
}

// What another server has appended is shown here as everything else, and nobody is
// told what became of it.
func TestEntriesOfOtherServers(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		pass(2 * time.Second)
		carol.screen.take()
		bob.screen.take()
		bob.screen.manual = true
		h.another(event("a", KindSay, "zoe", "hello"))
		h.another(event("b", KindGroup, "carol", "hi", "bob", "dave"))
		same(t, "bob", bob.screen.take(), "zoe: hello", "carol: hi")
		same(t, "carol's sessions here", carol.screen.take(), "zoe: hello", "carol: hi")
		same(t, "dave", h.join("dave").welcome.Unread.Senders, "carol")
		pass(confirmWithin)
		bob.screen.answer(true)
		same(t, "shown late", texts(carol.screen.messages()), "bob has read")

		h.another(event("c", KindDirect, "carol", "again", "bob"))
		read := event("d", KindRead, "bob", "")
		read.Read = []string{"c"}
		read.Receipts = []*Message{{ID: "e", Kind: KindReceipt, From: "bob", To: []string{"carol"}, Ref: "c"}}
		before := len(carol.screen.messages())
		h.another(read)
		same(t, "read there", texts(carol.screen.messages()[before:]), "bob has read")
		applied := len(h.store.applied())
		bob.screen.answer(true)
		for _, e := range h.store.applied()[applied:] {
			if e.From == "bob" && e.Kind == KindRead {
				t.Errorf("read here as well: %v", e.Read)
			}
		}
		same(t, "inbox", texts(bob.inbox(t)))
		h.another(&Event{Message: Message{ID: "f", Kind: "of tomorrow", From: "zoe"}})
		h.another(event("g", KindJoin, "zoe", ""))
		h.quiet()
	})
}

// picky is a log that refuses some events, at once.
type picky struct {
	*fakeStore
	refuse func(*Event) error
}

func (p *picky) Append(e *Event, failed func(error)) {
	if err := p.refuse(e); err != nil {
		failed(err)
		return
	}
	p.fakeStore.Append(e, failed)
}

// Of many things on their way some fail: those who wait for them hear of it, and nobody else.
func TestFailureReachesWhoWaits(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, erin := h.join("carol"), h.join("erin")
		carol.send("before", "erin", "bob")
		bob := h.join("bob")
		h.log = &picky{h.store, func(e *Event) error {
			if e.Text == "no" || e.Kind == KindRead && e.From == "bob" {
				return fmt.Errorf("%w: and %w", ErrStorage, ErrInvalid)
			}
			return nil
		}}
		h.store.set(func() { h.store.hold = true })
		var said []string
		for _, text := range []string{"yes", "no", "yes", "no"} {
			carol.Say(KindSay, text, func(err error) { said = append(said, fmt.Sprint(text, " ", err != nil)) })
		}
		yes, no := carol.send("yes", "dave", "erin"), carol.send("no", "dave", "erin")
		same(t, "at once", append(said, no.words()...), "no true", "no true", "dave failed", "erin failed")
		if err := bob.MarkRead(bob.inbox(t)); !errors.Is(err, ErrInvalid) {
			t.Errorf("marking as read: %v", err)
		}
		same(t, "still unread", texts(bob.inbox(t)), "carol: before")
		same(t, "the others wait", yes.words())
		h.store.set(func() { h.store.hold = false })
		synctest.Wait()
		same(t, "afterwards", append(said[2:], yes.words()...), "yes false", "yes false", "dave offline", "erin delivered")
		same(t, "shown", texts(erin.screen.messages())[1:], "carol: yes", "carol: yes", "carol: yes")
		h.quiet()
	})
}

// A message whose read mark can't be stored counts as on its way until its sender is told that it is kept: it is not in the
// inbox before that, and a session that comes meanwhile can show it. A read mark that takes long is waited for.
func TestReadMarkFails(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		pass(2 * time.Second)
		carol.screen.take()
		read := func(text string) *receipts {
			h.store.set(func() { h.store.failing = false })
			bob.screen.manual = true
			got := carol.send(text, "bob")
			h.store.set(func() { h.store.failing = true })
			bob.screen.answer(true)
			same(t, "told", got.words())
			same(t, "inbox", texts(bob.inbox(t)))
			return got
		}
		got := read("1")
		pass(confirmWithin)
		same(t, "told", got.words(), "bob silent")
		h.store.set(func() { h.store.failing = false })
		same(t, "inbox", texts(bob.inbox(t)), "carol: 1")
		bob.markRead(t, bob.inbox(t))
		same(t, "carol sees", carol.screen.take(), "carol: 1", "bob has read")

		got = read("2")
		h.store.set(func() { h.store.failing = false })
		same(t, "another session", texts(h.join("bob").screen.messages()), "carol: 2")
		same(t, "told", got.words(), "bob delivered")
		same(t, "carol sees", carol.screen.take(), "carol: 2")

		dave := h.join("dave")
		dave.screen.manual = true
		got = carol.send("3", "dave")
		h.store.set(func() { h.store.holding = true })
		dave.screen.answer(true)
		pass(2 * confirmWithin)
		same(t, "told", got.words())
		h.store.set(func() { h.store.holding, h.store.failing = false, true })
		pass(time.Second)
		same(t, "told", got.words(), "dave delivered")
		h.quiet()
	})
}

// The log's order counts for replies, and for what is on its way to the screen.
func TestOrderOfTheLog(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		h.another(event("b", KindDirect, "carol", "first", "bob"))
		h.another(event("a", KindDirect, "dave", "second", "bob"))
		if to := bob.ReplyTo(); to != "dave" {
			t.Errorf("a reply goes to %s", to)
		}
		h.another(event("c", KindSay, "carol", "before the break"))
		bob.Leave(Broke)
		h.another(event("d", KindSay, "carol", "after it"))
		h.another(event("e", KindDirect, "carol", "and this", "bob"))
		w := h.join("bob").welcome
		same(t, "lines", texts(w.Recent), "carol: after it")
		same(t, "missed", texts(w.Missed), "carol: and this")

		stuck := h.join("erin")
		stuck.screen.manual = true
		h.another(event("v", KindDirect, "carol", "third", "erin"))
		h.another(event("w", KindDirect, "carol", "fourth", "erin"))
		same(t, "shown anew", texts(h.join("erin").screen.messages()), "carol: third", "carol: fourth")
	})
}

// One event has a hundred messages at most, also where more are read.
func TestEventsAreBounded(t *testing.T) {
	const all = 2*maxRead + 50
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		if err := bob.MarkRead(bob.inbox(t)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		var read, told int
		for _, e := range h.store.applied() {
			if len(e.Read) > maxRead || len(e.Receipts) > maxRead {
				t.Errorf("one event has %d and %d", len(e.Read), len(e.Receipts))
			}
			for _, receipt := range e.Receipts {
				if receipt.ID >= e.ID { // or LastID would have to look at receipts
					t.Errorf("a receipt's id is %s, its event's %s", receipt.ID, e.ID)
				}
			}
			read, told = read+len(e.Read), told+len(e.Receipts)
		}
		if shown := len(carol.screen.messages()); read != all+all || told != all || shown != all {
			t.Errorf("%d read, of them %d shown receipts, %d told", read, shown, told)
		}
		h.quiet()
	}, past(all, "bob", KindDirect, "carol")...)
}

// Whose nick is nobody's any more has no history, and those who wrote hear of it: once
// the log has it.
func TestRetire(t *testing.T) {
	const all = maxRead + 20
	inHouse(t, func(h *house) {
		carol, ann := h.join("carol"), h.join("~ann")
		h.join("~eve").send("of a guest who leaves", "bob")
		ann.send("of a guest who stays", "bob")
		h.join("dave").send("hi", "bob")
		for _, p := range []string{"dave", "~eve"} {
			h.withPerson(p, func(m *person) { go m.sessions[0].Leave(Quit) })
		}
		bob := h.join("bob")
		bob.send("to be read", "carol")
		bob.Leave(Quit)
		pass(2 * time.Second)
		carol.screen.take()

		h.store.set(func() { h.store.failing = true })
		if _, err := h.Retire("bob"); !errors.Is(err, ErrStorage) {
			t.Errorf("on a failing disk: %v", err)
		}
		h.store.set(func() { h.store.failing, h.store.hold = false, true })
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if n, err := h.Retire("bob"); n != all+3 || err != nil {
				t.Errorf("%d were unread, %v", n, err)
			}
		}()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("retired before it was applied")
		default:
		}
		same(t, "told before", texts(carol.screen.messages()))
		h.store.set(func() { h.store.hold = false })
		<-ended
		gone := func(messages []*Message) (n int) {
			for _, m := range messages {
				if m.Kind == KindReceipt && m.Text == ReceiptGone && m.From == "bob" && m.Ref != "" {
					n++
				}
			}
			return n
		}
		if n := gone(carol.screen.messages()); n != all {
			t.Errorf("carol is told %d times", n)
		}
		if n := gone(ann.screen.messages()); n != 1 {
			t.Errorf("the guest is told %d times", n)
		}
		if n := gone(h.join("dave").welcome.Receipts); n != 1 {
			t.Errorf("who is offline is told %d times", n)
		}
		same(t, "whoever is bob next", texts(h.join("bob").inbox(t)))
		entries := h.store.applied()
		last := slices.IndexFunc(entries, func(e Entry) bool { return e.Kind == KindRetired })
		for i, e := range entries {
			if e.From == "bob" && len(e.Receipts) > 0 && (i > last || len(e.Read) > 0 || len(e.Receipts) > maxRead) {
				t.Errorf("event %d, before %d, has %d read and %d receipts", i, last, len(e.Read), len(e.Receipts))
			}
		}
		h.quiet()
	}, past(all, "bob", KindDirect, "carol")...)
}
