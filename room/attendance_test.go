package room

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// presences counts the records of who came and went, of all or of one nick.
func (h *house) presences(nick string) (n int) {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	for _, r := range h.store.records {
		if m := r.message; r.owner == PresenceHistory && m.Kind != KindAlive && (nick == "" || m.From == nick) {
			n++
		}
	}
	return n
}

// Coming and going in a loop is written twice a minute, and what is told of it
// afterwards, also by another server, is the last of it.
func TestComingAndGoing(t *testing.T) {
	for _, nick := range []string{"bob", "~ann"} {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprint(nick, " crash ", crash), func(t *testing.T) {
				inHouse(t, func(h *house) {
					h.join("dave") // or there were no signs of life
					const minutes = 10
					for range minutes * 60 * 10 {
						h.join(nick).Leave(Quit)
						pass(100 * time.Millisecond)
					}
					pass(2 * time.Minute)
					if n := h.presences(nick); n > writtenEach*(minutes+1) || n < minutes {
						t.Errorf("%d records of %d minutes", n, minutes)
					}
					want := nick + " 2m0.1s"
					carol := h.join("carol")
					same(t, "before", carol.ago(time.Hour), "dave online", want)
					h = h.restart(crash)
					if all := h.join("carol").ago(time.Hour); !slices.Contains(all, want) {
						t.Errorf("after a restart %q, without %q", all, want)
					}
				})
			})
		}
	}
}

// Names without end are written down to a bound, and who stays is there in the end.
func TestNamesWithoutEnd(t *testing.T) {
	inHouse(t, func(h *house) {
		const minutes = 5
		for i := range minutes * 60 * 50 {
			h.join(fmt.Sprint("~guest", i)).Leave(Quit)
			pass(20 * time.Millisecond)
		}
		h.join("bob")
		if n := h.presences(""); n > writtenMost*(minutes+1) {
			t.Errorf("%d records in %d minutes", n, minutes)
		}
		if n := len(h.attendance.late); n > writtenMost {
			t.Errorf("%d changes are remembered", n)
		}
		pass(3 * time.Minute)
		if h.presences("bob") != 1 {
			t.Error("bob is not written down")
		}
		if n := len(h.attendance.late); n > 0 {
			t.Errorf("%d changes are late for ever", n)
		}
	})
}

// Whatever people do, what the history says in the end is what was true.
func TestHistoryOfPresenceIsRight(t *testing.T) {
	inHouse(t, func(h *house) {
		rnd := rand.New(rand.NewPCG(1, 2))
		here := map[string]*user{}
		left := map[string]time.Time{}
		for range 20_000 {
			nick := fmt.Sprint("nick", rnd.IntN(300))
			if p := here[nick]; p != nil {
				p.Leave(Quit)
				delete(here, nick)
				left[nick] = time.Now()
			} else {
				here[nick] = h.join(nick)
			}
			pass(time.Duration(rnd.IntN(30)) * time.Millisecond)
		}
		pass(5 * time.Minute)
		online, last := map[string]bool{}, map[string]time.Time{}
		h.store.mu.Lock()
		defer h.store.mu.Unlock()
		for _, r := range h.store.records {
			if m := r.message; m != nil && m.Kind != KindAlive && r.owner == PresenceHistory {
				online[m.From] = m.Kind == KindJoin
				if m.Kind == KindLeave {
					last[m.From] = m.Time
				}
			}
		}
		for i := range 300 {
			nick := fmt.Sprint("nick", i)
			if online[nick] != (here[nick] != nil) {
				t.Errorf("%s is online: %v, in the history %v", nick, here[nick] != nil, online[nick])
			}
			if here[nick] == nil && last[nick].Sub(left[nick]).Abs() > time.Millisecond {
				t.Errorf("%s left %v, in the history %v", nick, left[nick], last[nick])
			}
		}
	})
}

// asking is a directory that notes what it should not be asked.
type asking struct {
	fakeDirectory
	room   *Room
	bots   int // times that Bot was asked
	guests int // of these, about guests
	locked int // with the room's lock held
}

func (a *asking) Bot(nick string) bool {
	a.bots++
	if isGuest(nick) {
		a.guests++
	}
	if !a.room.mu.TryLock() {
		a.locked++
	} else {
		a.room.mu.Unlock()
	}
	return a.fakeDirectory.Bot(nick)
}

// A long list costs others nothing: it asks for nobody while they wait, is of those who left last, and says how many it
// leaves out.
func TestLongListOfWhoWasHere(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		h.join("carol")
		now := time.Now()
		h.mu.Lock()
		for i := 4999; i >= 0; i-- {
			nick := fmt.Sprint("~g", i)
			if i%10 == 0 {
				nick = fmt.Sprint("n", i)
			}
			h.people.remember(nick, departure{at: now.Add(-time.Duration(i+1) * time.Second)})
		}
		h.mu.Unlock()
		directory := &asking{fakeDirectory: held, room: h.Room}
		h.directory = directory
		got, err := bob.InSince(Lobby, now.Add(-4000*time.Second), 100)
		is(t, "asking", err, nil)
		var nicks, want []string
		for _, p := range got.People {
			nicks = append(nicks, p.Nick)
		}
		want = append(want, "carol")
		for i := range 100 {
			if i%10 == 0 {
				want = append(want, fmt.Sprint("n", i))
			} else {
				want = append(want, fmt.Sprint("~g", i))
			}
		}
		same(t, "the people", nicks, want...)
		if got.More != 3900 || got.Searched != 5002 {
			t.Errorf("%d left out, %d looked through", got.More, got.Searched)
		}
		if directory.bots != 10 || directory.guests != 0 || directory.locked != 0 {
			t.Errorf("of %d questions %d were about guests, and %d asked with the lock held", directory.bots, directory.guests, directory.locked)
		}
	})
}
