package room

import (
	"slices"
	"time"
)

// presenceBatch gathers who came and went until it is told. A change is told at once
// when none was told within the last second, else with all others of that second,
// so that a thousand people joining cost each of them a few lines, not a thousand.
// Owned by Room.mu.
type presenceBatch struct {
	of         [ways][]string // nicks
	noted      map[string]int // for each of these, greeted at that time
	greeted    int            // sessions that were told who is here
	unrecorded []*Event       // for the presence history
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
	b := &r.batch
	b.note(nick, how)
	if b.wait == nil {
		r.tellNow()
	}
}

// note adds a change; one that undoes another of the same moment removes it. When
// somebody else was told who is here in between, that was true only for a moment,
// and the last change is told.
func (b *presenceBatch) note(nick string, how way) {
	undo, greeted := b.of[joined:left], b.greeted
	if how == joined {
		undo, greeted = b.of[left:], greeted-1 // not counting nick's own session
	}
	for u := range undo {
		i := slices.Index(undo[u], nick)
		if i < 0 {
			continue
		}
		undo[u] = slices.Delete(undo[u], i, i+1)
		if greeted <= b.noted[nick] {
			delete(b.noted, nick)
			return
		}
	}
	b.of[how] = append(b.of[how], nick)
	if b.noted == nil {
		b.noted = make(map[string]int)
	}
	b.noted[nick] = b.greeted
}

func (b *presenceBatch) stop() {
	if b.wait != nil {
		b.wait.Stop()
	}
}

// tellNow shows what has gathered to everyone and starts the next second. r.mu is held.
func (r *Room) tellNow() {
	b := &r.batch
	r.flushPresence()
	if len(b.of[joined])+len(b.of[left])+len(b.of[lost]) == 0 {
		b.wait = nil
		return
	}
	r.people.putAll(&Update{Presence: &Change{Joined: b.of[joined], Left: b.of[left], Lost: b.of[lost]}})
	b.of, b.noted = [ways][]string{}, nil
	b.wait = time.AfterFunc(mergeChanges, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.closed {
			r.tellNow()
		}
	})
}
