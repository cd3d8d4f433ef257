package load

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

func TestHistogramQuantiles(t *testing.T) {
	var h Histogram
	for us := 1; us <= 100_000; us++ {
		h.Add(time.Duration(us) * time.Microsecond)
	}
	for q, want := range map[float64]float64{0.5: 50_000, 0.95: 95_000, 0.99: 99_000} {
		got := float64(h.Quantile(q).Microseconds())
		if got < want || got > want*1.02 {
			t.Errorf("quantile %g: %g us, want %g within 2 %%", q, got, want)
		}
	}
	if h.Max() != 100*time.Millisecond || h.Count() != 100_000 {
		t.Errorf("max %s of %d", h.Max(), h.Count())
	}
}

func TestHistogramBuckets(t *testing.T) {
	for range 10_000 {
		us := rand.Uint64N(1 << 30)
		i := bucket(us)
		if us > upper(i) || i > 0 && us <= upper(i-1) {
			t.Fatalf("%d us is in bucket %d, which ends at %d", us, i, upper(i))
		}
	}
}

func TestHistogramMerge(t *testing.T) {
	var a, b Histogram
	a.Add(time.Millisecond)
	b.Add(time.Second)
	a.Merge(&b)
	if a.Count() != 2 || a.Max() != time.Second || a.Quantile(0.99) != time.Second {
		t.Errorf("count %d, max %s, p99 %s", a.Count(), a.Max(), a.Quantile(0.99))
	}
}

// TestTallyCutsAnywhere: whatever pieces the stream comes in, every message
// counts once, with what a terminal puts around it.
func TestTallyCutsAnywhere(t *testing.T) {
	var stream []byte
	for seq := range 20 {
		stream = append(stream, "\x1b[31mmk: "...)
		stream = marker{seq: seq, sender: seq % 4, sent: time.Duration(seq)}.appendLine(stream, 60)
		stream = append(stream, "\x1b[0m\r\n> m"...)
	}
	for size := 1; size < len(stream); size += 7 {
		tally := &Tally{self: 3}
		tally.Begin(0, 20)
		feed(tally, stream, size)
		want := Counts{Delivered: 15, Own: 5}
		if got := tally.Counts(); got != want {
			t.Fatalf("pieces of %d: %+v, want %+v", size, got, want)
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

func TestTallyTellsDuplicatesAndStrays(t *testing.T) {
	tally := &Tally{self: 1}
	tally.Begin(10, 12)
	for _, m := range []marker{{seq: 10, sender: 2}, {seq: 10, sender: 2}, {seq: 9, sender: 2}, {seq: 12}} {
		tally.Take(m.appendLine(nil, 0), 0)
	}
	want := Counts{Delivered: 1, Duplicates: 1, Stray: 2}
	if got := tally.Counts(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestReceipts(t *testing.T) {
	for line, want := range map[string]Receipt{
		" * delivered to u0002":                Delivered,
		" * kept for u0002 (offline)":          Kept,
		" * not delivered to u0002: blocked":   Refused,
		"14:02 [you -> u0002] say mk, no word": -1,
		" * delivered to u0003":                -1,
	} {
		receipts := NewReceipts("u0002")
		feed(receipts, []byte("noise\r\n"+line+"\r\n"), 5)
		got := Receipt(-1)
		select {
		case r := <-receipts.got:
			got = r.kind
		default:
		}
		if got != want {
			t.Errorf("%q: %d, want %d", line, got, want)
		}
	}
}
