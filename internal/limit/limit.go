// Package limit bounds what people use: each nick, each address and each network, and all of
// them together. A [Limiter] counts and refuses, in words; it does nothing else.
//
//	if err := l.Charge(who, n); err != nil {
//		return err // a *Refusal; nothing was charged
//	}
//
// and [Limiter.Refund] for what was not used after all, or is given back.
package limit

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Forever keeps an entry of a Table until its time is changed.
const Forever = time.Duration(math.MaxInt64)

// Table remembers values by key, each until its time, on a clock of the caller's. It holds
// size of them at most, beside those kept Forever. When there is no room, the eighth that
// would be forgotten soonest goes. So to have an entry forgotten early takes nearly as many
// others as there is room, each kept for even longer.
//
// It is not safe for concurrent use. Nothing runs in the background: now and then a Set
// goes through all of it, some milliseconds for 65,536.
type Table[K comparable, V any] struct {
	size    int
	evict   func(V) // told of what goes for want of room; may be nil
	entries map[K]entry[V]
	sweep   time.Duration // when what has expired is looked for
}

type entry[V any] struct {
	value V
	until time.Duration
}

// NewTable returns an empty table.
func NewTable[K comparable, V any](size int, evict func(V)) *Table[K, V] {
	return &Table[K, V]{size: size, evict: evict, entries: map[K]entry[V]{}}
}

// Len is how many entries there are.
func (t *Table[K, V]) Len() int { return len(t.entries) }

// Get returns the value of key, if there is one.
func (t *Table[K, V]) Get(key K) (value V, ok bool) {
	e, ok := t.entries[key]
	return e.value, ok
}

// Set remembers value until then.
func (t *Table[K, V]) Set(key K, value V, until, now time.Duration) {
	t.entries[key] = entry[V]{value, until}
	if now < t.sweep && t.Len() <= t.size {
		return
	}
	t.sweep = now + time.Minute
	maps.DeleteFunc(t.entries, func(_ K, e entry[V]) bool { return e.until <= now })
	var ends []time.Duration
	for _, e := range t.entries {
		if e.until < Forever {
			ends = append(ends, e.until)
		}
	}
	if len(ends) <= t.size {
		return
	}
	slices.Sort(ends)
	drop := len(ends) - t.size + t.size/8
	last := ends[drop-1]
	for key, e := range t.entries {
		if e.until <= last && drop > 0 {
			drop--
			delete(t.entries, key)
			if t.evict != nil {
				t.evict(e.value)
			}
		}
	}
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
