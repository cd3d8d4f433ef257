package room

import (
	"testing"
	"time"
)

// A welcome has all that was said since the person was here, up to a limit, and says
// since when that is.
func TestWelcomeAfterAbsence(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		if !bob.welcome.Left.IsZero() {
			t.Errorf("who comes first left at %v", bob.welcome.Left)
		}
		for range 3 {
			carol.say("before")
		}
		pass(time.Second)
		bob.Leave(Quit)
		left := time.Now()
		pass(time.Second)
		for range RecentLines + 5 {
			carol.say("meanwhile")
		}
		bob = h.join("bob")
		if w := bob.welcome; len(w.Recent) != RecentLines+5 || w.Recent[0].Text != "meanwhile" || !w.Left.Equal(left) {
			t.Errorf("%d lines since %v, from %q", len(w.Recent), w.Left, w.Recent[0].Text)
		}
		if w := h.join("bob").welcome; len(w.Recent) != RecentLines || !w.Left.IsZero() {
			t.Errorf("a second session has %d lines since %v", len(w.Recent), w.Left)
		}
		dave := h.join("dave")
		if w := dave.welcome; len(w.Recent) != RecentLines || !w.Left.IsZero() {
			t.Errorf("who was never here has %d lines since %v", len(w.Recent), w.Left)
		}
		pass(time.Second)
		dave.Leave(Quit)
		for range MissedLines + 5 {
			carol.say("more")
		}
		if w := h.join("dave").welcome; len(w.Recent) != MissedLines {
			t.Errorf("%d lines", len(w.Recent))
		}
	})
}

// What was said after the connection broke, and before the person counted as gone, was not shown.
func TestWelcomeAfterGrace(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		carol.say("before")
		pass(time.Second)
		bob.Leave(Broke)
		for range RecentLines + 5 {
			carol.say("meanwhile")
		}
		pass(graceAfterBreak + time.Second)
		carol.say("after")
		welcomed := func(h *house) {
			bob := h.join("bob")
			if w := bob.welcome; len(w.Recent) != RecentLines+6 || w.Recent[0].Text != "meanwhile" || !w.LeftLost {
				t.Errorf("%d lines, from %q", len(w.Recent), w.Recent[0].Text)
			}
		}
		again := h.restart(false)
		welcomed(again)
		again.Close()
		again.store.close()
	})
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		carol.say("before")
		bob.Leave(Broke)
		for range RecentLines + 5 {
			carol.say("meanwhile")
		}
		pass(graceAfterBreak + time.Second)
		if w := h.join("bob").welcome; len(w.Recent) != RecentLines+5 || w.Recent[0].Text != "meanwhile" {
			t.Errorf("%d lines, from %q", len(w.Recent), w.Recent[0].Text)
		}
	})
}
