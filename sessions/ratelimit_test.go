package sessions

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/room"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// reader is somebody who takes all that is written.
func reader(rate float64) *session {
	ctx, stop := context.WithCancel(context.Background())
	manager := New(Config{MessageRate: rate, BotRate: 2 * rate, Log: slog.New(slog.DiscardHandler)})
	manager.rate.isBot = func(nick string) bool { return nick == "bot" }
	a := &session{
		ctx: ctx, manager: manager, out: newOutbox(newPeer(all, all), plain, manager.flushInterval),
		member: new(room.Room).Visit(room.Identity{Nick: "bob"}),
	}
	a.own.Store(&render.Style{})
	a.out.start(func() {
		if a.out.flush(func(error) (string, string) { return "", "" }) {
			stop()
		}
	})
	return a
}

// read has bob shown pages, and returns how many were taken and how long that took.
func (s *session) read(all ...room.Page) (taken int, took time.Duration) {
	began := time.Now()
	s.showPages(pages{each: func(yield func(room.Page, error) bool) {
		for _, p := range all {
			if taken++; !yield(p, nil) {
				return
			}
		}
	}})
	return taken, time.Since(began)
}

func many(n int, p room.Page) (pages []room.Page) {
	for range n {
		pages = append(pages, p)
	}
	return pages
}

// What is read counts like what is said, by its size, and so does what was searched.
func TestReadingCountsAgainstTheRate(t *testing.T) {
	big := room.Page{Messages: []*room.Message{{Kind: room.KindSay, From: "dora", Text: strings.Repeat("x", messageWorth)}}}
	small := room.Page{Messages: []*room.Message{{Kind: room.KindSay, From: "dora", Text: "hello"}}}
	searched := room.Page{Searched: 10 * messageWorth * searchedWorth}
	for name, test := range map[string]struct {
		rate  float64
		pages []room.Page
		took  time.Duration
	}{
		"a burst":            {5, many(20, big), 0},
		"more than a burst":  {5, many(45, big), 5 * time.Second},
		"few lines":          {5, many(45, small), 0},
		"what is not shown":  {5, many(3, searched), 2 * time.Second},
		"without a rate":     {0, many(1000, big), 0},
		"less than a second": {0.5, many(3, big), 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := reader(test.rate)
				taken, took := a.read(test.pages...)
				if taken != len(test.pages) || took.Round(time.Second) != test.took {
					t.Errorf("%d of %d pages in %v, want %v", taken, len(test.pages), took, test.took)
				}
				a.out.close(errQuit)
			})
		})
	}
}

// What tail and SINCE search counts, also where it is too much to be given.
func TestRefusedReplayCountsAgainstTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := reader(5)
		began := time.Now()
		refused := func(yield func(room.Page, error) bool) {
			yield(room.Page{Searched: 25 * messageWorth * searchedWorth}, room.ErrSearchLimit)
		}
		got := a.readFailed("", result.ReadingRoom, a.eachPage(refused, func([]*room.Message) int { return 0 }))
		if f, _ := got.(result.Failure); f.Reason != result.TooLongAgo || time.Since(began) != time.Second {
			t.Errorf("%+v after %v, want a refusal after a second", got, time.Since(began))
		}
		a.out.close(errQuit)
	})
}

// Whoever is gone has no more read for them, and waits no longer.
func TestReadingEndsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		big := room.Page{Messages: []*room.Message{{Text: strings.Repeat("x", messageWorth)}}}
		a := reader(0.5)
		time.AfterFunc(time.Second, func() { a.out.close(errLost) })
		if taken, took := a.read(many(100, big)...); taken != 3 || took != time.Second {
			t.Errorf("%d pages in %v", taken, took)
		}
		if wait := a.manager.rate.count("bob", 1); wait > 4*time.Second {
			t.Errorf("the next line waits for %v", wait)
		}
	})
}

// A bot has a rate of its own.
func TestRateOfBots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := reader(1)
		defer a.out.close(errQuit)
		began := time.Now()
		for _, test := range []struct {
			nick string
			n    int
			took time.Duration
		}{{"bot", 8, 0}, {"bob", 4, 0}, {"bot", 2, time.Second}, {"bob", 1, time.Second}} {
			a.waits(a.manager.rate.count(test.nick, test.n))
			if took := time.Since(began); took != test.took {
				t.Errorf("%s says %d after %v, want %v", test.nick, test.n, took, test.took)
			}
		}
	})
}

// Lists count by their size, too.
func TestListsCountAgainstTheRate(t *testing.T) {
	people := make([]result.Person, 10_000)
	for i := range people {
		people[i].Nick = strings.Repeat("x", 32)
	}
	for n, waits := range map[int]bool{500: false, len(people): true} {
		synctest.Test(t, func(t *testing.T) {
			a := reader(1)
			began := time.Now()
			a.show(result.Online{People: people[:n]})
			if took := time.Since(began); took > 0 != waits {
				t.Errorf("%d people after %v", n, took)
			}
			a.out.close(errQuit)
		})
	}
}
