package room

import (
	"slices"
	"time"
)

// changes gathers who came and went until it is told. A change is told at once
// when none was told within the last second, else with all others of that second,
// so that a thousand people joining cost each of them a few lines, not a thousand.
// Owned by Room.mu.
type changes struct {
	joined, left []string
	noted        map[string]int // for each of these, greeted at that time
	greeted      int            // sessions that were told who is here
	unrecorded   []Record       // for the presence history
	wait         *time.Timer    // runs for mergeChanges after each telling
}

// tell notes that nick joined or left, and passes it on as soon as may be. r.mu is held.
func (r *Room) tell(nick string, joined bool) {
	if r.closed {
		return
	}
	c := &r.changes
	c.note(nick, joined)
	if c.wait == nil {
		r.tellNow()
	}
}

// note adds a change; one that undoes another of the same moment removes it. When
// somebody else was told who is here in between, that was true only for a moment,
// and the last change is told.
func (c *changes) note(nick string, joined bool) {
	to, undo, greeted := &c.left, &c.joined, c.greeted
	if joined {
		to, undo, greeted = undo, to, greeted-1 // not counting nick's own session
	}
	if i := slices.Index(*undo, nick); i >= 0 {
		*undo = slices.Delete(*undo, i, i+1)
		if greeted <= c.noted[nick] {
			delete(c.noted, nick)
			return
		}
	}
	*to = append(*to, nick)
	if c.noted == nil {
		c.noted = make(map[string]int)
	}
	c.noted[nick] = c.greeted
}

func (c *changes) stop() {
	if c.wait != nil {
		c.wait.Stop()
	}
}

// tellNow shows what has gathered to everyone and starts the next second. r.mu is held.
func (r *Room) tellNow() {
	c := &r.changes
	r.flushPresence()
	if len(c.joined)+len(c.left) == 0 {
		c.wait = nil
		return
	}
	r.putAll(&Event{Presence: &Change{Joined: c.joined, Left: c.left}})
	c.joined, c.left, c.noted = nil, nil, nil
	c.wait = time.AfterFunc(mergeChanges, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.closed {
			r.tellNow()
		}
	})
}
