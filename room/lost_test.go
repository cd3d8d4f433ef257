package room

import (
	"testing"
	"time"
)

// Whose connection was lost, and did not come back, has not left: the others are told so,
// and wholast knows it, also after a restart.
func TestLostConnection(t *testing.T) {
	inHouse(t, func(h *house) {
		dave := h.join("dave")
		carol, ann, erin := h.join("carol"), h.join("~ann"), h.join("erin")
		pass(2 * time.Second)
		dave.screen.take()
		carol.Leave(Broke)
		pass(graceAfterBreak + 2*time.Second)
		same(t, "carol", dave.screen.take(), "+[] -[] ![carol]")
		ann.Leave(Broke)
		pass(2 * time.Second)
		same(t, "a guest", dave.screen.take(), "+[] -[] ![~ann]")
		erin.Leave(Quit)
		pass(2 * time.Second)
		same(t, "erin", dave.screen.take(), "+[] -[erin]")
		lost := func(h *house, p *user) (nicks []string) {
			for _, who := range p.OnlineSince(time.Now().Add(-time.Hour)) {
				if who.Lost {
					nicks = append(nicks, who.Nick)
				}
			}
			return nicks
		}
		same(t, "wholast", lost(h, dave), "~ann", "carol")
		dave.Leave(Quit)
		h = h.restart(false)
		defer h.store.close()
		defer h.Close()
		back := h.join("dave")
		same(t, "wholast after a restart", lost(h, back), "~ann", "carol")
		if carol := h.join("carol"); !carol.welcome.LeftLost || back.welcome.LeftLost {
			t.Errorf("carol is welcomed by %+v, dave by %+v", carol.welcome, back.welcome)
		}
	})
}

// A program that asks to be quiet comes and goes unannounced, and is listed as such. Its
// nick's other sessions are announced.
func TestQuietSessions(t *testing.T) {
	inHouse(t, func(h *house) {
		carol := h.join("carol")
		pass(2 * time.Second)
		carol.screen.take()
		quiet := func() *user {
			s := &screen{}
			member, welcome, err := h.Join(Identity{Nick: "bob", Quiet: true}, s)
			if err != nil {
				t.Fatal(err)
			}
			return &user{member, s, welcome}
		}
		build := quiet()
		pass(2 * time.Second)
		same(t, "comes", carol.screen.take())
		if others := carol.Others(); len(others) != 1 || !others[0].Quiet {
			t.Errorf("listed as %+v", others)
		}
		bob := h.join("bob")
		pass(2 * time.Second)
		same(t, "a terminal comes", carol.screen.take(), "+[bob] -[]")
		if others := carol.Others(); others[0].Quiet || others[0].Sessions != 2 {
			t.Errorf("listed as %+v", others)
		}
		deploy := quiet()
		deploy.Leave(Quit)
		bob.Leave(Quit)
		pass(2 * time.Second)
		same(t, "the terminal goes", carol.screen.take(), "+[] -[bob]")
		build.Leave(Broke)
		pass(time.Minute)
		same(t, "goes", carol.screen.take())
		if n := len(carol.Others()); n != 0 {
			t.Errorf("%d others", n)
		}
	})
}

// Whose connection was lost learns on return where they wrote, if that is known.
func TestWroteIn(t *testing.T) {
	inHouse(t, func(h *house) {
		bob := h.join("bob")
		returns := func(what, want string) {
			t.Helper()
			if bob = h.join("bob"); bob.welcome.WroteIn != want {
				t.Errorf("%s: in %q, not %q", what, bob.welcome.WroteIn, want)
			}
		}
		bob.in(t, "ops")
		bob.WritesIn("ops")
		bob.Leave(Broke)
		returns("at once", "ops")
		bob.WritesIn("ops")
		bob.Leave(Broke)
		pass(2 * graceAfterBreak)
		returns("later", "ops")
		bob.WritesIn("ops")
		other := h.join("bob")
		other.WritesIn(Lobby)
		bob.Leave(Broke)
		returns("while another session goes on", "ops")
		bob.WritesIn(Lobby)
		returns("once only", Lobby)
		bob.WritesIn("ops")
		other.Leave(Broke) // in the lobby
		program, _, err := h.Join(Identity{Nick: "bob", Program: true}, &screen{})
		is(t, "a program", err, nil)
		program.Leave(Quit)
		returns("a program knows nothing of it", Lobby)
		h = h.restart(false)
		defer h.store.close()
		defer h.Room.Close()
		returns("after a restart", "")
		bob.WritesIn("ops")
		bob.Leave(Quit)
		returns("after quitting", Lobby)
	})
}
