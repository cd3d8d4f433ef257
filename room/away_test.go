package room

import (
	"strings"
	"testing"
	"time"
)

// Being away is a setting of the nick's: it outlasts sessions and restarts, whoever joins
// is told, and it can be set and ended by somebody who is not here.
func TestAwayIsKept(t *testing.T) {
	inHouse(t, func(h *house) {
		began := time.Now()
		if err := h.Visit(Identity{Nick: "bob"}).Away("lunch"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		for range 2 {
			bob := h.join("bob")
			if a := bob.welcome.Absence; !a.Since.Equal(began) || a.Reason != "lunch" {
				t.Errorf("on joining: %+v", a)
			}
			same(t, "while here", h.join("carol").send("hi", "bob").words(), "bob away: lunch")
			bob.Leave(Quit)
			h = h.restart(true)
		}
		h.join("bob")
		if was, err := h.Visit(Identity{Nick: "bob"}).Back(); !was || err != nil {
			t.Errorf("%v, %v", was, err)
		}
		same(t, "back", h.join("carol").send("hi", "bob").words(), "bob delivered")
		if a := h.join("bob").welcome.Absence; a.Away() {
			t.Errorf("back, and still %+v", a)
		}
		h.Close()
		h.store.close()
	})
}

// A guest's ends with the guest.
func TestGuestsAwayIsNotKept(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("~ann")
		ann.Away("lunch")
		ann.Leave(Quit)
		if a := h.join("~ann").welcome.Absence; a.Away() {
			t.Errorf("%+v", a)
		}
		if len(h.settings.of) > 0 {
			t.Errorf("kept for guests: %v", h.settings.of)
		}
	})
}

// A long reason, from before there was a limit, is cut: it would fill everybody's lists.
func TestLongReasonIsCut(t *testing.T) {
	inHouse(t, func(h *house) {
		long := Absence{Since: time.Now(), Reason: "lunch\n * " + strings.Repeat("é", 10_000)}
		h.settings.of["bob"], h.settings.of["carol"] = Preferences{Absence: long}, Preferences{Absence: long}
		ann := h.join("ann")
		want := "lunch  * " + strings.Repeat("é", MaxReason-9)
		h.join("bob")
		same(t, "the receipts", ann.send("hi", "bob", "carol").words(), "bob away: "+want, "carol away: "+want)
		if got := ann.Others()[0].Reason; got != want {
			t.Errorf("in a list: %q", got)
		}
	})
}
