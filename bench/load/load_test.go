package load

import (
	"bytes"
	"testing"
	"time"
)

// TestTallyCutsAnywhere: whatever pieces the stream comes in, every message of others
// counts once, with what a terminal puts around it. What came before, comes again, or
// is the session's own does not.
func TestTallyCutsAnywhere(t *testing.T) {
	var stream []byte
	for seq := range 25 {
		stream = append(stream, "\x1b[31mmk: "...)
		stream = marker{seq: seq, sender: seq % 4, sent: time.Duration(seq)}.appendLine(stream, 60)
		stream = append(stream, "\x1b[0m\r\n> m"...)
	}
	stream = marker{seq: 6, sender: 2}.appendLine(stream, 0)
	for size := 1; size < len(stream); size += 7 {
		shown := &tally{self: 3}
		shown.begin(5, 15)
		feed(shown, stream, size)
		if shown.delivered() != 11 || shown.duplicates != 1 || shown.latency[0] != time.Second-5 {
			t.Fatalf("pieces of %d: %d delivered, %d again, %v", size, shown.delivered(), shown.duplicates, shown.latency)
		}
	}
}

func feed(sink Sink, stream []byte, size int) {
	var kept []byte
	for len(stream) > 0 {
		n := min(size, len(stream))
		kept = bytes.Clone(sink.Take(append(kept, stream[:n]...), time.Second))
		stream = stream[n:]
	}
}

func TestQuantile(t *testing.T) {
	var l Latency
	if l.Quantile(0.99) != 0 {
		t.Error("of nothing")
	}
	for ms := range 100 {
		l = append(l, time.Duration(ms)*time.Millisecond)
	}
	if p50, p99, most := l.Quantile(0.5), l.Quantile(0.99), l.Quantile(1); p50 != 50 || p99 != 99 || most != 99 {
		t.Errorf("%g, %g, %g", p50, p99, most)
	}
}
