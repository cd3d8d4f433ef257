package quota

import (
	"container/heap"
	"time"
)

// accounts are those of all nicks, all addresses or all networks. At most most of them
// are kept, and none longer than there is something on it.
//
// When there is no room, the one that would be empty first is dropped, and from then
// on whoever has no account is taken to have used as much as that one had. So nobody
// gets more than the limit by having their account pushed out, however many names or
// addresses they have; to have it dropped takes that many others which have used more.
//
// Owned by Limiter.mu. Each operation costs O(log most); an account takes some 150 bytes.
type accounts[K comparable] struct {
	scope       Scope
	minute, day rate
	most        int

	of     map[K]*account[K]
	idle   soonest[K]
	pushed buckets // the fullest that was dropped for want of room
}

// buckets are what one account has used.
type buckets struct{ minute, day bucket }

type account[K comparable] struct {
	key K
	buckets
	place int // in the heap
}

// empty is when nothing is on the account any more.
func (a *account[K]) empty() time.Duration { return time.Duration(max(a.minute, a.day)) }

func newAccounts[K comparable](scope Scope, limit int64, most int) accounts[K] {
	minute := limit / MinuteShare
	if limit > 0 {
		minute = max(1, minute)
	}
	return accounts[K]{
		scope: scope, minute: rate{minute, time.Minute}, day: rate{limit, 24 * time.Hour},
		most: most, of: map[K]*account[K]{},
	}
}

// refusal says which limit of key's keeps bytes out; nil for none.
func (as *accounts[K]) refusal(key K, bytes int64, now time.Duration) *Refusal {
	used := as.used(key)
	if wait := used.day.wait(as.day, bytes, now); wait > 0 {
		return &Refusal{Scope: as.scope, Within: as.day.per, Wait: wait}
	}
	if wait := used.minute.wait(as.minute, bytes, now); wait > 0 {
		return &Refusal{Scope: as.scope, Within: as.minute.per, Wait: wait}
	}
	return nil
}

// used is what is on key's account.
func (as *accounts[K]) used(key K) buckets {
	if a := as.of[key]; a != nil {
		return a.buckets
	}
	return as.pushed
}

// lightShare is the part of a minute's limit up to which somebody sends little: a 16th.
const lightShare = 16

// light reports whether key sends little, with these bytes.
func (as *accounts[K]) light(key K, bytes int64, now time.Duration) bool {
	return as.minute.limit <= 0 || as.used(key).minute.full(now)+as.minute.span(bytes) <= as.minute.per/lightShare
}

// sweep is how many empty accounts an operation drops at most: more than it can add,
// so that memory shrinks, and few, so that nobody waits for it.
const sweep = 2

func (as *accounts[K]) add(key K, bytes int64, now time.Duration) {
	if as.day.limit <= 0 {
		return
	}
	a := as.of[key]
	if a == nil {
		if bytes < 0 {
			return // of an account that was dropped
		}
		a = &account[K]{key: key, buckets: as.pushed}
		as.of[key] = a
		heap.Push(&as.idle, a)
	}
	a.minute.add(as.minute, bytes, now)
	a.day.add(as.day, bytes, now)
	heap.Fix(&as.idle, a.place)
	for range sweep {
		if len(as.idle) > 0 && as.idle[0].empty() <= now {
			as.drop()
		}
	}
	if len(as.idle) > as.most {
		a := as.drop()
		as.pushed = buckets{max(as.pushed.minute, a.minute), max(as.pushed.day, a.day)}
	}
}

// drop forgets the account that would be empty first.
func (as *accounts[K]) drop() *account[K] {
	a := heap.Pop(&as.idle).(*account[K])
	delete(as.of, a.key)
	return a
}

// soonest is a heap with the account to be dropped first at the top.
type soonest[K comparable] []*account[K]

func (h soonest[K]) Len() int           { return len(h) }
func (h soonest[K]) Less(i, j int) bool { return h[i].empty() < h[j].empty() }

func (h soonest[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *soonest[K]) Push(x any) {
	a := x.(*account[K])
	a.place = len(*h)
	*h = append(*h, a)
}

func (h *soonest[K]) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil // or it would be kept from the garbage collector
	*h = (*h)[:last]
	return a
}
