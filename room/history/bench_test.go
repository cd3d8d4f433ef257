package history

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"whoelse/room/history/record"
)

// BenchmarkBare is what the others are measured against: one line of the log appended to
// a file and fsynced.
func BenchmarkBare(b *testing.B) {
	f, err := os.OpenFile(b.TempDir()+"/bare", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	line, err := record.AppendMessage(nil, 1, direct(1, "bob", "carol"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := f.Write(line); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkSend is one direct message, from each of so many senders at once to
// a recipient of its own, until it comes back from the log, and is in both histories.
func BenchmarkSend(b *testing.B) {
	for _, senders := range []int{1, 10, 100} {
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
			from, to := fmt.Sprintf("from%d", n), fmt.Sprintf("to%d", n)
			for i := sent.Add(1); i <= int64(b.N); i = sent.Add(1) {
				start := time.Now()
				mustPut(b, s, event(direct(int(i), from, to)))
				took[n] = append(took[n], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
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
	for _, n := range []int{10, 10_000, 300_000} {
		s := mustOpen(b, b.TempDir(), Options{})
		fillHistory(b, s, n)
		for _, cold := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d/cold=%v", n, cold), func(b *testing.B) {
				for b.Loop() {
					if cold {
						s.forget("carol")
					}
					if got := unreadOf(b, s, "carol"); len(got) != 3 {
						b.Fatal(len(got), "unread")
					}
				}
			})
		}
	}
}

// BenchmarkOpen opens a folder with so many nicks, after a clean end.
func BenchmarkOpen(b *testing.B) {
	for _, nicks := range []int{10, 100_000} {
		dir := b.TempDir()
		s := mustOpen(b, dir, Options{})
		mustPut(b, s, event(direct(1, "ann", "bob")))
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		text := readAll(b, userFile(dir, "bob"))
		for n := range nicks {
			writeAll(b, userFile(dir, fmt.Sprint("n", n)), text)
		}
		b.Run(fmt.Sprint(nicks), func(b *testing.B) {
			for b.Loop() {
				s, err := Open(dir, Options{})
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMarkRead marks a whole inbox as read, page by page and in events as large as they
// can be: what a message costs does not grow with their number.
func BenchmarkMarkRead(b *testing.B) {
	for _, n := range []int{1000, 30_000, 100_000} {
		for way, page := range map[string]int{"pages of 50": 50, "at once": 4000} {
			b.Run(fmt.Sprint(n, " ", way), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					s := mustOpen(b, b.TempDir(), Options{})
					list := fill(b, s, "bob", n)
					b.StartTimer()
					for part := range slices.Chunk(list, page) {
						s.Append(read("bob", part...), nil)
					}
					mustPut(b, s, read("~guest", "x"))
					b.StopTimer()
					if left, err := s.Waiting("bob"); left > 0 || err != nil {
						b.Fatal(left, err)
					}
					_ = s.Close()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/message")
			})
		}
	}
}
