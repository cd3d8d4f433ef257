package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"whoelse/bench/load"
	"whoelse/room/history"
)

// What is promised of direct messages acknowledged a second, as a ratio to one
// writer that appends and fsyncs the same records one by one.
var sendRatios = map[int]float64{1: 0.5, 300: 5}

// send holds senders that wait for each acknowledgement against bare writing of
// the same records, slice by slice.
func (b *bench) send(ctx context.Context) error {
	for _, senders := range b.Senders {
		if err := b.sendFrom(ctx, senders); err != nil {
			return fmt.Errorf("%d senders: %w", senders, err)
		}
	}
	return nil
}

// slice is what one stretch of writing achieved.
type slice struct {
	count   int
	elapsed time.Duration // until the last acknowledgement
	settled time.Duration // until nothing was left to be done in the background
	latency load.Histogram
}

func (s *slice) rate() float64        { return float64(s.count) / s.elapsed.Seconds() }
func (s *slice) settledRate() float64 { return float64(s.count) / s.settled.Seconds() }

func (b *bench) sendFrom(ctx context.Context, senders int) error {
	dir := filepath.Join(b.dir, fmt.Sprint("send", senders))
	line, err := recordLine(filepath.Join(dir, "line"))
	if err != nil {
		return err
	}
	var rates, settled, bares, p50, p99 []float64
	var bareLatency load.Histogram
	for round := range b.Rounds {
		b.tell("storage: send: %s, slice %d of %d", counted(senders, "sender"), round+1, b.Rounds)
		bare, err := b.bareSlice(ctx, filepath.Join(dir, fmt.Sprint("bare", round)), senders, line)
		if err != nil {
			return fmt.Errorf("bare: %w", err)
		}
		ours, err := b.storeSlice(ctx, filepath.Join(dir, "store"), senders, round)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		bareLatency.Merge(&bare.latency)
		bares, rates = append(bares, bare.rate()), append(rates, ours.rate())
		settled = append(settled, ours.settledRate())
		p50 = append(p50, millis(ours.latency.Quantile(0.50)))
		p99 = append(p99, millis(ours.latency.Quantile(0.99)))
	}
	name := counted(senders, "sender") + ": "
	f := b.addRatios(name+"acknowledged, to bare writing", "/s", rates, bares)
	if ratio, promised := sendRatios[senders]; promised {
		f.atLeast(ratio)
	}
	b.addRatios(name+"the same, with the time that Close took", "/s", settled, bares)
	b.add(name+"p50", "ms", p50...).Of = "bare " + withUnit(millis(bareLatency.Quantile(0.50)), "ms")
	b.add(name+"p99", "ms", p99...).Of = "bare " + withUnit(millis(bareLatency.Quantile(0.99)), "ms")
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprint(n, " ", what, "s")
}

func millis(d time.Duration) float64 { return d.Seconds() * 1000 }

// recordLine is what the store makes of a message, for the bare writer.
func recordLine(dir string) ([]byte, error) {
	store, err := history.Open(dir, history.Options{})
	if err != nil {
		return nil, err
	}
	err = put(store, records(message("from-00-000", "to-00-000"))...)
	if err := errors.Join(err, store.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "users", "from-00-000.jsonl"))
}

// bareSlice is one writer that appends each message to the files of its sender
// and of its recipient, and fsyncs each. The files are those of as many pairs
// as there are senders, in turn.
func (b *bench) bareSlice(ctx context.Context, dir string, senders int, line []byte) (_ *slice, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files := make([]*os.File, 2*senders)
	defer func() {
		for _, f := range files {
			if f != nil {
				err = errors.Join(err, f.Close())
			}
		}
	}()
	for i := range files {
		if files[i], err = os.OpenFile(filepath.Join(dir, fmt.Sprint(i)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return nil, err
		}
		if err := appendSync(files[i], line); err != nil { // its first block is no part of this
			return nil, err
		}
	}
	settle()
	out := &slice{}
	start := time.Now()
	for time.Since(start) < b.Slice && ctx.Err() == nil {
		sent := time.Now()
		pair := 2 * (out.count % senders)
		for _, f := range files[pair : pair+2] {
			if err := appendSync(f, line); err != nil {
				return nil, err
			}
		}
		out.count++
		out.latency.Add(time.Since(sent))
	}
	out.elapsed = time.Since(start)
	return out, context.Cause(ctx)
}

func appendSync(f *os.File, line []byte) error {
	if _, err := f.Write(line); err != nil {
		return err
	}
	return f.Sync()
}

// storeSlice is senders that each write to a recipient of its own through the
// store. What the store does later than the acknowledgement is timed too, and
// done before the next slice begins.
func (b *bench) storeSlice(ctx context.Context, dir string, senders, round int) (_ *slice, err error) {
	store, err := history.Open(dir, history.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := warm(ctx, store, senders, round); err != nil {
		return nil, err
	}
	settle()
	outs := make([]slice, senders)
	errs := make([]error, senders)
	var failed atomic.Bool
	var all sync.WaitGroup
	start := time.Now()
	for n := range senders {
		all.Go(func() {
			from, to := pairOf(round, n)
			for time.Since(start) < b.Slice && ctx.Err() == nil && !failed.Load() {
				sent := time.Now()
				if errs[n] = put(store, records(message(from, to))...); errs[n] != nil {
					failed.Store(true)
					return
				}
				outs[n].count++
				outs[n].latency.Add(time.Since(sent))
			}
		})
	}
	all.Wait()
	out := &slice{elapsed: time.Since(start)}
	for n := range outs {
		out.count += outs[n].count
		out.latency.Merge(&outs[n].latency)
	}
	err = errors.Join(append(errs, store.Close(), context.Cause(ctx))...)
	out.settled = time.Since(start)
	return out, err
}

// pairOf names the n-th sender and their recipient. Every slice has its own.
func pairOf(round, n int) (from, to string) {
	return fmt.Sprintf("from-%d-%d", round, n), fmt.Sprintf("to-%d-%d", round, n)
}

// warm writes a message from everybody, so that the files are there.
func warm(ctx context.Context, store *history.Store, senders, round int) error {
	in := newStream(store)
	for n := range senders {
		if err := in.add(ctx, records(message(pairOf(round, n)))...); err != nil {
			return err
		}
	}
	return in.wait()
}
