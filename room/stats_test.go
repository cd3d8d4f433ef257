package room

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStats(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		h.join("bob")
		h.join("~ann")
		h.join("kaybot")
		h.join("raybot").Leave(Quit)
		h.join("dave").Leave(Broke)
		carol.say("hello")
		carol.Say(KindMe, "waves", nil)
		carol.in(t, "ops")
		carol.in(t, "plans")
		is(t, "private", carol.SetPrivate("plans", true), nil)
		carol.sayIn(t, "plans", "hello")
		carol.send("hi", "bob")
		carol.send("hi", "bob", "erin")
		carol.send("hi", "erin", "zoe")
		carol.send("hi", "zoe") // nobody
		h.store.set(func() { h.store.broken = true })
		bob.send("lost", "carol")
		bob.say("shown to nobody")
		want := Stats{Members: 4, Guests: 1, Bots: 1, Sessions: 5, Messages: map[Kind]uint64{
			KindSay: 2, KindMe: 1, KindNotice: 0, KindDirect: 2, KindGroup: 1,
		}, Rooms: 2, Private: 1, RoomLines: 1}
		if diff := cmp.Diff(want, h.Stats()); diff != "" {
			t.Error(diff)
		}
		h.store.set(func() { h.store.broken = false })
	})
}

// A bot is shown as one, and nobody who joins is told of it as of a person.
func TestBots(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		pass(2 * mergeChanges)
		carol.screen.take()
		bot := h.join("kaybot")
		pass(mergeChanges)
		bot.Leave(Quit)
		pass(mergeChanges)
		told := ""
		carol.screen.mu.Lock()
		for _, u := range carol.screen.events {
			if c := u.Presence; c != nil && c.Bots["kaybot"] {
				told += fmt.Sprintf("+%v -%v ", c.Joined, c.Left)
			}
		}
		carol.screen.mu.Unlock()
		if want := "+[kaybot] -[] +[] -[kaybot] "; told != want {
			t.Errorf("told %s, want %s", told, want)
		}
		for _, p := range carol.OnlineSince(time.Now().Add(-time.Hour)) {
			if p.Nick != "kaybot" || !p.Bot || p.Online {
				t.Errorf("%+v", p)
			}
		}
		h.join("kaybot")
		if all := carol.Others(); len(all) != 1 || !all[0].Bot {
			t.Errorf("%+v", all)
		}
		for _, nick := range []string{"dave", "raybot"} {
			_, welcome, err := h.Join(Identity{Nick: nick}, &screen{})
			if err != nil || welcome.OthersOnline != len(welcome.Others) || slices.ContainsFunc(welcome.Others, func(p Presence) bool { return p.Bot }) {
				t.Errorf("%s: %+v, %v", nick, welcome, err)
			}
		}
	})
}
