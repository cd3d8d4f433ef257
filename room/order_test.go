package room

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Everybody's screen and the file tell the same story.
func TestOneOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		const people, lines = 8, 50
		var everyone []*user
		for i := range people {
			everyone = append(everyone, h.join(fmt.Sprintf("~g%d", i)))
		}
		pass(2 * time.Second)
		for _, p := range everyone {
			p.screen.take()
		}
		var talking sync.WaitGroup
		for i, p := range everyone {
			talking.Go(func() {
				for n := range lines {
					p.Say(KindSay, fmt.Sprint(i, n), nil)
					p.Send([]string{"bob"}, "x", func(Receipt) {}) // takes ids in between
				}
			})
		}
		talking.Wait()
		synctest.Wait()
		file, err := whole(everyone[0].HistoryOf(context.Background(), Lobby, 2*people*lines))
		if err != nil || len(file) != people*lines {
			t.Fatalf("%d lines in the file, error %v", len(file), err)
		}
		for _, p := range everyone {
			var said []*Message
			for _, m := range p.screen.messages() {
				if m.Kind == KindSay {
					said = append(said, m)
				}
			}
			same(t, "screen", texts(said), texts(file)...)
		}
	})
}

func increasing(t testing.TB, messages []*Message) {
	t.Helper()
	for i, m := range messages[1:] {
		if m.ID <= messages[i].ID {
			t.Fatalf("%s comes after %s", m.ID, messages[i].ID)
		}
	}
}

func TestSayIsToldWhenStored(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		h.store.set(func() { h.store.holding = true })
		var told []error
		bob.Say(KindMe, "waves", func(err error) { told = append(told, err) })
		synctest.Wait()
		if len(told) > 0 || len(bob.screen.take()) > 0 {
			t.Error("shown before it is on disk")
		}
		h.store.set(func() { h.store.holding = false })
		synctest.Wait()
		if len(told) != 1 || told[0] != nil {
			t.Errorf("told %v", told)
		}
		h.store.set(func() { h.store.broken = true })
		bob.Say(KindSay, "is anybody here?", func(err error) { told = append(told, err) })
		bob.say("no callback")
		if len(told) != 2 || told[1] == nil {
			t.Errorf("told %v of a failing disk", told)
		}
		same(t, "shown", bob.screen.take(), "bob: waves")
		h.store.set(func() { h.store.broken = false })
		bob.say("the disk works again")
		same(t, "afterwards", bob.screen.take(), "bob: the disk works again")
	})
}

// The clock goes back by a day while the server is down: ids still go on.
func TestIDsSurviveClockSteps(t *testing.T) {
	tomorrow := &Message{ID: encodeID(uint64(time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC).UnixMicro())),
		Kind: KindSay, From: "bob", Time: time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC), Text: "tomorrow"}
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		bob.say("today")
		bob.say("today too")
		h2 := h.restart(true)
		defer h2.Close()
		carol := h2.join("carol")
		carol.say("after the restart")
		all, err := whole(carol.HistoryOf(context.Background(), Lobby, 10))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "order", texts(all), "bob: tomorrow", "bob: today", "bob: today too", "carol: after the restart")
		increasing(t, all)
		same(t, "recent", texts(h2.join("dave").welcome.Recent), texts(all)...)
		carol.Leave(Broke)
		h2.join("dave").say("while carol was away")
		same(t, "missed", texts(h2.join("carol").welcome.Recent), "dave: while carol was away")
	}, record{owner: RoomHistory, message: tomorrow})
}

func TestIDs(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	s := &idSource{}
	last := ""
	for i, step := range []time.Duration{0, 0, time.Microsecond, time.Hour, -24 * time.Hour, 0, 48 * time.Hour} {
		now = now.Add(step)
		id := s.next(now)
		if id <= last || len(id) != idLen {
			t.Errorf("step %d: %q after %q", i, id, last)
		}
		if encodeID(decodeID(id)) != id {
			t.Errorf("%q is decoded as %d", id, decodeID(id))
		}
		last = id
	}
	if id := s.next(time.Time{}); id <= last {
		t.Errorf("%q before 1970, after %q", id, last)
	}
	for _, no := range []string{"", "x", strings.Repeat("u", idLen), strings.Repeat("0", idLen+1)} {
		if v := decodeID(no); v != 0 {
			t.Errorf("%q is decoded as %d", no, v)
		}
	}
}
