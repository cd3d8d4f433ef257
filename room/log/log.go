// Package log is the log of a single server: events in segment files in one folder, made
// durable by group commit (all events that wait share one write and one fsync).
//
// A segment is named by the number of its first event and ends where the next one begins:
// any event in it with that number or a higher one was never acknowledged. Beginning a new
// segment therefore disowns a failed write. A [Log] begins its own segments: it never
// appends to one of an earlier Log, nor to one after a write or fsync of it failed.
package log

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"whoelse/room"
	"whoelse/room/internal/disk"
)

// retryAfter is how long after trouble it is tried again.
const retryAfter = time.Second

// readBatch is how many events from the disk Follow hands over at once.
const readBatch = 256

// ErrClosed is wrapped by the errors of what is appended after Close.
var ErrClosed = errors.New("the log is closed")

// Options are how a [Log] works. The zero value is good.
type Options struct {
	Log *slog.Logger // nil: nothing is logged
	// SegmentBytes is the size at which the next segment begins; 0 is 4 MiB.
	SegmentBytes int64
	// Next is a lower bound for the number of the next event; 0 is none. The segments can't
	// tell when they were released, or lost.
	Next uint64
	// Check, if not nil, is called before every write, and refuses it with an error. It
	// tells whether a parent of the folder was replaced.
	Check func() error
}

// Stats is what a [Log] has done since it was opened, and how it is.
type Stats struct {
	Trouble  error  // why nothing is accepted, wraps room.ErrStorage; nil when all is well
	Refused  uint64 // events that were not kept
	Syncs    uint64 // batches that were written and fsynced
	Bytes    int64  // size of the open segment, 0 when there is none
	Segments int    // how many there are
	Damaged  uint64 // damaged places that were found, without torn ends of segments
}

// Log is the log in segment files. All methods may be called concurrently.
type Log struct {
	in   disk.Folder
	opts Options
	log  *slog.Logger

	// The writer is the one goroutine that writes. These are its own.
	f        disk.File // the open segment; nil: none
	name     string
	ino      uint64
	next     uint64    // the number of the next event
	tried    time.Time // when there was trouble last
	spare    []byte    // memory for the next batch
	finished chan struct{}

	mu        sync.Mutex // guards what follows; it is not held during I/O
	work      sync.Cond  // there may be something to do for the writer
	news      sync.Cond  // or for the follower
	queue     []item
	closed    bool // nothing is appended any more
	ended     bool // nothing is committed any more
	seal      bool // the next batch begins a segment
	last      uint64
	segments  []uint64 // where they begin; the last one is f while that is open
	open      bool     // f is
	size      int64    // of the open segment; all of it is durable
	trouble   error
	following bool
	pending   []outcome // is for the follower to take
	refused   uint64
	syncs     uint64
	damaged   uint64
	found     map[Damage]bool // what was reported

	releasing sync.Mutex // one Release at a time
}

var _ room.Log = (*Log)(nil)

// item is what waits for the writer.
type item struct {
	e    *room.Event // nil: it is only to be answered
	err  error       // with this, or with how the log is
	done func(error) // of an event it is only called with an error
}

// Open opens the log in a folder, which belongs to it until Close. Damage is logged and
// costs only the damaged lines; only a segment that can't be read at all is an error.
//
// All events found are durable when Open returns. They may include events of the last
// write before a crash that were neither acknowledged nor refused.
func Open(in disk.Folder, opts Options) (*Log, error) {
	if opts.SegmentBytes == 0 {
		opts.SegmentBytes = 4 << 20
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	l := &Log{in: in, opts: opts, log: opts.Log, next: max(opts.Next, 1), found: map[Damage]bool{}, finished: make(chan struct{})}
	l.work.L, l.news.L = &l.mu, &l.mu
	var err error
	if l.segments, err = listSegments(in); err == nil && len(l.segments) > 0 {
		err = l.findEnd(l.segments[len(l.segments)-1])
	}
	if err != nil {
		return nil, fmt.Errorf("the log: %w", err)
	}
	l.last = l.next - 1
	go l.write()
	return l, nil
}

// minLine is below the length of every line, in bytes.
const minLine = 64

// findEnd finds the next number, and makes durable what is in the last segment.
func (l *Log) findEnd(last uint64) error {
	end := last
	r := reader{in: l.in, firsts: []uint64{last}, upTo: maxSeq, damaged: func(d Damage) {
		l.report(d)
		if d.Torn {
			// These may be acknowledged lines that were damaged later: their numbers, as many
			// as fit into the bytes, are not given again.
			end += uint64(d.Size / minLine)
		}
	}}
	r.visit = func(e room.Entry) error { end = e.Seq + 1; return nil }
	if err := r.read(0); err != nil {
		return err
	}
	if l.next = max(l.next, end); l.next >= maxSeq/2 {
		return fmt.Errorf("%s: a number that is too great", segmentName(last))
	}
	f, err := l.in.Open(segmentName(last), false)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), l.in.Sync())
}

// report logs and counts a damaged place that is not known yet.
func (l *Log) report(d Damage) {
	l.mu.Lock()
	known := l.found[d]
	l.found[d] = true
	if !known && !d.Torn {
		l.damaged++
	}
	l.mu.Unlock()
	switch {
	case known:
	case d.Torn:
		l.log.Warn("log: the last write to a segment is incomplete, as after a crash; it was not acknowledged",
			"segment", d.Segment, "byte", d.Off, "bytes", d.Size)
	default:
		l.log.Error("log: a segment is damaged; the events there are lost", "segment", d.Segment, "byte", d.Off, "bytes", d.Size)
	}
}

// Append implements [room.Log]. failed, which may be nil, is called in the order of the
// Append calls, between what the follower is handed over; without a follower, and after
// Close, by any goroutine.
func (l *Log) Append(e *room.Event, failed func(error)) { l.add(item{e: e, done: failed}) }

// Refuse has failed called with err, in its turn among what is appended.
func (l *Log) Refuse(err error, failed func(error)) { l.add(item{err: err, done: failed}) }

func (l *Log) add(it item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		if it.done != nil {
			go it.done(fmt.Errorf("%w: %w", room.ErrStorage, ErrClosed)) // the caller may hold locks
		}
		return
	}
	l.queue = append(l.queue, it)
	l.work.Signal()
}

// Probe asks whether the log accepts at the moment, and waits for the answer until ctx is
// over. After trouble that is when a segment can be written again, which is tried at most
// once a second. It appends nothing, so it can't detect failures that no write has met yet.
// The error wraps [room.ErrStorage], or is ctx's.
func (l *Log) Probe(ctx context.Context) error {
	answer := make(chan error, 1)
	l.add(item{done: func(err error) { answer <- err }})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Last is the greatest number that was given to an event, 0 when none was.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// First is the number of the first event in the segments, damaged or not; Last()+1 when
// there is none. If it is above the number that a follower needs next, events are missing.
func (l *Log) First() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) == 0 {
		return l.last + 1
	}
	return l.segments[0]
}

// Seal has the next batch begin a new segment, so that what is there now can be released.
func (l *Log) Seal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seal = true
}

// Stats returns the log's statistics. It does not wait for the disk.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{l.trouble, l.refused, l.syncs, l.size, len(l.segments), l.damaged}
}

// Read visits what was committed when it began and has numbers above after, in order, up to
// the first error of visit, which it returns.
func (l *Log) Read(after uint64, visit func(room.Entry) error) error {
	l.mu.Lock()
	r := l.reader(visit)
	l.mu.Unlock()
	return r.read(after)
}

// reader reads what is committed. It is called with mu held.
func (l *Log) reader(visit func(room.Entry) error) reader {
	r := reader{in: l.in, firsts: append([]uint64(nil), l.segments...), upTo: l.last, visit: visit, damaged: l.report}
	if l.open {
		if r.end = l.size; r.end == 0 { // nothing of it
			r.firsts = r.firsts[:len(r.firsts)-1]
		}
	}
	return r
}

// Follow hands over all events with numbers above after: first those in the segments, then
// each batch once it is durable, in order, none left out. It returns nil after Close,
// once apply has returned from the last batch, and an error when the segments can't be
// read; it may then be called again. Only one can follow at a time. While apply works on a
// batch, one more is committed; the next waits.
func (l *Log) Follow(after uint64, apply func([]room.Entry)) error {
	f, err := l.Subscribe(after)
	if err != nil {
		return err
	}
	return f.Run(apply)
}

// Follower is somebody who follows a [Log].
type Follower struct {
	l     *Log
	r     reader
	after uint64
	batch []room.Entry // read from the segments
	apply func([]room.Entry)
}

// Subscribe is the first half of Follow: what is committed from now on waits for
// [Follower.Run], which has to be called.
func (l *Log) Subscribe(after uint64) (*Follower, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.following {
		return nil, errors.New("the log is followed already")
	}
	l.following = true
	f := &Follower{l: l, after: after}
	f.r = l.reader(func(e room.Entry) error {
		if f.batch = append(f.batch, e); len(f.batch) == readBatch {
			f.flush()
		}
		return nil
	})
	return f, nil
}

// Run is the second half of Follow.
func (f *Follower) Run(apply func([]room.Entry)) error {
	defer f.l.unfollow()
	f.apply = apply
	if err := f.r.read(f.after); err != nil {
		return err
	}
	f.flush()
	for {
		outcomes := f.l.take()
		if outcomes == nil {
			return nil
		}
		for _, o := range outcomes {
			if o.failed == nil {
				f.batch = append(f.batch, o.entry)
				continue
			}
			f.flush()
			o.failed(o.err)
		}
		f.flush()
	}
}

func (f *Follower) flush() {
	if len(f.batch) > 0 {
		f.apply(f.batch)
		f.batch = nil
	}
}

// outcome is what became of an event: it has its place, or whoever appended it is to hear why not.
type outcome struct {
	entry  room.Entry
	failed func(error) // nil: it has its place
	err    error
}

func (l *Log) unfollow() {
	l.mu.Lock()
	left := l.pending
	l.following, l.pending = false, nil
	l.work.Signal()
	l.mu.Unlock()
	for _, o := range left {
		if o.failed != nil {
			o.failed(o.err)
		}
	}
}

// take waits for a batch; it returns none when there will be none.
func (l *Log) take() []outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.pending == nil && !l.ended {
		l.news.Wait()
	}
	batch := l.pending
	l.pending = nil
	l.work.Signal()
	return batch
}

// Release removes the segments that have only events with numbers up to upTo. Each removal is
// durable before the next segment goes, which disowns what may be at its end. The newest
// segment stays until the log is closed; Release may be called after that.
func (l *Log) Release(upTo uint64) error {
	l.releasing.Lock()
	defer l.releasing.Unlock()
	for {
		l.mu.Lock()
		n := len(l.segments)
		ok := n > 1 && l.segments[1] <= upTo+1 || n == 1 && l.ended && l.last <= upTo
		if !ok {
			l.mu.Unlock()
			return nil
		}
		first := l.segments[0]
		l.mu.Unlock()
		err := l.in.Remove(segmentName(first))
		if errors.Is(err, fs.ErrNotExist) { // removed, and perhaps not durably
			err = nil
		}
		if err == nil {
			err = l.in.Sync()
		}
		if err != nil {
			return fmt.Errorf("%w: a segment of the log can't be removed: %w", room.ErrStorage, err)
		}
		l.mu.Lock()
		l.segments = l.segments[1:]
		l.mu.Unlock()
	}
}

// Close waits until everything appended is committed and the follower has taken all but the
// last batch; Follow returns after that one. Later appends fail. It must not be called from
// within apply, and always returns nil.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.work.Signal()
	l.mu.Unlock()
	<-l.finished
	return nil
}
