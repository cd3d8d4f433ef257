package log

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"whoelse/internal/disk"
	"whoelse/room"
)

// errMoved is returned while the open segment is not as the writer left it.
var errMoved = errors.New("the log's file was removed or replaced while the server runs; " +
	"stop it, put the file back, and start it again")

// write is the writer. It ends after Close.
func (l *Log) write() {
	defer close(l.batches)
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed {
			l.work.Wait()
		}
		l.gather()
		items := l.queue
		l.queue = nil
		l.mu.Unlock()
		if len(items) == 0 {
			l.closeSegment()
			l.update(func() { l.ended = true })
			return
		}
		if followed := l.commit(items); followed {
			l.batches <- items
		} else {
			handOver(items, func([]room.Entry) {})
		}
	}
}

// While events come fast, but one by one, the fsync of each, and waking all goroutines that it concerns, would cost as much
// as its deliveries to a small room. So a commit waits until commitPause after the one before it began, unless
// commitEnough items wait already: see docs/measurements.md, "Rooms". An event that comes after a quiet time does not wait.
const (
	commitPause  = 8 * time.Millisecond
	commitEnough = 8
	noPauseFor   = 100 * time.Millisecond // after a pause that was of no use
)

// gather is that pause, with mu held at its beginning and its end. It is of no use with senders who wait for their
// answers before they send more: they all do so at once after a commit.
func (l *Log) gather() {
	defer func() { l.began = time.Now() }()
	soon := time.Since(l.began) < commitPause/4
	if l.opts.Given || time.Now().Before(l.unpaused) || !l.linger(commitPause/16) {
		return
	}
	early := len(l.queue)
	for len(l.queue) < commitEnough && l.linger(commitPause/4) {
	}
	if soon && (len(l.queue) == early || early >= commitEnough) {
		l.unpaused = time.Now().Add(noPauseFor)
	}
}

// linger gives others a moment to append, unless the pause is over.
func (l *Log) linger(moment time.Duration) bool {
	if l.closed || time.Since(l.began) >= commitPause {
		return false
	}
	l.mu.Unlock()
	defer l.mu.Lock()
	time.Sleep(moment)
	return true
}

// update changes what others read.
func (l *Log) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// commit makes a batch durable, and gives each item its numbers or its error. It answers callers of Commit.
// It reports whether the batch is to be handed to a follower.
func (l *Log) commit(items []item) (followed bool) {
	unable := l.ready()
	b, seq := make([]byte, 0, 256*len(items)), l.last
	for i := range items {
		if it := &items[i]; it.entries != nil {
			b, seq, it.err = l.appendEntries(b, seq, it.entries)
		}
	}
	if unable == nil && len(b) > 0 {
		unable = l.append(b)
	}
	l.update(func() {
		if unable == nil && len(b) > 0 {
			l.last = seq
			l.stats.Bytes += int64(len(b))
			l.stats.Syncs++
		}
		for i := range items {
			it := &items[i]
			refused := it.err != nil || it.entries != nil && unable != nil
			if it.err == nil {
				it.err = unable
			}
			if l.opts.Given && it.entries != nil { // they come again
				it.done(it.err)
				it.done = nil
			} else if refused {
				l.stats.Refused++
			}
		}
		followed = l.followed
	})
	return followed
}

// appendEntries appends the lines of entries with numbers above last, all or none, and returns the last
// number.
func (l *Log) appendEntries(b []byte, last uint64, entries []room.Entry) ([]byte, uint64, error) {
	from, seq := len(b), last
	for i := range entries {
		var err error
		e := &entries[i]
		if !l.opts.Given {
			e.Seq = seq + 1
		}
		if e.Seq <= seq || e.Seq >= maxSeq {
			err = fmt.Errorf("%w: number %d after %d", room.ErrInvalid, e.Seq, seq)
		} else {
			b, err = AppendLine(b, e.Seq, e.Event)
		}
		if err != nil {
			return b[:from], last, err
		}
		seq = e.Seq
	}
	return b, seq, nil
}

// ready sees to it that a segment is open that can take a batch.
func (l *Log) ready() error {
	trouble := l.stats.Trouble
	if trouble != nil && time.Since(l.tried) < retryAfter {
		return trouble
	}
	var err error
	if l.opts.Check != nil {
		err = l.opts.Check()
	}
	if err == nil && l.f != nil {
		err = l.intact(l.stats.Bytes)
	}
	if err == nil && (l.f == nil || l.stats.Bytes >= l.opts.SegmentBytes) {
		err = l.begin()
	}
	if err != nil {
		return l.fail(err)
	}
	if trouble != nil {
		l.update(func() { l.stats.Trouble = nil })
		l.opts.Log.Info("log: it can be written again; what is sent is accepted")
	}
	return nil
}

// intact makes sure that the name of the open segment leads to it, and that nobody else
// has changed its size: the fsync of a file without a name succeeds and keeps nothing.
func (l *Log) intact(size int64) error {
	st, err := l.in.Lstat(l.name)
	if err == nil && (st.Ino != l.ino || st.Size != size) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (%s)", errMoved, l.name)
	}
	return err
}

// begin opens a new segment, which takes the next number. There is no way back to the one
// before. Where nothing was committed to that, the new one takes its name, in one step: there
// is no moment at which a crash would leave neither.
func (l *Log) begin() error {
	l.closeSegment()
	if err := l.in.Remove(newName); err != nil {
		return err
	}
	f, err := l.in.Open(newName, true)
	if err != nil {
		return err
	}
	first, st := l.last+1, disk.Stat{}
	steps := []func() error{
		func() error { return l.in.Rename(newName, SegmentName(first)) },
		l.in.Sync,
		func() (err error) { st, err = f.Stat(); return err },
	}
	if l.stats.Trouble != nil { // creating a file may work on a full disk; a write shows it
		write := func() error { _, err := f.WriteAt(make([]byte, 4096), 0); return err }
		steps = append([]func() error{write, f.Sync, func() error { return f.Truncate(0) }}, steps...)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			_ = f.Close()
			return err
		}
	}
	l.f, l.name, l.ino = f, SegmentName(first), st.Ino
	l.update(func() {
		if n := len(l.segments); n == 0 || l.segments[n-1] != first {
			l.segments = append(l.segments, first)
		}
		l.stats.Bytes = 0
	})
	return nil
}

// append makes b durable at the end of the open segment. When that fails, b is cut off
// again, before anybody hears that it failed.
func (l *Log) append(b []byte) error {
	size := l.stats.Bytes
	_, err := l.f.WriteAt(b, size)
	if err == nil {
		err = l.f.Sync()
	}
	broken := err != nil
	if err == nil {
		err = l.intact(size + int64(len(b)))
	}
	if err == nil {
		return nil
	}
	cut := l.f.Truncate(size)
	if cut == nil {
		cut = l.f.Sync()
	}
	if broken || cut != nil {
		// After a failed fsync a later one proves nothing about the same file.
		l.closeSegment()
	}
	err = l.fail(err)
	if cut != nil && l.begin() != nil { // a new segment disowns it as well
		l.opts.Log.Error("log: what was refused could not be cut off; it may turn up after a crash",
			"segment", l.name, "error", cut)
	}
	return err
}

func (l *Log) closeSegment() {
	if l.f != nil {
		_ = l.f.Close() // all that counts is on disk
		l.f = nil
		l.update(func() { l.stats.Bytes = 0 })
	}
}

// fail notes trouble.
func (l *Log) fail(err error) error {
	err = fmt.Errorf("%w: %w", room.ErrStorage, err)
	if l.stats.Trouble == nil {
		l.opts.Log.Error("log: it can't be written; nothing is accepted until it can", "error", err)
	}
	l.tried = time.Now()
	l.update(func() { l.stats.Trouble = err })
	return err
}
