package room

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// once sends text with a key and returns where its receipts go.
func (p *user) once(t testing.TB, key, text string, to ...string) *receipts {
	t.Helper()
	got := &receipts{}
	if err := p.Once(key, Lobby, KindSay, to, text, got.add); err != nil {
		t.Errorf("%s %q to %v: %v", key, text, to, err)
	}
	synctest.Wait()
	return got
}

// refusesOnce fails the test unless sending fails with want, and nobody is told.
func (p *user) refusesOnce(t testing.TB, want error, key, text string, to ...string) {
	t.Helper()
	err := p.Once(key, Lobby, KindSay, to, text, func(r Receipt) { t.Errorf("told %+v", r) })
	synctest.Wait()
	if !errors.Is(err, want) {
		t.Errorf("%s %q to %v: %v, want %v", key, text, to, err, want)
	}
}

// like fails the test unless a retry was answered as the first was.
func like(t testing.TB, first, again *receipts) {
	t.Helper()
	same(t, "the retry's answers", again.words(), first.words()...)
	for i, r := range again.got {
		j := slices.IndexFunc(first.got, func(f Receipt) bool { return f.To == r.To })
		if j < 0 || first.got[j].ID != r.ID || !r.Again {
			t.Errorf("retry's answer %d: %+v, first: %+v", i, r, first.got)
		}
	}
}

func (h *house) stored(text string) (n int) {
	for _, rec := range h.store.snapshot() {
		if rec.message != nil && rec.message.Text == text && (rec.owner == rec.message.From || rec.owner == RoomHistory) {
			n++
		}
	}
	return n
}

func TestOnce(t *testing.T) {
	for _, crash := range []string{"", "stop", "crash"} {
		t.Run(crash, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := build(t, &fakeSettings{of: map[string]Preferences{}}, &fakeRooms{of: map[string]RoomInfo{}}, nil)
				carol := h.join("carol")
				bob := h.join("bob")
				lines := []*receipts{
					carol.once(t, "1", "one", "bob"), carol.once(t, "2", "two", "dave", "bob", "carol", "zoe", "dave"), carol.once(t, "3", "three"),
				}
				if crash != "" {
					h = h.restart(crash == "crash")
					carol, bob = h.join("carol"), h.join("bob")
				}
				bob.screen.take()
				carol.screen.take()
				like(t, lines[0], carol.once(t, "1", "one", "bob"))
				like(t, lines[1], h.join("carol").once(t, "2", "two", "zoe", "carol", "bob", "dave"))
				like(t, lines[2], carol.once(t, "3", "three"))
				for _, text := range []string{"one", "two", "three"} {
					if n := h.stored(text); n != 1 {
						t.Errorf("%q is stored %d times", text, n)
					}
				}
				same(t, "bob sees again", bob.screen.take())
				same(t, "carol sees again", carol.screen.take())
				carol.refusesOnce(t, ErrKeyUsed, "1", "other", "bob")
				carol.refusesOnce(t, ErrKeyUsed, "1", "one", "dave")
				carol.refusesOnce(t, ErrKeyUsed, "1", "one", "bob", "dave")
				carol.refusesOnce(t, ErrKeyUsed, "1", "one")
				carol.refusesOnce(t, ErrKeyUsed, "3", "three", "bob")
				carol.refusesOnce(t, ErrKeyUsed, "2", "two", "bob")
				bob.once(t, "1", "other", "carol") // another nick's key is another key
				pass(keyTime + time.Second)
				if got := carol.once(t, "1", "one", "bob").got; len(got) != 1 || got[0].Again {
					t.Errorf("a day later: %+v", got)
				}
				h.quiet()
				h.Close()
				h.store.close()
			})
		})
	}
}

// TestOnceTogether: retries while the first is on its way wait for it.
func TestOnceTogether(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		bob.screen.manual = true
		h.store.set(func() { h.store.hold = true })
		first, second := carol.once(t, "1", "hi", "bob", "dave"), h.join("carol").once(t, "1", "hi", "bob", "dave")
		same(t, "answers before it is on disk", slices.Concat(first.words(), second.words()))
		h.store.set(func() { h.store.hold = false })
		synctest.Wait()
		third := carol.once(t, "1", "hi", "bob", "dave")
		same(t, "the answer known so far", third.words(), "dave offline")
		bob.screen.answer(true)
		like(t, first, second)
		like(t, first, third)
		same(t, "the answers", first.words(), "bob delivered", "dave offline")
		if n := h.stored("hi"); n != 1 {
			t.Errorf("stored %d times", n)
		}
	})
}

// TestOnceAtOnce: of many tries at the same time one is the first, and all get its answer.
func TestOnceAtOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		got := &receipts{}
		for _, p := range []*user{h.join("carol"), h.join("carol")} {
			for range 10 {
				go func() {
					if err := p.Once("1", Lobby, KindSay, []string{"bob"}, "hi", got.add); err != nil {
						t.Error(err)
					}
				}()
			}
		}
		synctest.Wait()
		first := slices.DeleteFunc(slices.Clone(got.got), func(r Receipt) bool { return r.Again })
		if len(got.got) != 20 || len(first) != 1 || h.stored("hi") != 1 {
			t.Errorf("%d answers, %d of them the first, stored %d times", len(got.got), len(first), h.stored("hi"))
		}
		for _, r := range got.got {
			if r.ID != first[0].ID || r.Outcome != KeptOffline {
				t.Errorf("answered %+v", r)
			}
		}
	})
}

// TestOnceRefused: of what was stored for nobody a retry is a first try.
func TestOnceRefused(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		bob := &user{Member: h.Visit(Identity{Nick: "bob"})}
		block(h, bob, "carol")
		same(t, "blocked", carol.once(t, "1", "hi", "bob").words(), "bob blocked")
		if _, err := bob.Unblock("carol"); err != nil {
			t.Error(err)
		}
		h.store.set(func() { h.store.failing = true })
		same(t, "without a disk", carol.once(t, "1", "hi", "bob").words(), "bob failed")
		same(t, "said without a disk", carol.once(t, "2", "hi").words(), " failed")
		h.store.set(func() { h.store.failing = false })
		got := carol.once(t, "1", "hi", "bob")
		same(t, "with a disk", got.words(), "bob offline")
		if got.got[0].Again || carol.once(t, "2", "hi").got[0].Again {
			t.Error("the first that was stored counts as a retry")
		}
	})
}

func TestOnceLimits(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		h.join("~ann").refusesOnce(t, ErrKeysGuest, "1", "hi", "carol")
		for i := range MaxKeys - 1 {
			carol.once(t, fmt.Sprint(i), "hi")
		}
		carol.refusesOnce(t, ErrKeys, "new", "hi", "bob", "dave")
		carol.once(t, "last", "hi", "bob")
		carol.refusesOnce(t, ErrKeys, "new", "hi", "bob")
		if got := carol.once(t, "0", "hi").got; len(got) != 1 || !got[0].Again {
			t.Errorf("a retry at the limit: %+v", got)
		}
		h.join("bob").once(t, "new", "hi", "carol")
		pass(keyTime)
		carol.once(t, "new", "hi", "bob")
		h.keys.mu.Lock()
		defer h.keys.mu.Unlock()
		if h.keys.count != 1 || len(h.keys.of) != 1 {
			t.Errorf("a day later %d answers are remembered, of %d nicks", h.keys.count, len(h.keys.of))
		}
	})
}

// TestOnceOfMany: nicks that use as many keys as they can leave some for everyone who comes later.
func TestOnceOfMany(t *testing.T) {
	ks := usedKeys{of: map[string]map[string]*use{}}
	uses := func(nick string, most int) (n int) {
		for ; n < most; n++ {
			u := &use{}
			if ks.full(nick, u) {
				break
			}
			ks.add(nick, fmt.Sprint(n), u)
		}
		return n
	}
	for i := range 200 {
		uses(fmt.Sprint("greedy", i), MaxKeys)
	}
	for i := range 100 {
		if n := uses(fmt.Sprint("modest", i), 50); n < 50 {
			t.Fatalf("after %d nicks, one may use %d keys", 200+i, n)
		}
	}
	if ks.count > maxKeysAll {
		t.Errorf("%d keys are remembered", ks.count)
	}
}

// TestOnceFull: a retry after a crash knows whose inbox was full when the message got its place.
func TestOnceFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t, &fakeSettings{of: map[string]Preferences{}}, &fakeRooms{of: map[string]RoomInfo{}}, nil)
		h.options.InboxMax = 1
		carol := h.join("carol")
		h.store.set(func() { h.store.hold = true })
		carol.send("one", "bob")
		two := carol.once(t, "2", "two", "bob", "dave")
		h.store.set(func() { h.store.hold = false })
		synctest.Wait()
		same(t, "the first", two.words(), "bob full", "dave offline")
		h = h.restart(true)
		h.options.InboxMax = 1
		like(t, two, h.join("carol").once(t, "2", "two", "bob", "dave"))
		h.Close()
		h.store.close()
	})
}

// TestOnceReadsOnce: after a restart only the first retry looks into the recipients' histories.
func TestOnceReadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t, &fakeSettings{of: map[string]Preferences{}}, &fakeRooms{of: map[string]RoomInfo{}}, nil)
		first := h.join("carol").once(t, "1", "hi", "bob", "dave", "nobody")
		h = h.restart(true)
		carol := h.join("carol")
		like(t, first, carol.once(t, "1", "hi", "bob", "dave", "nobody"))
		h.store.set(func() { h.store.broken = true })
		like(t, first, carol.once(t, "1", "hi", "bob", "dave", "nobody"))
		h.store.set(func() { h.store.broken = false })
		carol.refusesOnce(t, ErrKeyUsed, "1", "hi", "bob")
		h.Close()
		h.store.close()
	})
}

// TestOnceDoesNotWait: who has sent with a key does not wait while somebody else's history is read.
func TestOnceDoesNotWait(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		carol.once(t, "1", "hi", "bob")
		h.keys.loading.Lock()
		defer h.keys.loading.Unlock()
		same(t, "meanwhile", carol.once(t, "2", "hi", "bob").words(), "bob offline")
	})
}

// TestOnceRefusedCount: recipients who are named only in retries count, too.
func TestOnceRefusedCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t, &fakeSettings{of: map[string]Preferences{}}, &fakeRooms{of: map[string]RoomInfo{}}, nil)
		carol := h.join("carol")
		for i := range 20 {
			carol.once(t, fmt.Sprint(i), "hi", "bob")
		}
		h = h.restart(true)
		carol = h.join("carol")
		to := []string{"bob"}
		for i := range 99 {
			to = append(to, fmt.Sprint("nobody", i))
		}
		for i := range 20 {
			carol.once(t, fmt.Sprint(i), "hi", to...)
		}
		h.keys.mu.Lock()
		if h.keys.count > MaxKeys {
			t.Errorf("%d answers are remembered", h.keys.count)
		}
		h.keys.mu.Unlock()
		h.Close()
		h.store.close()
	})
}

// TestOnceAnotherHolder: the keys of a nick go with its holder.
func TestOnceAnotherHolder(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		carol.once(t, "1", "hi", "bob")
		carol.Leave(Quit)
		go h.Retire("carol")
		synctest.Wait()
		if got := h.join("carol").once(t, "1", "other", "bob").got; len(got) != 1 || got[0].Again {
			t.Errorf("the next holder: %+v", got)
		}
	})
}

func TestOnceUnreadable(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		h.store.set(func() { h.store.broken = true })
		carol.refusesOnce(t, ErrStorage, "1", "hi", "bob")
		h.store.set(func() { h.store.broken = false })
		carol.once(t, "1", "hi", "bob")
	})
}
