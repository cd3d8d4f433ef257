package room

import "maps"

// Stats is how many are here, and what was said since the room was made.
type Stats struct {
	Members  int // nicks, guests among them
	Guests   int
	Sessions int
	// Messages has how many were shown to everyone, or kept for or shown to those
	// they are for. Receipts and presence do not count.
	Messages map[Kind]uint64
}

// Stats returns a copy of the room's statistics.
func (r *Room) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{Members: len(r.people.members), Messages: map[Kind]uint64{
		KindSay: 0, KindMe: 0, KindNotice: 0, KindDirect: 0, KindGroup: 0,
	}}
	maps.Copy(s.Messages, r.said)
	for nick, m := range r.people.members {
		s.Sessions += len(m.seats)
		if isGuest(nick) {
			s.Guests++
		}
	}
	return s
}
