package room

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneMemberForManySessions(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		pass(2 * time.Second)
		first, second := h.join("bob"), h.join("bob")
		same(t, "joined with the first", carol.screen.take(), "+[bob] -[]")
		if s := h.Stats(); s.Members != 2 || s.Sessions != 3 {
			t.Errorf("%d nicks with %d sessions online", s.Members, s.Sessions)
		}
		pass(2 * time.Second)
		first.Leave(Quit)
		first.Leave(Quit) // twice does nothing
		pass(2 * time.Second)
		same(t, "one session is left", carol.screen.take())
		second.Leave(Quit)
		synctest.Wait()
		same(t, "left with the last", carol.screen.take(), "+[] -[bob]")
	})
}

func TestLeave(t *testing.T) {
	tests := []struct {
		name, nick string
		leave      func(h *house, p *user)
		wait       time.Duration
		here       bool
	}{
		{"quit", "bob", func(_ *house, p *user) { p.Leave(Quit) }, 0, false},
		{"broke", "bob", func(_ *house, p *user) { p.Leave(Broke) }, graceAfterBreak - 1, true},
		{"broke for long", "bob", func(_ *house, p *user) { p.Leave(Broke) }, graceAfterBreak, false},
		{"broke twice", "bob", func(_ *house, p *user) {
			p.Leave(Broke)
			pass(graceAfterBreak / 2)
			p.Leave(Broke)
			p.Leave(Quit)
		}, graceAfterBreak/2 - 1, true},
		{"guest broke", "~bob", func(_ *house, p *user) { p.Leave(Broke) }, 0, false},
		{"came back", "bob", func(h *house, p *user) { p.Leave(Broke); h.join("bob") }, time.Hour, true},
		{"came back and broke", "bob", func(h *house, p *user) {
			p.Leave(Broke)
			pass(graceAfterBreak - 1)
			h.join("bob").Leave(Broke)
		}, graceAfterBreak - 1, true},
		{"other session stays", "bob", func(h *house, p *user) { h.join("bob"); p.Leave(Broke) }, time.Hour, true},
		{"other session quits", "bob", func(h *house, p *user) {
			other := h.join("bob")
			p.Leave(Broke)
			other.Leave(Quit)
		}, 0, false},
		{"visitor", "bob", func(h *house, _ *user) { h.Visit(Identity{Nick: "bob"}).Leave(Quit) }, time.Hour, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				tt.leave(h, h.join(tt.nick))
				pass(tt.wait)
				if h.has(tt.nick) != tt.here {
					t.Errorf("here: %v, want %v", !tt.here, tt.here)
				}
			})
		})
	}
}

// A grace timer may have fired already when the member comes back and breaks again.
func TestStaleGraceTimer(t *testing.T) {
	inHouse(t, func(h *house) {
		h.join("bob").Leave(Broke)
		var bob *person
		h.withPerson("bob", func(m *person) { bob = m })
		h.join("bob").Leave(Broke)
		h.graceOver(bob)
		if !h.has("bob") {
			t.Error("the timer of an earlier break ended the second grace")
		}
		pass(graceAfterBreak)
		h.graceOver(bob)
		if h.has("bob") {
			t.Error("still here after the grace")
		}
	})
}

func TestReturn(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		pass(2 * time.Second)
		carol.say("before")
		kept := bob.send("in the same instant as the break", "dave")
		same(t, "dave", kept.words(), "dave offline")
		bob.Leave(Broke)
		for range RecentLines + 5 {
			carol.say("missed")
		}
		same(t, "receipt", carol.send("psst", "bob").words(), "bob broken")
		carol.screen.take()
		pass(graceAfterBreak - 1)
		back := h.join("bob")
		w := back.welcome
		if !w.Returned {
			t.Error("not Returned")
		}
		if n := len(w.Recent); n != RecentLines+5 || w.Recent[0].Text != "missed" {
			t.Errorf("%d room lines, from %q", n, w.Recent[0].Text)
		}
		same(t, "missed", texts(w.Missed), "carol: psst")
		same(t, "unread", w.Unread.Senders)
		if back.ReplyTo() != "carol" {
			t.Errorf("reply goes to %q", back.ReplyTo())
		}
		pass(time.Hour)
		same(t, "nothing told", carol.screen.take())
		back.markRead(t, w.Missed)
		same(t, "read", carol.screen.take(), "bob has read")
		if again := h.join("bob").welcome; again.Returned || len(again.Missed) > 0 || len(again.Recent) != RecentLines {
			t.Errorf("a second session is welcomed as one that returned: %+v", again)
		}
	})
}

// What was typed before the break and is on disk only after it was missed too.
func TestMissedWhileCommitting(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		h.store.set(func() { h.store.hold = true })
		carol.say("to all")
		carol.send("to bob", "bob")
		pass(time.Second)
		bob.Leave(Broke)
		h.store.set(func() { h.store.hold = false })
		synctest.Wait()
		w := h.join("bob").welcome
		same(t, "room", texts(w.Recent), "carol: to all")
		same(t, "missed", texts(w.Missed), "carol: to bob")
	})
}

// What waited before the break is not missed, also when it was the very last.
func TestKeptBeforeTheBreak(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		carol.say("seen")
		bob.Away("")
		carol.send("kept", "bob")
		bob.Leave(Broke)
		bob = h.join("bob")
		same(t, "unread", bob.welcome.Unread.Senders, "carol")
		same(t, "missed", texts(append(bob.welcome.Missed, bob.welcome.Recent...)))
		h = h.restart(true)
		h.join("bob").Leave(Broke)
		same(t, "after a restart", texts(h.join("bob").welcome.Recent))
		h.Close()
	})
}

func TestMissedIsBounded(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		h.join("bob").Leave(Broke)
		for range 3 * MissedLines {
			carol.Say(KindSay, "x", nil)
		}
		carol.say("last")
		lines := h.join("bob").welcome.Recent
		if len(lines) != MissedLines || lines[MissedLines-1].Text != "last" {
			t.Errorf("%d lines", len(lines))
		}
		if n := len(h.rooms[Lobby].recent); n > 2*MissedLines {
			t.Errorf("%d lines in memory", n)
		}
	})
}

func TestGuestNames(t *testing.T) {
	long := "~" + strings.Repeat("y", 32)
	inHouse(t, func(h *house) {
		tests := []struct{ asked, got string }{
			{"~ann", "~ann"}, {"~ann", "~ann2"}, {"~ann2", "~ann22"}, {"~ann", "~ann3"},
			{"bob", "bob"}, {"~bob", "~bob2"}, // a key's nick is nobody else's name
			{"~sam", "~sam"}, {"~sam", "~sam3"}, {"~sam2", "~sam22"}, // nor is it with a number
			{long, long}, {long, long[:31] + "2"}, {long, long[:31] + "3"},
		}
		for _, tt := range tests {
			if got := h.join(tt.asked).Nick(); got != tt.got {
				t.Errorf("%s is called %s, want %s", tt.asked, got, tt.got)
			}
		}
		seen := map[string]bool{}
		for range 1100 {
			nick := h.join(long).Nick()
			if seen[nick] || len(nick) > maxGuestName {
				t.Fatalf("%s is too long or taken", nick)
			}
			seen[nick] = true
		}
	})
}

func TestWelcomeNamesPeople(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		carol.Away("lunch")
		pass(time.Minute)
		h.join("~ann")
		w := h.join("bob").welcome
		same(t, "others", nicksOf(w.Others), "carol", "~ann")
		if p := w.Others[0]; !p.Away || p.Reason != "lunch" || p.Sessions != 1 || time.Since(p.Active) != time.Minute {
			t.Errorf("carol is %+v", p)
		}
		same(t, "Others", nicksOf(carol.Others()), "bob", "~ann")
		for range greetByName {
			h.join("~ann")
		}
		if w := h.join("bob").welcome; w.OthersOnline != greetByName+2 || w.Others != nil {
			t.Errorf("%d others, %d by name", w.OthersOnline, len(w.Others))
		}
		same(t, "completion", h.NicksAround("bob", 5, 3), "bob", "carol", "~ann")
	})
}

func nicksOf(people []Presence) (nicks []string) {
	for _, p := range people {
		nicks = append(nicks, p.Nick)
	}
	return nicks
}
