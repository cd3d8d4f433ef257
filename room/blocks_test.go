package room

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBlockHides(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, dave, bob := h.join("carol"), h.join("dave"), h.join("bob")
		pass(2 * time.Second)
		carol.say("before")
		block(h, bob, "carol")
		bob.screen.take()
		carol.say("hidden")
		dave.say("shown")
		carol.Say(KindMe, "hidden too", nil)
		synctest.Wait()
		same(t, "room", bob.screen.take(), "dave: shown")
		same(t, "refused", carol.send("hi", "bob").words(), "bob blocked")
		same(t, "could not answer", bob.send("hi", "carol").words(), "carol yours")
		second := h.join("bob")
		same(t, "recent", texts(second.welcome.Recent), "dave: shown")
		past, err := whole(second.HistoryOf(context.Background(), Lobby, 10))
		if err != nil {
			t.Error(err)
		}
		same(t, "history", texts(past), "dave: shown")
		same(t, "inbox", texts(second.inbox(t)))

		if changed, err := second.Unblock("carol"); err != nil || !changed {
			t.Errorf("%v, %v", changed, err)
		}
		carol.say("again")
		same(t, "all sessions", append(bob.screen.take(), second.screen.take()...), "carol: again", "carol: again")
		same(t, "accepted", carol.send("hi", "bob").words(), "bob delivered")
	})
}

func TestBlockedMissesNothingOfOthers(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, dave, bob := h.join("carol"), h.join("dave"), h.join("bob")
		block(h, bob, "carol")
		bob.Leave(Broke)
		for range RecentLines {
			carol.say("hidden")
			dave.say("shown")
		}
		if got := h.join("bob").welcome.Recent; len(got) != RecentLines {
			t.Errorf("%d lines, want %d", len(got), RecentLines)
		}
	})
}

func TestBlocksSurvive(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, ann := h.join("bob"), h.join("~ann")
		block(h, bob, "dave")
		block(h, bob, "carol")
		block(h, ann, "carol")
		if other := h.join("~ann"); len(lists(t, other)) != 0 {
			t.Error("a guest inherits the list of one who has the name")
		}
		same(t, "guest's", lists(t, ann), "carol")
		if _, kept := h.settings.of["~ann"]; kept {
			t.Error("a guest's list is kept")
		}
		ann.Leave(Quit)
		same(t, "forgotten", lists(t, h.join("~ann")))
		same(t, "bob's", lists(t, bob), "carol", "dave")
		bob.Leave(Quit)
		same(t, "while offline", lists(t, &user{Member: h.Visit(Identity{Nick: "bob"})}), "carol", "dave")
		h = h.restart(true)
		same(t, "refused", h.join("carol").send("hi", "bob").words(), "bob blocked")
		same(t, "after a restart", lists(t, h.join("bob")), "carol", "dave")
		h.Close()
	})
}

func lists(t *testing.T, p *user) []string {
	t.Helper()
	set, err := p.Preferences()
	if err != nil {
		t.Fatal(err)
	}
	return set.Blocked
}

func TestBlockLimits(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		for i := range maxBlocked {
			block(h, bob, fmt.Sprint("n", i))
		}
		if changed, err := bob.Block("n1"); changed || err != nil {
			t.Errorf("blocking twice: %v, %v", changed, err)
		}
		if changed, err := bob.Block("one-too-many"); changed || err == nil || !strings.Contains(err.Error(), "/unblock") {
			t.Errorf("over the limit: %v, %v", changed, err)
		}
		if changed, err := bob.Unblock("nobody"); changed || err != nil {
			t.Errorf("unblocking one who is not blocked: %v, %v", changed, err)
		}
	})
}

func TestBlockAtTheSameTime(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		const people = 100
		var blocking sync.WaitGroup
		for i := range people {
			blocking.Go(func() {
				if _, err := bob.Block(fmt.Sprint("n", i)); err != nil {
					t.Error(err)
				}
			})
		}
		blocking.Wait()
		if n := len(lists(t, bob)); n != people {
			t.Errorf("%d are blocked, want %d", n, people)
		}
	})
}

func TestBlockFails(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		h.settings.err = ErrStorage
		if changed, err := bob.Block("carol"); changed || !errors.Is(err, ErrStorage) {
			t.Errorf("%v, %v", changed, err)
		}
		same(t, "not in effect", carol.send("hi", "bob").words(), "bob delivered")
		bob.Leave(Quit)
		same(t, "a guest has none to fail", lists(t, &user{Member: h.Visit(Identity{Nick: "~ann"})}))
		visitor := &user{Member: h.Visit(Identity{Nick: "bob"})}
		_, err := visitor.Preferences()
		_, err2 := whole(visitor.HistoryOf(context.Background(), Lobby, 1))
		_, err3 := visitor.Block("carol")
		for _, err := range []error{err, err2, err3} {
			if !errors.Is(err, ErrStorage) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// A list that changes while its owner joins is in effect afterwards.
func TestBlockWhileJoining(t *testing.T) {
	inHouse(t, func(h *house) {
		blocked := make(chan bool)
		h.settings.onRead = func() {
			h.settings.onRead = nil
			go func() {
				changed, err := h.Visit(Identity{Nick: "bob"}).Block("carol")
				blocked <- changed && err == nil
			}()
			runtime.Gosched()
		}
		bob := h.join("bob")
		if !<-blocked {
			t.Error("not blocked")
		}
		same(t, "list", lists(t, bob), "carol")
		same(t, "refused", h.join("carol").send("hi", "bob").words(), "bob blocked")
	})
}
