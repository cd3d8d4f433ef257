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
	of         [ways][]string // nicks
	noted      map[string]int // for each of these, greeted at that time
	greeted    int            // sessions that were told who is here
	unrecorded []Record       // for the presence history
	wait       *time.Timer    // runs for mergeChanges after each telling
}

// way is how somebody's presence changes.
type way int

const (
	joined way = iota
	left
	lost // the connection, and has not come back
	ways
)

// tell notes how nick's presence changes, and passes it on as soon as may be. r.mu is held.
func (r *Room) tell(nick string, how way) {
	if r.closed {
		return
	}
	c := &r.changes
	c.note(nick, how)
	if c.wait == nil {
		r.tellNow()
	}
}

// note adds a change; one that undoes another of the same moment removes it. When
// somebody else was told who is here in between, that was true only for a moment,
// and the last change is told.
func (c *changes) note(nick string, how way) {
	undo, greeted := c.of[joined:left], c.greeted
	if how == joined {
		undo, greeted = c.of[left:], greeted-1 // not counting nick's own session
	}
	for u := range undo {
		i := slices.Index(undo[u], nick)
		if i < 0 {
			continue
		}
		undo[u] = slices.Delete(undo[u], i, i+1)
		if greeted <= c.noted[nick] {
			delete(c.noted, nick)
			return
		}
	}
	c.of[how] = append(c.of[how], nick)
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
	if len(c.of[joined])+len(c.of[left])+len(c.of[lost]) == 0 {
		c.wait = nil
		return
	}
	r.putAll(&Update{Presence: &Change{Joined: c.of[joined], Left: c.of[left], Lost: c.of[lost]}})
	c.of, c.noted = [ways][]string{}, nil
	c.wait = time.AfterFunc(mergeChanges, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.closed {
			r.tellNow()
		}
	})
}
