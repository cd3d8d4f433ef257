package door

// Stats is what a door has seen since it was made, and holds now.
type Stats struct {
	Handshakes int // now
	Sessions   int // now
	Admitted   uint64
	Refused    map[Why]uint64     // all reasons, also those that never happened
	Failed     map[Failure]uint64 // what was counted, exempt addresses included
	Remembered int                // addresses, those with open connections included
	Forgotten  uint64             // addresses before their time, for want of room
	Unspoken   uint64             // people turned away without words, for there were too many
}

// tally is what only grows. Owned by Door.mu.
type tally struct {
	admitted uint64
	refused  [whys]uint64
	failed   [failures]uint64
	unspoken uint64
}

// Stats returns a copy of the door's statistics.
func (d *Door) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Stats{
		Handshakes: d.handshakes,
		Sessions:   d.sessions,
		Admitted:   d.stats.admitted,
		Refused:    make(map[Why]uint64, whys),
		Failed:     make(map[Failure]uint64, failures),
		Remembered: len(d.v4.of) + len(d.v6.of),
		Forgotten:  d.v4.pushed + d.v6.pushed,
		Unspoken:   d.stats.unspoken,
	}
	for w, n := range d.stats.refused {
		s.Refused[Why(w)] = n
	}
	for f, n := range d.stats.failed {
		s.Failed[Failure(f)] = n
	}
	return s
}
