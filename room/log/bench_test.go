package log

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"whoelse/room"
)

// BenchmarkBare is what the others are measured against: a line appended to a file and fsynced,
// one after the other.
func BenchmarkBare(b *testing.B) {
	f, err := realDir(b).Open("bare", true)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	line, err := AppendLine(nil, 1, direct(1))
	if err != nil {
		b.Fatal(err)
	}
	took := make([]time.Duration, 0, 1<<16)
	off := int64(0)
	for b.Loop() {
		start := time.Now()
		if _, err := f.WriteAt(line, off); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		off += int64(len(line))
		took = append(took, time.Since(start))
	}
	report(b, took)
}

// BenchmarkAppend is events from so many senders, each of whom waits until its event comes back.
func BenchmarkAppend(b *testing.B) {
	for _, senders := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(senders), func(b *testing.B) { benchmarkAppend(b, senders) })
	}
}

func benchmarkAppend(b *testing.B, senders int) {
	l := mustOpen(b, realDir(b), Options{})
	back := make([]chan struct{}, senders)
	took := make([][]time.Duration, senders)
	for n := range back {
		back[n] = make(chan struct{}, 1)
	}
	l.Follow(func(batch []room.Entry) {
		for _, e := range batch {
			back[e.Max] <- struct{}{}
		}
	})
	var sent atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for n := range senders {
		wg.Go(func() {
			for i := sent.Add(1); i <= int64(b.N); i = sent.Add(1) {
				start := time.Now()
				e := direct(int(i))
				e.Max = n
				l.Append(e, func(err error) { b.Error(err); back[n] <- struct{}{} })
				<-back[n]
				took[n] = append(took[n], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/float64(max(1, l.Stats().Syncs)), "events/sync")
	report(b, slices.Concat(took...))
}

// report tells how long half of all took at most, and all but one in a hundred.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for name, share := range map[string]float64{"p50-us": 0.50, "p99-us": 0.99} {
		at := took[int(share*float64(len(took)-1))]
		b.ReportMetric(float64(at.Nanoseconds())/1000, name)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkRead reads a log of 10,000 events.
func BenchmarkRead(b *testing.B) {
	l := mustOpen(b, realDir(b), Options{})
	for n := range 10_000 {
		l.Append(direct(n), nil)
	}
	if err := l.Probe(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if got := all(b, l, 0); len(got) != 10_000 {
			b.Fatal(len(got), "events")
		}
	}
}
