package room

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// keeper looks whether anybody's inbox holds too much whenever the room is told of
// something, and can be slow to count.
type keeper struct {
	*fakeStore
	fullest atomic.Int64
	counted func() // called after counting
}

func keep(h *house) *keeper {
	k := &keeper{fakeStore: h.store}
	h.histories = k
	h.store.follow(func(batch []Entry) {
		for _, nick := range []string{"bob", "dave"} {
			n, _ := k.fakeStore.Waiting(nick)
			k.fullest.Store(max(k.fullest.Load(), int64(n)))
		}
		h.Apply(batch)
	})
	return k
}

func (k *keeper) Waiting(owner string) (int, error) {
	n, err := k.fakeStore.Waiting(owner)
	if k.counted != nil {
		k.counted()
	}
	return n, err
}

// crowd has n people write to the same nicks at the same time, and counts who was
// refused.
func crowd(h *house, n int, to ...string) (refused int) {
	got := make([]*receipts, n)
	for i := range n {
		got[i] = &receipts{}
		member := h.Visit(Identity{Nick: fmt.Sprint("writer", i)})
		go member.Send(to, "me too", got[i].add)
	}
	pass(time.Minute)
	for _, g := range got {
		for _, r := range g.got {
			if r.Outcome == RefusedFull {
				refused++
			}
		}
		if len(g.got) != len(to) {
			h.t.Errorf("%d receipts", len(g.got))
		}
	}
	return refused
}

// Fifty people write at once, and nothing is applied before all have: exactly as
// many get in as fit.
func TestManyAtOnce(t *testing.T) {
	limited(t, 20, func(h *house) {
		k := keep(h)
		h.join("carol").send("the first", "bob")
		h.store.set(func() { h.store.hold = true })
		got := make([]*receipts, 50)
		for i := range got {
			got[i] = &receipts{}
			go h.Visit(Identity{Nick: fmt.Sprint("writer", i)}).Send([]string{"bob"}, "me too", got[i].add)
		}
		synctest.Wait()
		h.store.set(func() { h.store.hold = false })
		synctest.Wait()
		told := map[string]int{}
		for _, g := range got {
			for _, words := range g.words() {
				told[words]++
			}
		}
		if told["bob offline"] != 19 || told["bob full"] != 31 || k.fullest.Load() != 20 {
			t.Errorf("%v; the fullest inbox had %d", told, k.fullest.Load())
		}
	})
}

// An inbox that is full when a message gets its place refuses it: also somebody online is
// not shown it, and if nobody gets it, nor is its sender.
func TestFullOnTheWay(t *testing.T) {
	limited(t, 1, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		bob.screen.manual = true
		pass(2 * time.Second)
		carol.screen.take()
		bob.screen.take()
		h.store.set(func() { h.store.hold = true })
		first, second, group := carol.send("1", "bob"), carol.send("2", "bob"), carol.send("3", "bob", "dave")
		h.store.set(func() { h.store.hold = false })
		synctest.Wait()
		same(t, "receipts", append(append(first.words(), second.words()...), group.words()...), "bob full", "bob full", "dave offline")
		if most := second.got[0].Most; most != 1 {
			t.Errorf("an inbox is said to hold %d", most)
		}
		same(t, "carol", carol.screen.take(), "carol: 1", "carol: 3")
		same(t, "bob", bob.screen.take(), "carol: 1")
		if n := h.Stats().Messages; n[KindDirect] != 1 || n[KindGroup] != 1 {
			t.Errorf("counted as sent: %v", n)
		}
		bob.screen.answer(true)
		same(t, "shown", first.words(), "bob delivered")
		same(t, "inbox", texts(bob.inbox(t)))
	})
}

// What is applied while a sender looks is not counted twice, and no lock is held meanwhile.
func TestAppliedWhileCounting(t *testing.T) {
	limited(t, 2, func(h *house) {
		k := keep(h)
		carol := h.join("carol")
		h.store.set(func() { h.store.hold = true })
		carol.send("1", "bob")
		k.counted = func() {
			h.store.set(func() { h.store.hold = false })
			synctest.Wait()
			h.NicksAround("", 0, 1)
		}
		same(t, "the second of two", carol.send("2", "bob").words(), "bob offline")
		same(t, "a third", carol.send("3", "bob").words(), "bob full")
	})
}

// Messages are applied while senders count, in any order: never does anybody have
// more than the maximum, and in the end, when nothing moves, all of it can be had.
func TestNeverMoreThanTheMaximum(t *testing.T) {
	limited(t, 20, func(h *house) {
		k := keep(h)
		var turn atomic.Int64
		k.counted = func() { time.Sleep(time.Duration(turn.Add(7)%5) * time.Millisecond) }
		carol, bob := h.join("carol"), h.join("bob")
		bob.Away("")
		for range 10 {
			crowd(h, 50, "bob", "dave")
			if carol.fill(h, "bob"); k.fullest.Load() > 20 {
				t.Fatalf("%d messages waited", k.fullest.Load())
			}
			bob.markRead(t, bob.inbox(t)[:10])
		}
		if refused := crowd(h, 50, "bob"); refused != 40 {
			t.Errorf("%d of 50 were refused, where 10 fit", refused)
		}
	})
}
