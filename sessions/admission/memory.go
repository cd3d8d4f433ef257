package admission

import (
	"container/heap"
	"time"
)

// memory is what a controller knows of some addresses. An address with an open
// connection stays in it: there are as many as visits at most. Of the others at
// most room are kept, and none longer than it matters.
//
// When there is no room, the one that would be forgotten soonest goes first. So an
// address that only connected goes before one with a penalty, and to have a
// penalty forgotten early takes as many other addresses as there is room, each
// held to something that lasts even longer: dearer than to wait.
//
// Owned by Controller.mu. Each operation costs O(log room), 16 steps by default; an
// entry takes about 150 bytes, and both memories together, full, 20 MB.
type memory struct {
	room   int
	of     map[source]*entry
	idle   soonest // those without an open connection
	pushed uint64  // how many were forgotten for want of room
}

// entry is one address. Times are the controller's. Owned by Controller.mu.
type entry struct {
	source  source
	visits  int           // open connections
	unread  int           // bytes that they have sent and nobody has read
	rested  time.Duration // when the last of its connections stops counting as new
	penalty penalty
	forget  time.Duration // what the heap is ordered by: nothing matters from then on
	place   int           // in the heap, notIdle outside
}

const notIdle = -1

// sweep is how many entries an operation forgets at most when their time is over:
// more than it can add, so that memory shrinks, and few, so that nobody waits for
// the end of a flood to be cleared away.
const sweep = 2

func newMemory(room int) memory {
	return memory{room: room, of: map[source]*entry{}}
}

// look returns what is known of s; nothing is remembered for being looked at.
func (m *memory) look(s source) entry {
	if e := m.of[s]; e != nil {
		return *e
	}
	return entry{source: s}
}

// take returns the entry of s to be changed. It has to be settled after.
func (m *memory) take(s source) *entry {
	e := m.of[s]
	if e == nil {
		e = &entry{source: s, place: notIdle}
		m.of[s] = e
	}
	return e
}

// settle puts a changed entry where it belongs and forgets what it is time to.
func (m *memory) settle(e *entry, now time.Duration) {
	e.forget = max(e.rested, e.penalty.until)
	switch {
	case e.visits > 0 && e.place != notIdle:
		heap.Remove(&m.idle, e.place)
	case e.visits > 0:
	case e.place != notIdle:
		heap.Fix(&m.idle, e.place)
	default:
		heap.Push(&m.idle, e)
	}
	for range sweep {
		if len(m.idle) > 0 && m.idle[0].forget <= now {
			m.drop()
		}
	}
	if len(m.idle) > m.room {
		m.drop()
		m.pushed++
	}
}

// drop forgets the entry that would be forgotten soonest.
func (m *memory) drop() {
	e := heap.Pop(&m.idle).(*entry)
	delete(m.of, e.source)
}

// soonest is a heap with the entry to be forgotten first at the top.
type soonest []*entry

func (h soonest) Len() int           { return len(h) }
func (h soonest) Less(i, j int) bool { return h[i].forget < h[j].forget }

func (h soonest) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *soonest) Push(x any) {
	e := x.(*entry)
	e.place = len(*h)
	*h = append(*h, e)
}

func (h *soonest) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil // or it would be kept from the garbage collector
	*h = (*h)[:last]
	e.place = notIdle
	return e
}
