// Package log is the log of a single server: events in segment files in one folder, made
// durable by group commit (all events that wait share one write and one fsync).
//
// A segment is named by the number of its first event and ends where the next one begins:
// any event in it with that number or a higher one was never acknowledged. Beginning a new
// segment therefore disowns a failed write. A [Log] begins its own segments: it never
// appends to one of an earlier Log, nor to one after a write or fsync of it failed.
//
// A log that gets its numbers from another log (see Options.Given) works the same, but its numbers can have
// gaps.
package log

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"whoelse/internal/disk"
	"whoelse/room"
)

// retryAfter is how long after trouble it is tried again.
const retryAfter = time.Second

// Options are how a [Log] works. Log is needed.
type Options struct {
	Log *slog.Logger
	// SegmentBytes is the size at which the next segment begins; 0 is 4 MiB.
	SegmentBytes int64
	// Next is a lower bound for the number of the next event; 0 is none. The segments can't
	// tell when they were released, or lost.
	Next uint64
	// Given says that events come with their numbers, by [Log.Commit], and can come again: after a crash
	// the log is cut at the first incomplete event. Append is refused.
	Given bool
	// Check, if not nil, is called before every write, and refuses it with an error. It
	// tells whether a parent of the folder was replaced.
	Check func() error
}

// Stats is what a [Log] has done since it was opened, and how it is.
type Stats struct {
	Trouble  error  // why nothing is accepted, wraps room.ErrStorage; nil when all is well
	Refused  uint64 // events that were not kept
	Syncs    uint64 // batches that were written and fsynced
	Bytes    int64  // size of the open segment, all of which is durable; 0 when there is none
	Segments int    // how many there are
	Damaged  uint64 // damaged places that were found, without torn ends of segments
}

// Log is the log in segment files. All methods may be called concurrently, Release with others.
type Log struct {
	in   disk.Folder
	opts Options

	running sync.WaitGroup // the writer, and the follower
	batches chan []item    // from the one to the other

	// These are the writer's, which is the one goroutine that writes.
	f     disk.File // the open segment; nil: none
	name  string
	ino   uint64
	tried time.Time // when there was trouble last

	began    time.Time // the last commit
	unpaused time.Time // until then commits are not kept apart: see gather

	mu       sync.Mutex // guards what follows; it is not held during I/O
	work     sync.Cond  // there may be something to do for the writer
	queue    []item
	closed   bool // nothing is appended any more
	followed bool
	ended    bool // nothing is committed any more: the newest segment can be released too
	found    map[Damage]bool

	// The writer alone changes these, but for segments that are released and damage that is found.
	last     uint64
	segments []uint64 // where they begin; the last one is the open one, if one is
	stats    Stats
}

var _ room.Log = (*Log)(nil)

// item waits for the writer, and then for the follower.
type item struct {
	entries []room.Entry // get their numbers, or have them: see Options.Given; nil: it is only to be answered
	err     error        // why they have no place
	done    func(error)  // of what is appended it is only called with an error; may be nil
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
	l := &Log{in: in, opts: opts, last: max(opts.Next, 1) - 1, found: map[Damage]bool{},
		unpaused: time.Now().Add(noPauseFor)}
	l.batches, l.work.L = make(chan []item), &l.mu
	var err error
	if l.segments, err = Segments(in); err == nil && len(l.segments) > 0 {
		err = l.findEnd(l.segments[len(l.segments)-1])
	}
	if err != nil {
		return nil, fmt.Errorf("the log: %w", err)
	}
	l.running.Go(l.write)
	return l, nil
}

// minLine is below the length of every line, in bytes.
const minLine = 64

// findEnd finds the last number, and makes durable what is in the last segment.
func (l *Log) findEnd(first uint64) error {
	last, cut := first-1, false
	err := read(l.in, []uint64{first}, maxSeq, 0, func(e room.Entry) error {
		if !cut {
			last = e.Seq
		}
		return nil
	}, func(d Damage) {
		if l.opts.Given {
			// Those behind it are not acknowledged, or come again.
			cut, d.Torn = true, true
		} else if d.Torn {
			// These may be acknowledged lines that were damaged later: their numbers, as many
			// as fit into the bytes, are not given again.
			last += uint64(d.Size / minLine)
		}
		l.report(d)
	})
	if err != nil {
		return err
	}
	if l.last = max(l.last, last); l.last >= maxSeq/2 {
		return fmt.Errorf("%s: a number that is too great", SegmentName(first))
	}
	f, err := l.in.Open(SegmentName(first), false)
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
		l.stats.Damaged++
	}
	l.mu.Unlock()
	switch {
	case known:
	case d.Torn:
		l.opts.Log.Warn("log: the last write to a segment is incomplete, as after a crash; it was not acknowledged",
			"segment", d.Segment, "byte", d.Off, "bytes", d.Size)
	default:
		l.opts.Log.Error("log: a segment is damaged; the events there are lost",
			"segment", d.Segment, "byte", d.Off, "bytes", d.Size)
	}
}

// Append implements [room.Log]. failed, which may be nil, is called in the order of the
// Append calls, between what the follower is handed over; without a follower, and after
// Close, by any goroutine.
func (l *Log) Append(e *room.Event, failed func(error)) {
	if l.opts.Given {
		l.Refuse(fmt.Errorf("%w: another log gives the numbers", room.ErrInvalid), failed)
		return
	}
	l.add(item{entries: []room.Entry{{Event: e}}, done: failed})
}

// Commit makes entries durable, all or none, and returns; the follower gets them after that. Their numbers are
// greater than all before. It needs [Options.Given]. After an error that wraps
// [room.ErrStorage], none of them counts: commit them again, unchanged, before any others.
// [room.ErrInvalid] says that no try can succeed. Only one goroutine may call it.
func (l *Log) Commit(entries []room.Entry) error {
	done := make(chan error, 1)
	l.add(item{entries: entries, done: func(err error) { done <- err }})
	return <-done
}

// Refuse has failed called with err, in its turn among what is appended.
func (l *Log) Refuse(err error, failed func(error)) { l.add(item{err: err, done: failed}) }

func (l *Log) add(it item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.queue = append(l.queue, it)
		l.work.Signal()
	} else if it.done != nil {
		go it.done(fmt.Errorf("%w: the log is closed", room.ErrStorage)) // the caller may hold locks
	}
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

// Stats returns the log's statistics. It does not wait for the disk.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.stats
	st.Segments = len(l.segments)
	return st
}

// Read visits what was committed when it began and has numbers above after, in order, up to
// the first error of visit, which it returns. While a failed write is cut off it can fail, too.
func (l *Log) Read(after uint64, visit func(room.Entry) error) error {
	l.mu.Lock()
	segments, last := slices.Clone(l.segments), l.last
	l.mu.Unlock()
	return read(l.in, segments, last, after, visit, l.report)
}

// Follow has apply called with each batch that is committed from now on, once it is durable, in
// order; [Log.Read] has what was committed before. It returns at once, and may be called once. While
// apply works on a batch one more is committed; the next waits.
func (l *Log) Follow(apply func([]room.Entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followed = true
	l.running.Go(func() {
		for batch := range l.batches {
			handOver(batch, apply)
		}
	})
}

// handOver gives to apply what has its place, and answers the rest in its turn.
func handOver(items []item, apply func([]room.Entry)) {
	var batch []room.Entry
	flush := func() {
		if len(batch) > 0 {
			apply(batch)
			batch = nil
		}
	}
	for _, it := range items {
		switch {
		case it.entries != nil && it.err == nil:
			batch = append(batch, it.entries...)
		case it.done != nil:
			flush()
			it.done(it.err)
		}
	}
	flush()
}

// Release removes the segments that have only events with numbers up to upTo. Each removal is
// durable before the next segment goes, which disowns what may be at its end. The newest
// segment stays until the log is closed; Release may be called after that. It is called by one
// goroutine at a time.
func (l *Log) Release(upTo uint64) error {
	for {
		l.mu.Lock()
		if n := len(l.segments); n == 0 || n == 1 && (!l.ended || l.last > upTo) || n > 1 && l.segments[1] > upTo+1 {
			l.mu.Unlock()
			return nil
		}
		first := l.segments[0]
		l.mu.Unlock()
		err := l.in.Remove(SegmentName(first)) // it may have been removed, and perhaps not durably
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

// Close waits until everything appended is committed and the follower has it. Later appends fail. It
// must not be called from within apply, and always returns nil.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.work.Signal()
	l.mu.Unlock()
	l.running.Wait()
	return nil
}
