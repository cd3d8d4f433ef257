// Package limit has what the limits on people share: a bounded table of what is counted
// for each of them, and the words for how long they have to wait.
package limit

import (
	"container/heap"
	"fmt"
	"math"
	"time"
)

// Forever keeps an entry of a Table until its time is changed.
const Forever = time.Duration(math.MaxInt64)

// Table remembers values by key, each until its time, on a clock of the caller's. It holds
// at most so many; when there is no room, the one that would be forgotten soonest goes
// first. So to have an entry forgotten early takes as many others as there is room, each
// kept for even longer. Nothing runs in the background.
//
// It is not safe for concurrent use. Each operation costs O(log size).
type Table[K comparable, V any] struct {
	Evicted uint64 // how many were forgotten for want of room

	size    int
	entries map[K]*entry[K, V]
	soonest queue[K, V]
}

type entry[K comparable, V any] struct {
	key   K
	value V
	until time.Duration
	index int // in the queue
}

// NewTable returns an empty table for size entries. Those kept Forever may be more.
func NewTable[K comparable, V any](size int) *Table[K, V] {
	return &Table[K, V]{size: size, entries: map[K]*entry[K, V]{}}
}

// Len is how many entries there are.
func (t *Table[K, V]) Len() int { return len(t.entries) }

// Get returns the value of key, if there is one.
func (t *Table[K, V]) Get(key K) (value V, ok bool) {
	if e := t.entries[key]; e != nil {
		return e.value, true
	}
	return value, false
}

// sweep is how many expired entries Set forgets at most: more than it can add, so that the
// table shrinks, and few, so that nobody waits for the end of a flood to be cleared away.
const sweep = 2

// Set remembers value until then, and forgets some that have expired. It returns a value
// that it had to evict for want of room.
func (t *Table[K, V]) Set(key K, value V, until, now time.Duration) (evicted V, ok bool) {
	e := t.entries[key]
	if e == nil {
		e = &entry[K, V]{key: key}
		t.entries[key] = e
		heap.Push(&t.soonest, e)
	}
	e.value, e.until = value, until
	heap.Fix(&t.soonest, e.index)
	for range sweep {
		if t.Len() > 0 && t.soonest[0].until <= now {
			t.forget()
		}
	}
	if t.Len() > t.size && t.soonest[0].until < Forever {
		t.Evicted++
		return t.forget(), true
	}
	return evicted, false
}

// forget drops the entry whose time is over soonest.
func (t *Table[K, V]) forget() V {
	e := heap.Pop(&t.soonest).(*entry[K, V])
	delete(t.entries, e.key)
	return e.value
}

// queue is a heap with the entry to be forgotten first at the top.
type queue[K comparable, V any] []*entry[K, V]

func (q queue[K, V]) Len() int           { return len(q) }
func (q queue[K, V]) Less(i, j int) bool { return q[i].until < q[j].until }

func (q queue[K, V]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue[K, V]) Push(x any) {
	e := x.(*entry[K, V])
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *queue[K, V]) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil // or it would be kept from the garbage collector
	*q = (*q)[:last]
	return e
}

// Wait says how long somebody has to wait, rounded up: whoever comes back then gets in.
func Wait(d time.Duration) string {
	unit, name := time.Second, "second"
	switch {
	case d > 2*time.Hour:
		unit, name = time.Hour, "hour"
	case d > 2*time.Minute:
		unit, name = time.Minute, "minute"
	}
	n := max(1, (d+unit-1)/unit)
	if n > 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}
