package room

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// keeper is an archive that looks whether anybody's inbox holds too much whenever it
// answers, and can be slow to count.
type keeper struct {
	*fakeArchive
	fullest  atomic.Int64
	counting func() // called before counting
	counted  func() // and after
}

func (k *keeper) Append(done func(error), recs ...Record) {
	k.fakeArchive.Append(func(err error) {
		for _, nick := range []string{"bob", "dave"} {
			n, _ := k.fakeArchive.Waiting(nick)
			k.fullest.Store(max(k.fullest.Load(), int64(n)))
		}
		if done != nil {
			done(err)
		}
	}, recs...)
}

func (k *keeper) Waiting(owner string) (int, error) {
	if k.counting != nil {
		k.counting()
	}
	n, err := k.fakeArchive.Waiting(owner)
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
		seat := h.Visit(Who{Nick: fmt.Sprint("writer", i)})
		go seat.Send(to, "me too", got[i].add)
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

// Fifty people write at once, and nothing is answered before all have: exactly as
// many get in as there are places, whatever the archive can see of them.
func TestManyAtOnce(t *testing.T) {
	limited(t, 20, func(h *house) {
		k := &keeper{fakeArchive: h.archive}
		h.Room.archive = k
		h.join("carol").send("the first", "bob")
		h.archive.set(func() { h.archive.hold = true })
		got := make([]*receipts, 50)
		for i := range got {
			got[i] = &receipts{}
			go h.Visit(Who{Nick: fmt.Sprint("writer", i)}).Send([]string{"bob"}, "me too", got[i].add)
		}
		synctest.Wait()
		if err := h.inFlight("bob", 19); err != nil {
			t.Error(err)
		}
		h.archive.set(func() { h.archive.hold = false })
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

// inFlight compares how many messages to nick have a place.
func (h *house) inFlight(nick string, want int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.places[nick]
	if p == nil {
		return errors.New("nothing has a place")
	}
	if n := p.taken - p.answered; n != want {
		return fmt.Errorf("%d have a place, want %d", n, want)
	}
	return nil
}

// What is answered between the two looks of a sender is not counted twice.
func TestAnsweredWhileCounting(t *testing.T) {
	limited(t, 2, func(h *house) {
		k := &keeper{fakeArchive: h.archive}
		h.Room.archive = k
		carol := h.join("carol")
		h.archive.set(func() { h.archive.hold = true })
		carol.send("1", "bob")
		k.counting = func() {
			if !h.speaking.TryLock() {
				t.Error("nobody can speak meanwhile")
			} else {
				h.speaking.Unlock()
			}
			h.archive.set(func() { h.archive.hold = false })
			synctest.Wait()
		}
		same(t, "the second of two", carol.send("2", "bob").words(), "bob offline")
		same(t, "a third", carol.send("3", "bob").words(), "bob full")
	})
}

// The archive answers while senders count, in any order: never does anybody have
// more than the maximum, and in the end, when nothing moves, all places can be had.
func TestNeverMoreThanTheMaximum(t *testing.T) {
	limited(t, 20, func(h *house) {
		turn := 0
		k := &keeper{fakeArchive: h.archive, counted: func() {
			h.mu.Lock()
			turn++
			nap := time.Duration(turn*7%5) * time.Millisecond
			h.mu.Unlock()
			time.Sleep(nap)
		}}
		h.Room.archive = k
		carol, bob := h.join("carol"), h.join("bob")
		bob.Away("")
		for range 10 {
			crowd(h, 50, "bob", "dave")
			if carol.fill(h, "bob"); k.fullest.Load() > 20 {
				t.Fatalf("%d messages waited", k.fullest.Load())
			}
			bob.markRead(t, bob.inbox(t)[:10])
		}
		if refused := crowd(h, 50, "bob"); refused < 40 || refused == 50 {
			t.Errorf("%d of 50 were refused, with 10 places", refused)
		}
	})
}
