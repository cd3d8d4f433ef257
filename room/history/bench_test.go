package history

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"whoelse/room"
)

// BenchmarkBare is what the others are measured against: the two records of a
// direct message appended to two files, each fsynced, one after the other.
func BenchmarkBare(b *testing.B) {
	dir := b.TempDir()
	var files [2]*os.File
	for i := range files {
		f, err := os.OpenFile(fmt.Sprint(dir, "/", i), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		files[i] = f
	}
	line, err := messageLine(direct(1, "bob", "carol"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for _, f := range files {
			if _, err := f.Write(line); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkSend is one direct message, from each of so many senders at once to
// a recipient of its own, until it is acknowledged.
func BenchmarkSend(b *testing.B) {
	for _, senders := range []int{1, 32, 300} {
		b.Run(fmt.Sprint(senders), func(b *testing.B) { benchmarkSend(b, senders) })
	}
}

func benchmarkSend(b *testing.B, senders int) {
	s := mustOpen(b, b.TempDir(), Options{})
	var sent atomic.Int64
	var wg sync.WaitGroup
	took := make([][]time.Duration, senders)
	b.ResetTimer()
	for n := range senders {
		wg.Go(func() {
			from, to1 := fmt.Sprintf("from%d", n), fmt.Sprintf("to%d", n)
			for i := sent.Add(1); i <= int64(b.N); i = sent.Add(1) {
				start := time.Now()
				mustPut(b, s, to(direct(int(i), from, to1))...)
				took[n] = append(took[n], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	reportLatency(b, slices.Concat(took...))
}

// reportLatency tells how long half of all took at most, and all but one in a
// hundred.
func reportLatency(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for name, share := range map[string]float64{"p50-us": 0.50, "p99-us": 0.99} {
		at := took[int(share*float64(len(took)-1))]
		b.ReportMetric(float64(at.Nanoseconds())/1000, name)
	}
}

// BenchmarkUnread asks for three unread messages at the end of histories of
// very different lengths; cold is without anything in memory.
func BenchmarkUnread(b *testing.B) {
	for _, n := range []int{10, 10_000, 1_000_000} {
		s := mustOpen(b, b.TempDir(), Options{})
		fillHistory(b, s, n)
		for _, cold := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d/cold=%v", n, cold), func(b *testing.B) {
				for b.Loop() {
					if cold {
						s.owners.forget("carol")
					}
					if got := unread(b, s, "carol"); len(got) != 3 {
						b.Fatal(len(got), "unread")
					}
				}
			})
		}
	}
}

// fillHistory gives carol n messages, of which the last three are unread.
func fillHistory(tb testing.TB, s *Store, n int) {
	tb.Helper()
	for i := range n {
		m := direct(i, "bob", "carol")
		s.Append(nil, room.Record{Owner: "carol", Message: m})
		if i < n-3 && (i%50 == 0 || i == n-4) {
			var all []string
			for k := max(0, i-50); k <= i; k++ {
				all = append(all, fmt.Sprintf("id-%09d", k))
			}
			s.Append(nil, read("carol", all...))
		}
		if i%10_000 == 0 {
			mustPut(tb, s)
		}
	}
	mustPut(tb, s)
}
