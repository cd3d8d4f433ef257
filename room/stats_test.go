package room

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStats(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		h.join("bob")
		h.join("~ann")
		h.join("dave").Leave(Broke)
		carol.say("hello")
		carol.Say(KindMe, "waves", nil)
		carol.send("hi", "bob")
		carol.send("hi", "bob", "erin")
		carol.send("hi", "erin", "zoe")
		carol.send("hi", "zoe") // nobody
		h.store.set(func() { h.store.broken = true })
		bob.send("lost", "carol")
		bob.say("shown to nobody")
		want := Stats{Members: 4, Guests: 1, Sessions: 4, Messages: map[Kind]uint64{
			KindSay: 1, KindMe: 1, KindNotice: 0, KindDirect: 2, KindGroup: 1,
		}}
		if diff := cmp.Diff(want, h.Stats()); diff != "" {
			t.Error(diff)
		}
		h.store.set(func() { h.store.broken = false })
	})
}
