package room

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCloseRecordsThatAllLeft(t *testing.T) {
	inHouse(t, func(h *house) {
		h.join("carol")
		h.join("dave").Leave(Broke)
		h.join("~ann").Leave(Quit)
		h.Close()
		synctest.Wait()
		here := map[string]bool{}
		for _, rec := range h.store.snapshot() {
			here[rec.message.From] = rec.message.Kind == KindJoin
		}
		for _, nick := range []string{"carol", "dave", "~ann"} {
			if stayed, ok := here[nick]; !ok || stayed {
				t.Errorf("%s did not leave on record", nick)
			}
		}
		if n := h.Stats().Members; n != 0 {
			t.Errorf("%d are still here", n)
		}
	})
}

// Sessions that end late, and timers that have fired, find a closed room.
func TestAfterClose(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob, dave := h.join("carol"), h.join("bob"), h.join("dave")
		bob.screen.manual = true
		got := carol.send("in flight", "bob")
		dave.Leave(Broke)
		h.Close()
		h.Close()
		synctest.Wait()
		records := len(h.store.snapshot())
		if _, err := h.tryJoin("erin"); !errors.Is(err, ErrClosed) {
			t.Errorf("joining: %v", err)
		}
		if _, err := h.tryJoin("~ann"); !errors.Is(err, ErrClosed) {
			t.Errorf("joining as a guest: %v", err)
		}
		if h.heartbeat(); h.attendance.alive.Stop() {
			t.Error("a timer runs")
		}
		carol.Leave(Broke)
		bob.screen.answer(false)
		bob.Leave(Quit)
		dave.Leave(Quit)
		pass(time.Hour)
		same(t, "receipt", got.words(), "bob broken")
		if n := len(h.store.snapshot()); n != records {
			t.Errorf("%d records after Close", n-records)
		}
		carol.say("is anybody here?")
		same(t, "kept", carol.send("hi", "dave").words(), "dave offline")
		carol.Away("")
		carol.Back()
		block(h, carol, "bob")
		same(t, "nobody", nicksOf(carol.Others()))
		h.quiet()
	})
}

// Whoever reads histories, which can take long, holds up nobody else.
func TestNoLockWhileReading(t *testing.T) {
	calls := map[string]func(h *house, p *user){
		"join":     func(h *house, _ *user) { _, _ = h.tryJoin("dave") },
		"inbox":    func(_ *house, p *user) { _, _ = whole(p.Inbox()) },
		"past":     func(_ *house, p *user) { _, _ = whole(p.Past(context.Background(), "", 1)) },
		"history":  func(_ *house, p *user) { _, _ = whole(p.HistoryOf(context.Background(), Lobby, 1)) },
		"markRead": func(_ *house, p *user) { _ = p.MarkRead([]*Message{{To: []string{"bob"}}}) },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				bob, carol := h.join("bob"), h.join("carol")
				h.store.set(func() { h.store.stuck = true })
				ended := make(chan struct{})
				go func() { defer close(ended); call(h, bob) }()
				pass(mergeChanges + mergeChanges/2) // between two timers of the room
				for lock, mu := range map[string]*sync.Mutex{"mu": &h.mu, "setting": &h.setting} {
					if !mu.TryLock() {
						h.t.Fatalf("%s is held", lock)
					}
					mu.Unlock()
				}
				if h.store.waiting() == 0 {
					h.t.Fatal("no history was read")
				}
				same(t, "others go on", carol.send("hi", "bob").words(), "bob delivered")
				h.store.set(func() { h.store.stuck = false })
				<-ended
			})
		})
	}
}

// shown may be called from any goroutine: here from the log's, which must not
// wait for itself.
func TestShownOnTheLogsGoroutine(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob, dave := h.join("carol"), h.join("bob"), h.join("dave")
		bob.screen.manual, dave.screen.manual = true, true
		got := carol.send("hi", "bob", "dave")
		carol.Say(KindSay, "x", func(error) { bob.screen.shown[0](true) })
		pass(confirmWithin)
		carol.Say(KindSay, "x", func(error) { dave.screen.shown[0](true) })
		pass(time.Second)
		same(t, "receipts", got.words(), "bob delivered", "dave silent")
		h.quiet()
	})
}
