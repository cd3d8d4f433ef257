package floor

import "sync"

// hub owns the set of sessions. Its lock is held for map work and puts that
// cannot block, never across a write.
type hub struct {
	mu       sync.Mutex
	sessions map[*session]struct{}
}

func (h *hub) add(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s] = struct{}{}
}

func (h *hub) remove(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
}

// say hands one message, shared by all, to every session's queue.
func (h *hub) say(message []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.put(message)
	}
}
