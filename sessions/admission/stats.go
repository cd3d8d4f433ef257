package admission

// Stats is what a controller has seen since it was made, and holds now.
type Stats struct {
	Handshakes int // now
	Sessions   int // now
	Admitted   uint64
	Refused    map[Why]uint64     // all reasons, also those that never happened
	Failed     map[Failure]uint64 // what was counted, exempt addresses included
	Remembered int                // addresses
	Forgotten  uint64             // of them, before their time, for want of room
	Unspoken   uint64             // people turned away without words, for there were too many
}

// tally is what only grows. Owned by Controller.mu.
type tally struct {
	admitted uint64
	refused  [whys]uint64
	failed   [failures]uint64
	unspoken uint64
}

func (d *Controller) memories() []*memory { return []*memory{&d.v4, &d.v6} }

// Stats returns a copy of the controller's statistics.
func (d *Controller) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Stats{
		Handshakes: d.handshakes,
		Sessions:   d.sessions,
		Admitted:   d.stats.admitted,
		Refused:    make(map[Why]uint64, whys),
		Failed:     make(map[Failure]uint64, failures),
		Unspoken:   d.stats.unspoken,
	}
	for _, m := range d.memories() {
		s.Remembered += len(m.of)
		s.Forgotten += m.pushed
	}
	for w, n := range d.stats.refused {
		s.Refused[Why(w)] = n
	}
	for f, n := range d.stats.failed {
		s.Failed[Failure(f)] = n
	}
	return s
}
