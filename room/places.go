package room

// Options are the settings of a [Room]. The zero value sets no limits.
type Options struct {
	// InboxMax is how many unread direct and group messages one nick can have;
	// what would be one more is refused. 0 is no limit.
	InboxMax int
}

// places counts the messages to one nick that the archive has not answered yet,
// while there are any, or somebody looks how many are unread. Owned by Room.mu.
type places struct {
	taken    int // by messages, since the entry is there
	answered int // how many of them the archive has answered
	looking  int // senders between look and take
}

// placeTries bounds how often takePlace reads the archive for one answer.
const placeTries = 3

// InboxFull reports whether nobody can write to a nick with so many unread messages.
func (r *Room) InboxFull(unread int) bool {
	return r.options.InboxMax > 0 && unread >= r.options.InboxMax
}

// takePlace takes a place in nick's inbox for a message that is to be handed to the
// archive, until leavePlaces. What is unread and what has a place are together never
// more than InboxMax. It reports false when there is none; messages that the archive
// answered while it was asked can count twice, so that is tried again. The error
// wraps ErrStorage.
func (r *Room) takePlace(nick string) (bool, error) {
	if r.options.InboxMax <= 0 || isGuest(nick) {
		return true, nil
	}
	for try := 1; ; try++ {
		before := r.lookFor(nick)
		waiting, err := r.archive.Waiting(nick)
		took, moved := r.tookPlace(nick, before, waiting, err == nil)
		if took || !moved || err != nil || try == placeTries {
			return took, err
		}
	}
}

// lookFor begins a look at nick's inbox, and returns how many messages were answered.
func (r *Room) lookFor(nick string) (answered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.places[nick]
	if p == nil {
		p = &places{}
		r.places[nick] = p
	}
	p.looking++
	return p.answered
}

// tookPlace ends the look that began when before messages were answered, and found
// so many waiting. It takes a place if it may and there is one, and reports whether
// any were answered meanwhile. What was not answered when the look began may not be
// among those that wait.
func (r *Room) tookPlace(nick string, before, waiting int, may bool) (took, moved bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.places[nick]
	p.looking--
	if took = may && !r.InboxFull(waiting+p.taken-before); took {
		p.taken++
	}
	moved = p.answered != before
	r.forgetPlaces(nick, p)
	return took, moved
}

// leavePlaces gives back the places of a message that the archive has answered: it
// is unread now, or was not kept.
func (r *Room) leavePlaces(m *Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, nick := range m.To {
		if p := r.places[nick]; p != nil && p.answered < p.taken {
			p.answered++
			r.forgetPlaces(nick, p)
		}
	}
}

func (r *Room) forgetPlaces(nick string, p *places) {
	if p.looking == 0 && p.answered == p.taken {
		delete(r.places, nick)
	}
}
