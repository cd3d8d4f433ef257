package load

import (
	"sync"
	"time"
)

// Sink takes what a session shows. Take returns the bytes that it must be given
// again, with more behind them: the start of something not yet whole. It is
// called by the session's reading goroutine alone and has to be quick: what it
// dawdles counts as the server's latency.
type Sink interface {
	Take(stream []byte, at time.Duration) (rest []byte)
}

// Tally counts the messages that one session shows, each once, and how long
// they took. What the session says itself does not count: a terminal shows it
// as typed and again as said. Take may run while others Begin or read Counts.
type Tally struct {
	self int // the session's number, as a sender

	mu      sync.Mutex
	first   int
	last    int
	seen    []uint64 // one bit a message
	counts  Counts
	latency Histogram
}

// Counts is what came of the messages of others.
type Counts struct {
	Delivered  int
	Duplicates int
	Own        int // sightings of what the session said itself
	Stray      int // messages that belong to no stage, or to an earlier one
}

// Begin forgets everything and counts the messages numbered first up to, and
// without, last.
func (t *Tally) Begin(first, last int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first, t.last = first, last
	t.seen = make([]uint64, (last-first+63)/64)
	t.counts = Counts{}
	t.latency = Histogram{}
}

// Take implements Sink.
func (t *Tally) Take(stream []byte, at time.Duration) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		m, rest, ok := nextMarker(stream)
		if !ok {
			return rest
		}
		t.count(m, at)
		stream = rest
	}
}

func (t *Tally) count(m marker, at time.Duration) {
	if m.seq < t.first || m.seq >= t.last {
		t.counts.Stray++
		return
	}
	if m.sender == t.self {
		t.counts.Own++
		return
	}
	word, bit := (m.seq-t.first)/64, uint64(1)<<((m.seq-t.first)%64)
	if t.seen[word]&bit != 0 {
		t.counts.Duplicates++
		return
	}
	t.seen[word] |= bit
	t.counts.Delivered++
	t.latency.Add(at - m.sent)
}

// Counts reads the figures so far.
func (t *Tally) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// AddLatency merges the session's latencies into a sum over sessions.
func (t *Tally) AddLatency(sum *Histogram) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum.Merge(&t.latency)
}
