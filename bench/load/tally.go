package load

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Sink takes what a session shows. Take returns the bytes that it must be given
// again, with more behind them: the start of something not yet whole. It is
// called by the session's reading goroutine alone and has to be quick: its delay
// counts as the server's latency.
type Sink interface {
	Take(stream []byte, at time.Duration) (rest []byte)
}

// tally counts the messages that one session shows, each once, and how long
// they took. What the session says itself does not count: a terminal shows it
// as typed and again as said. Safe for concurrent use.
type tally struct {
	self int // the session's number, as a sender

	mu         sync.Mutex
	first      int
	seen       []bool
	latency    []time.Duration // one for each message delivered
	duplicates int
}

// begin forgets everything and counts n messages, from the one numbered first.
func (t *tally) begin(first, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first, t.seen, t.latency, t.duplicates = first, make([]bool, n), make([]time.Duration, 0, n), 0
}

// Take implements Sink.
func (t *tally) Take(stream []byte, at time.Duration) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		m, rest, ok := nextMarker(stream)
		if !ok {
			return rest
		}
		stream = rest
		switch i := m.seq - t.first; {
		case m.sender == t.self || i < 0 || i >= len(t.seen):
		case t.seen[i]:
			t.duplicates++
		default:
			t.seen[i] = true
			t.latency = append(t.latency, at-m.sent)
		}
	}
}

// delivered is how many messages of others have been shown.
func (t *tally) delivered() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.latency)
}

// A marker is in every message: which message of the run it is, who sent it, and
// when, in nanoseconds on the generator's monotonic clock. Its fields have a fixed
// width, so that a reader finds it by one search and needs neither a terminal nor
// a regular expression.
//
//	mk00000042-00007-0001234567890
type marker struct {
	seq    int
	sender int
	sent   time.Duration
}

const markerLength = len("mk00000042-00007-0001234567890")

var magic = []byte("mk")

// epoch is where the markers' clock starts.
var epoch = time.Now()

// now reads the markers' clock.
func now() time.Duration { return time.Since(epoch) }

// appendLine adds a message of about size bytes: a word, so that no line looks like a
// command, the marker, and padding, which a terminal may wrap.
func (m marker) appendLine(line []byte, size int) []byte {
	start := len(line)
	line = fmt.Appendf(line, "say mk%08d-%05d-%013d", m.seq, m.sender, m.sent)
	for len(line)-start < size {
		line = append(line, " xxxxxxx"[:min(8, size-len(line)+start)]...)
	}
	return line
}

// nextMarker finds the first marker in a stream. rest is what follows it, or,
// where there is none, the tail that may be the beginning of one.
func nextMarker(stream []byte) (m marker, rest []byte, ok bool) {
	for {
		at := bytes.Index(stream, magic)
		if at < 0 {
			if bytes.HasSuffix(stream, magic[:1]) {
				return marker{}, stream[len(stream)-1:], false
			}
			return marker{}, nil, false
		}
		stream = stream[at:]
		if len(stream) < markerLength {
			return marker{}, stream, false
		}
		if m, ok := parseMarker(stream[:markerLength]); ok {
			return m, stream[markerLength:], true
		}
		stream = stream[len(magic):]
	}
}

func parseMarker(b []byte) (marker, bool) {
	seq, err1 := strconv.ParseUint(string(b[2:10]), 10, 32)
	sender, err2 := strconv.ParseUint(string(b[11:16]), 10, 32)
	sent, err3 := strconv.ParseInt(string(b[17:]), 10, 64)
	ok := err1 == nil && err2 == nil && err3 == nil && b[10] == '-' && b[16] == '-'
	return marker{seq: int(seq), sender: int(sender), sent: time.Duration(sent)}, ok
}
