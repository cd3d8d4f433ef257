package room

import "testing"

// A room that was made, or closed, while somebody who is not online marks its lines is looked up again.
func TestMarkShownMeanwhile(t *testing.T) {
	inHouse(t, func(h *house) {
		bob, carol := h.join("bob"), h.join("carol")
		bob.in(t, "ops")
		carol.in(t, "ops")
		bob.sayIn(t, "ops", "hi")
		id := h.LastID()
		carol.Leave(Quit)
		h.saveMarks(1) // so that her settings are read
		h.mu.Lock()
		ops := h.rooms["ops"]
		delete(h.rooms, "ops")
		h.mu.Unlock()
		h.settings.onRead = func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.rooms["ops"] = ops
		}
		is(t, "marking", h.visit("carol").MarkShown("ops", id, id), nil)
	})
}
