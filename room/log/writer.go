package log

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"whoelse/room"
)

// maxSpare bounds the memory that is kept from one batch to the next.
const maxSpare = 1 << 20

// errMoved is returned while the open segment is not as the writer left it.
var errMoved = errors.New("the log's file was removed or replaced while the server runs; stop it, put the file back, and start it again")

// write is the writer. It ends after Close.
func (l *Log) write() {
	defer close(l.finished)
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed || len(l.queue) > 0 && l.pending != nil {
			l.work.Wait()
		}
		items := l.queue
		l.queue = nil
		l.mu.Unlock()
		if len(items) > 0 {
			l.commit(items)
			continue
		}
		l.closeSegment()
		l.mu.Lock()
		l.ended = true
		l.news.Broadcast()
		l.mu.Unlock()
		return
	}
}

// commit makes a batch durable, hands it over, and tells whoever must know.
func (l *Log) commit(items []item) {
	unable := l.ready(time.Now())
	errs := make([]error, len(items))
	outcomes := make([]outcome, len(items))
	b, seq := l.spare[:0], l.next
	for i, it := range items {
		if it.e == nil {
			errs[i] = it.err
			continue
		}
		if b, errs[i] = AppendLine(b, seq, it.e); errs[i] == nil {
			outcomes[i].entry = room.Entry{Seq: seq, Event: it.e}
			seq++
		}
	}
	if unable == nil && len(b) > 0 {
		unable = l.append(b)
	}
	if cap(b) <= maxSpare {
		l.spare = b
	}

	l.mu.Lock()
	if unable == nil && len(b) > 0 {
		l.next, l.last = seq, seq-1
		l.size += int64(len(b))
		l.syncs++
	}
	answered := outcomes[:0] // through the follower, so that answers have the order of the events
	for i, it := range items {
		if errs[i] == nil {
			errs[i] = unable
		}
		if errs[i] != nil && (it.e != nil || it.err != nil) {
			l.refused++
		}
		if errs[i] == nil && it.e != nil {
			answered = append(answered, outcomes[i])
		} else if it.done != nil {
			answered = append(answered, outcome{failed: it.done, err: errs[i]})
		}
	}
	following := l.following
	if following && len(answered) > 0 {
		l.pending = answered
		l.news.Signal()
	}
	l.mu.Unlock()
	for _, o := range answered {
		if !following && o.failed != nil {
			o.failed(o.err)
		}
	}
}

// ready sees to it that a segment is open that can take a batch.
func (l *Log) ready(now time.Time) error {
	if l.trouble != nil && now.Sub(l.tried) < retryAfter {
		return l.trouble
	}
	if err := l.prepare(); err != nil {
		return l.fail(err)
	}
	if l.trouble != nil {
		l.setTrouble(nil)
		l.log.Info("log: it can be written again; what is sent is accepted")
	}
	return nil
}

func (l *Log) prepare() error {
	if l.opts.Check != nil {
		if err := l.opts.Check(); err != nil {
			return err
		}
	}
	if l.f != nil {
		if err := l.intact(l.size); err != nil {
			return err
		}
	}
	l.mu.Lock()
	due := l.f == nil || l.size >= l.opts.SegmentBytes || l.seal && l.size > 0
	l.mu.Unlock()
	if !due {
		return nil
	}
	return l.begin()
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
	if err := l.in.Remove(newName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := l.in.Open(newName, true)
	if err != nil {
		return err
	}
	if l.trouble != nil { // creating a file may work on a full disk; a write shows it
		_, err = f.WriteAt(make([]byte, 4096), 0)
		if err == nil {
			err = f.Sync()
		}
		if err == nil {
			err = f.Truncate(0)
		}
	}
	name := segmentName(l.next)
	if err == nil {
		err = l.in.Rename(newName, name)
	}
	if err == nil {
		err = l.in.Sync()
	}
	st, statErr := f.Stat()
	if err = errors.Join(err, statErr); err != nil {
		_ = f.Close()
		return err
	}
	l.f, l.name, l.ino = f, name, st.Ino
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.segments); n == 0 || l.segments[n-1] != l.next {
		l.segments = append(l.segments, l.next)
	}
	l.open, l.size, l.seal = true, 0, false
	return nil
}

// append makes b durable at the end of the open segment. When that fails, b is cut off
// again, before anybody is told that it failed.
func (l *Log) append(b []byte) error {
	_, err := l.f.WriteAt(b, l.size)
	if err == nil {
		err = l.f.Sync()
	}
	broken := err != nil
	if err == nil {
		err = l.intact(l.size + int64(len(b)))
	}
	if err == nil {
		return nil
	}
	cut := l.f.Truncate(l.size)
	if cut == nil {
		cut = l.f.Sync()
	}
	if broken || cut != nil {
		// After a failed fsync a later one proves nothing about the same file.
		l.closeSegment()
	}
	failed := l.fail(err)
	if cut != nil && l.begin() != nil { // a new segment disowns it as well
		l.log.Error("log: what was refused could not be cut off; it may turn up after a crash", "segment", l.name, "error", cut)
	}
	return failed
}

func (l *Log) closeSegment() {
	if l.f == nil {
		return
	}
	_ = l.f.Close() // all that counts is on disk
	l.f = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open, l.size = false, 0
}

// fail notes trouble.
func (l *Log) fail(err error) error {
	err = fmt.Errorf("%w: %w", room.ErrStorage, err)
	if l.trouble == nil {
		l.log.Error("log: it can't be written; nothing is accepted until it can", "error", err)
	}
	l.tried = time.Now()
	l.setTrouble(err)
	return err
}

func (l *Log) setTrouble(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = err
}
