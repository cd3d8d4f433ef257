package room

import (
	"fmt"
	"testing"
	"time"
)

func TestChangesAreMerged(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		pass(2 * time.Second)
		first := h.join("~a1")
		same(t, "the first at once", carol.screen.take(), "+[~a1] -[]")
		h.join("~a2")
		h.join("~a3")
		first.Leave(Quit)
		pass(mergeChanges - 1)
		same(t, "not yet", carol.screen.take())
		pass(1)
		same(t, "the others together", carol.screen.take(), "+[~a2 ~a3] -[~a1]")
		pass(mergeChanges)
		h.join("~a4")
		same(t, "the next at once", carol.screen.take(), "+[~a4] -[]")
	})
}

func TestChangesCancel(t *testing.T) {
	inHouse(t, func(h *house) {
		carol, bob := h.join("carol"), h.join("bob")
		pass(2 * time.Second)
		carol.screen.take()
		h.join("~a1") // starts the second
		h.join("~a2").Leave(Quit)
		bob.Leave(Quit)
		h.join("bob")
		pass(2 * time.Second)
		same(t, "only what stayed", carol.screen.take(), "+[~a1] -[]")
	})
}

// Who comes in the second in which bob leaves and returns, or joins and leaves, was
// told once who is here, and has to hear of it.
func TestNewcomerBetweenChanges(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		pass(2 * time.Second)
		h.join("~a1") // starts the second
		bob.Leave(Quit)
		carol := h.join("carol")
		h.join("bob")
		pass(2 * time.Second)
		same(t, "bob is back", carol.screen.take(), "+[carol bob] -[]")

		h.join("~a2")
		dave := h.join("dave")
		erin := h.join("erin")
		dave.Leave(Quit)
		pass(2 * time.Second)
		same(t, "dave is gone", erin.screen.take(), "+[erin] -[dave]")
	})
}

func TestNote(t *testing.T) {
	tests := []struct {
		name, changes, want string
	}{
		{"join", "+a", "+[a] -[] ![]"},
		{"join and leave", "+a -a", "+[] -[] ![]"},
		{"leave and join", "-a +a", "+[] -[] ![]"},
		{"back and forth", "-a +a -a", "+[] -[a] ![]"},
		{"others stay", "+a +b -c -a +d", "+[b d] -[c] ![]"},
		{"lost and back", "!a +a", "+[] -[] ![]"},
		{"lost", "+b !a -c", "+[b] -[c] ![a]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a attendance
			for s := tt.changes; len(s) > 1; s = s[min(3, len(s)):] {
				a.note(s[1:2], map[byte]Kind{'+': KindJoin, '-': KindLeave, '!': KindLeave}[s[0]], s[0] == '!')
			}
			c := a.takeChanges(fakeDirectory{}.Bot)
			if got := fmt.Sprintf("+%v -%v !%v", c.Joined, c.Left, c.Lost); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.changes, got, tt.want)
			}
		})
	}
}

func TestManyJoinsCostFewEvents(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		pass(2 * time.Second)
		carol.screen.take()
		const people = 2000
		crowd := make([]*screen, people)
		for i := range crowd {
			crowd[i] = &screen{}
			if _, _, err := h.Join(Identity{Nick: fmt.Sprintf("~guest%d", i)}, crowd[i]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		pass(2 * time.Second)
		for _, s := range append(crowd, carol.screen) {
			if n := s.count(); n > 4 {
				t.Fatalf("a session got %d events", n)
			}
		}
		pass(3 * time.Minute) // more than are written within one
		h.store.mu.Lock()
		defer h.store.mu.Unlock()
		if n := len(h.store.records); n < people {
			t.Errorf("%d presence records", n)
		}
	})
}
