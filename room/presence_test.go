package room

import (
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"
)

// ago lists who was online within d, with how long ago they left.
func (p *user) ago(d time.Duration) (all []string) {
	now := time.Now()
	for _, who := range p.OnlineSince(now.Add(-d)) {
		if who.Online {
			all = append(all, who.Nick+" online")
		} else {
			all = append(all, who.Nick+" "+now.Sub(who.Active).String())
		}
	}
	return all
}

func TestOnlineSince(t *testing.T) {
	inHouse(t, func(h *house) {
		for _, nick := range []string{"dave", "~ann", "erin"} {
			h.join(nick).Leave(Quit)
			pass(time.Minute)
		}
		h.join("dave").Leave(Quit)
		pass(time.Minute)
		h.join("zoe")
		h.join("carol").Leave(Broke)
		bob := h.join("bob")
		same(t, "all", bob.ago(time.Hour), "carol online", "zoe online", "dave 1m0s", "erin 2m0s", "~ann 3m0s")
		same(t, "lately", bob.ago(2*time.Minute), "carol online", "zoe online", "dave 1m0s", "erin 2m0s")
		same(t, "now", bob.ago(0), "carol online", "zoe online")
		pass(time.Minute)
		same(t, "later", bob.ago(2*time.Minute), "zoe online", "carol 50s", "dave 2m0s")
		same(t, "completion", h.NicksAround("", 0, 10), "bob", "zoe")
		same(t, "completion", h.NicksAround("c", 10, 0), "bob")
		for nick, known := range map[string]bool{"bob": true, "zoe": true, "dave": true, "carol": true, "~ann": false, "nobody": false} {
			if h.Known(nick) != known {
				t.Errorf("%s is known: %v", nick, !known)
			}
		}
	})
}

func TestPresenceSurvivesRestart(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprint("crash ", crash), func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.join("dave").Leave(Quit)
				pass(time.Minute)
				carol := h.join("carol")
				h.join("erin")
				pass(10 * time.Minute)
				carol.Leave(Quit)
				pass(5*time.Minute + 30*time.Second)
				h = h.restart(crash)
				erin := "erin 1m0s"
				if crash {
					erin = "erin 1m30s" // the last mark that the server was up
				}
				pass(time.Minute)
				bob := h.join("bob")
				same(t, "after a restart", bob.ago(time.Hour), erin, "carol 6m30s", "dave 17m30s")
				pass(time.Hour)
				h = h.restart(crash)
				bob = h.join("carol")
				same(t, "after another", bob.ago(2 * time.Hour)[1:], erin[:5]+"1h1m"+erin[7:], "dave 1h17m30s")
				h.Close()
			})
		})
	}
}

// Who has stayed for longer than the past that is read at the start is not forgotten.
func TestLongStaySurvivesCrash(t *testing.T) {
	inHouse(t, func(h *house) {
		h.join("carol")
		pass(2 * seenFor)
		h = h.restart(true)
		same(t, "carol", h.join("bob").ago(time.Hour), "carol 0s")
		h.Close()
	})
}

func TestSevenDays(t *testing.T) {
	inHouse(t, func(h *house) {
		h.join("carol").Leave(Quit)
		pass(time.Hour)
		h.join("dave").Leave(Quit)
		pass(seenFor - time.Minute)
		h = h.restart(true)
		same(t, "within", h.join("bob").ago(2*seenFor), "dave 167h59m0s")
		h.Close()
	})
}

func TestAliveOnlyWhileSomebodyIsHere(t *testing.T) {
	inHouse(t, func(h *house) {
		pass(time.Hour)
		if n := len(h.store.snapshot()); n > 0 {
			t.Errorf("%d records of an empty room", n)
		}
		h.join("bob")
		pass(time.Hour)
		if n := len(h.store.snapshot()); n != 61 {
			t.Errorf("%d records of an hour", n)
		}
	})
}

func TestSeenIsBounded(t *testing.T) {
	inHouse(t, func(h *house) {
		h.mu.Lock()
		now := time.Now()
		for i := range seenMost {
			nick := fmt.Sprint("n", i)
			if i%2 == 0 {
				nick = fmt.Sprint("~g", i)
			}
			h.people.remember(nick, departure{at: now.Add(time.Duration(i) * time.Millisecond)})
		}
		h.people.remember("newest", departure{at: now.Add(time.Hour)})
		defer h.mu.Unlock()
		if n := len(h.people.seen); n != seenMost/2 || len(h.people.gone) != n {
			t.Errorf("%d nicks are remembered, %d departures", n, len(h.people.gone))
		}
		for range seenMost {
			h.people.remember("newest", departure{at: now.Add(time.Hour)})
		}
		if n := len(h.people.gone); n > seenMost+goneMore {
			t.Errorf("%d departures are remembered", n)
		}
		for nick, want := range map[string]bool{"newest": true, "n1": false, "n3": true, "~g99998": false} {
			if _, ok := h.people.seen[nick]; ok != want {
				t.Errorf("%s is remembered: %v, want %v", nick, ok, want)
			}
		}
	})
}

func TestUnreadableHistories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, owner := range []string{RoomHistory, PresenceHistory} {
			store := newStore(t)
			_, err := New(store, &unreadable{store, owner}, held, &fakeSettings{}, Options{Rooms: roomsIn(&fakeRooms{})})
			if !errors.Is(err, ErrStorage) {
				t.Errorf("%s can't be read, but the error is %v", owner, err)
			}
		}
	})
}

// unreadable can't read one owner's history.
type unreadable struct {
	*fakeStore
	owner string
}

func (a *unreadable) Tail(owner string, n int, keep func(*Message) (bool, error)) iter.Seq2[*Message, error] {
	if owner == a.owner {
		return give(nil, ErrStorage)
	}
	return a.fakeStore.Tail(owner, n, keep)
}

func (a *unreadable) Waiting(owner string) (int, error) {
	if owner == a.owner {
		return 0, ErrStorage
	}
	return a.fakeStore.Waiting(owner)
}
