package room

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// attendance decides what of who comes and goes is written to the presence history, so
// that connecting again and again does not fill the disk. Within a minute a nick has
// one coming and one going written as they happen, and all together writtenMost of
// them; of what happens beyond that, the last change of each nick is written in the next
// minute. So the history is late by a minute or two at most, and then says the same. Only of
// guests who are beyond it in all, and so not in the history yet, nothing is written
// when they have left again: there is no end to guests' names.
//
// Owned by Room.mu.
type attendance struct {
	written map[string]int        // changes within this minute, by nick
	total   int                   // of them all
	late    map[string]lateChange // what is to be written yet, by nick
}

// lateChange is the last change of somebody's.
type lateChange struct {
	kind  Kind
	lost  bool // with KindLeave
	at    time.Time
	there bool // the history has them as online
}

const (
	writtenEach = 2
	writtenMost = 1000
)

func newAttendance() attendance {
	return attendance{written: map[string]int{}, late: map[string]lateChange{}}
}

// now reports whether a change of nick's is to be written as it happens.
func (a *attendance) now(nick string) bool {
	if _, waits := a.late[nick]; waits || a.written[nick] >= writtenEach || a.total >= writtenMost {
		return false
	}
	a.written[nick]++
	a.total++
	return true
}

// later notes a change that is not.
func (a *attendance) later(kind Kind, lost bool, nick string, at time.Time) {
	before, waits := a.late[nick]
	there := kind == KindLeave
	if waits {
		there = before.there
	}
	if isGuest(nick) && kind == KindLeave && !there && a.written[nick] == 0 {
		delete(a.late, nick)
		return
	}
	a.late[nick] = lateChange{kind, lost, at, there}
}

// connectionLost is the text of a KindLeave of somebody whose connection was lost.
const connectionLost = "connection lost"

func wordsLost(lost bool) string {
	if lost {
		return connectionLost
	}
	return ""
}

// recordPresence notes a change for the presence history. Nobody waits for it, so
// that it goes to the log with all others of its second. r.mu is held.
func (r *Room) recordPresence(kind Kind, nick string, lost bool) (id string) {
	m := r.newMessage(kind, nick, nil, wordsLost(lost))
	if r.present.now(nick) {
		r.unrecorded(m)
	} else {
		r.present.later(kind, lost, nick, m.Time)
	}
	return m.ID
}

func (r *Room) unrecorded(m Message) {
	r.batch.unrecorded = append(r.batch.unrecorded, &Event{Message: m})
}

// recordLate begins another minute, with at most most of the changes that are late, the
// oldest first. r.mu is held.
func (r *Room) recordLate(most int) {
	a := &r.present
	clear(a.written)
	a.total = 0
	nicks := slices.SortedFunc(maps.Keys(a.late), func(x, y string) int {
		if c := a.late[x].at.Compare(a.late[y].at); c != 0 {
			return c
		}
		return strings.Compare(x, y)
	})
	for _, nick := range nicks[:min(most, len(nicks))] {
		m := r.newMessage(a.late[nick].kind, nick, nil, wordsLost(a.late[nick].lost))
		m.Time = a.late[nick].at
		r.unrecorded(m)
		delete(a.late, nick)
		a.written[nick]++
		a.total++
	}
}
