package floor

import "sync"

// queueLength bounds what waits for one session; a session that lets it fill is
// ended, nobody waits for it.
const queueLength = 1024

// queue holds references to messages for one session. It is a slice that grows
// and not a buffered channel, which would charge every idle session for the
// longest backlog. Any goroutine may put; only the session's writer takes.
type queue struct {
	mu      sync.Mutex
	waiting [][]byte
	wake    chan struct{} // holds one: something is waiting
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1)}
}

// put never blocks; false means that the queue is full.
func (q *queue) put(message []byte) bool {
	q.mu.Lock()
	full := len(q.waiting) >= queueLength
	if !full {
		q.waiting = append(q.waiting, message)
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return !full
}

// take swaps what waits for an empty slice, so that two slices serve forever.
func (q *queue) take(empty [][]byte) [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.waiting
	q.waiting = empty[:0]
	return taken
}
