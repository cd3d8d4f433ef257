package room

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeliveredAfterDiskAndScreen(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		bob.screen.manual = true
		pass(2 * time.Second)
		carol.screen.take()
		h.store.set(func() { h.store.hold = true })
		got := carol.send("hi", "bob", "dave")
		pass(time.Minute)
		same(t, "nothing is on disk", got.words())
		h.store.set(func() { h.store.hold, h.store.holding = false, true })
		pass(time.Minute)
		same(t, "nor known to be", append(got.words(), carol.screen.take()...))
		h.store.set(func() { h.store.holding = false })
		synctest.Wait()
		same(t, "on disk, not shown", got.words(), "dave offline")
		same(t, "sender sees it", carol.screen.take(), "carol: hi")
		bob.screen.answer(true)
		same(t, "shown", got.words(), "bob delivered", "dave offline")
	})
}

func TestNotAnswering(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		bob.screen.manual = true
		got := carol.send("hi", "bob")
		pass(confirmWithin - 1)
		same(t, "still waiting", got.words())
		if n := len(bob.inbox(t)); n != 0 {
			t.Errorf("%d messages in the inbox while one is being shown", n)
		}
		pass(1)
		same(t, "not in time", got.words(), "bob silent")
		same(t, "unread meanwhile", texts(bob.inbox(t)), "carol: hi")
		pass(time.Minute)
		carol.screen.take()
		bob.screen.answer(true)
		same(t, "read at last", carol.screen.take(), "bob has read")
		pass(time.Minute)
		same(t, "told once", append(got.words(), carol.screen.take()...), "bob silent")
		same(t, "inbox", texts(bob.inbox(t)))
		h.quiet()
	})
}

// Somebody reads the inbox while a stuck session still has the message.
func TestReadElsewhereWhileStuck(t *testing.T) {
	for _, answer := range []bool{true, false} {
		inHouse(t, func(h *house) {
			carol, stuck := h.join("carol"), h.join("bob")
			stuck.screen.manual = true
			got := carol.send("hi", "bob")
			pass(confirmWithin)
			fresh := h.join("bob")
			same(t, "unread on joining", fresh.welcome.Unread.Senders, "carol")
			carol.screen.take()
			h.store.set(func() { h.store.hold = true })
			fresh.markRead(t, fresh.inbox(t))
			stuck.screen.answer(answer)
			same(t, "being marked", texts(fresh.inbox(t)))
			h.store.set(func() { h.store.hold = false })
			synctest.Wait()
			same(t, "read", carol.screen.take(), "bob has read")
			pass(time.Minute)
			same(t, "nothing more", append(got.words(), carol.screen.take()...), "bob silent")
			same(t, "inbox", texts(fresh.inbox(t)))
			h.quiet()
		})
	}
}

// A dead connection holds a message when its person connects anew.
func TestNewSessionCatchesUp(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, dead := h.join("carol"), h.join("bob")
		dead.screen.manual = true
		var told, shown, delivered []string
		var all []*receipts
		for i := range 8 {
			all = append(all, carol.send(fmt.Sprint(i), "bob"))
			shown, delivered = append(shown, fmt.Sprint("carol: ", i)), append(delivered, "bob delivered")
		}
		pass(confirmWithin - 1)
		fresh := h.join("bob")
		same(t, "shown on the new session", fresh.screen.take(), shown...)
		same(t, "so not unread", fresh.welcome.Unread.Senders)
		dead.screen.answer(false)
		pass(time.Minute)
		for _, got := range all {
			told = append(told, got.words()...)
		}
		same(t, "receipts", told, delivered...)
		h.quiet()
	})
}

// The timer of a delivery may have fired just before it was stopped, and a session
// may answer just after.
func TestLateTimer(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		bob.screen.manual = true
		for _, ok := range []bool{true, false} {
			got := carol.send("hi", "bob")
			want := map[bool]string{true: "bob delivered", false: "bob broken"}[ok]
			var d *delivery
			for _, d = range h.people.inflight["bob"] {
				bob.screen.answer(ok)
			}
			d.timeout()
			d.timeout()
			same(t, "receipts", got.words(), want)
		}
	})
}

func TestAllSessionsEndBeforeShowing(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, a, b := h.join("carol"), h.join("bob"), h.join("bob")
		a.screen.manual, b.screen.manual = true, true
		got := carol.send("hi", "bob")
		a.screen.answer(false)
		a.Leave(Broke)
		same(t, "one is left", got.words())
		b.screen.answer(false)
		b.Leave(Broke)
		same(t, "none is left", got.words(), "bob broken")
		pass(time.Minute)
		same(t, "once", got.words(), "bob broken")
		same(t, "unread", h.join("bob").welcome.Unread.Senders, "carol")
		h.quiet()
	})
}

func TestGuestEndsBeforeShowing(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, ann := h.join("carol"), h.join("~ann")
		ann.screen.manual = true
		got := carol.send("hi", "~ann")
		ann.screen.answer(false)
		same(t, "gone", got.words(), "~ann gone")
		late := carol.send("are you there?", "~ann")
		pass(confirmWithin)
		same(t, "does not answer", late.words(), "~ann gone")
		carol.screen.take()
		ann.screen.answer(true)
		same(t, "was there after all", carol.screen.take(), "~ann has read")
		h.quiet()
	})
}
