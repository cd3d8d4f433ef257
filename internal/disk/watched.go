package disk

import (
	"sync"
	"time"
)

// SettleTime is how long a [Watched] file has to stay unchanged before it is read (debouncing). Many
// editors empty a file before they write it; a read in between would find nothing.
const SettleTime = 100 * time.Millisecond

// Edits that follow each other so closely that none of them settles are read all the
// same once the first is settleMost old: as soon as the file was quiet for quietTime,
// which it hardly is in the middle of being written.
const (
	settleMost = time.Second
	quietTime  = 10 * time.Millisecond
)

// retryTime is how long a file that could not be read is left alone, unless it
// changes: the reason may be no part of the file.
const retryTime = time.Second

// sameTick is how long after a change another one may have the same time, which is up to 10 ms on the systems that
// we know, and the time from looking at the file until it was read.
const sameTick = 50 * time.Millisecond

// Watched reports when to read again a file that people edit. While the file does not change, that costs one stat. Its methods may be called concurrently; Path and Now are set
// before the first call.
type Watched struct {
	Path string
	Now  func() time.Time

	mu          sync.Mutex
	last        Stat   // as the file was when it was last read, or could not be
	existed     bool   // when it was last read
	unsure      bool   // it was changed just before, and a change just after may look the same
	failure     string // why it could not be read; empty if it was
	failedAt    time.Time
	fresh       Stat // a change that has not settled
	freshSince  time.Time
	unreadSince time.Time // when a change was first seen that has not been read; zero is none
}

// Look returns the file's current state.
func (w *Watched) Look() Stat {
	st, err := StatOf(w.Path)
	if err != nil {
		return Stat{Size: -1} // like no file, and not like none
	}
	return st
}

// Due reports whether the file has changed since it was last read, and settled.
func (w *Watched) Due() bool {
	changed, settled := w.check()
	return changed && settled
}

// Settle waits, for a second at most, until a change of the file has settled, so that a half-written file is
// not taken for the whole, and changed.
func (w *Watched) Settle() {
	for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(SettleTime / 5) {
		if changed, settled := w.check(); !changed || settled {
			return
		}
	}
}

// check reports whether the file must be read, because its state has changed or an earlier read failed a while
// ago. settled is whether the change is old enough, by the file's own time or, since that can be wrong,
// by the time since check first saw it.
func (w *Watched) check() (changed, settled bool) {
	s, now := w.Look(), w.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if s == w.last {
		return w.unsure || w.failure != "" && now.Sub(w.failedAt) >= retryTime, true
	}
	age := now.Sub(time.Unix(0, s.Modified))
	if !s.Exists() || age >= SettleTime {
		return true, true
	}
	if w.unreadSince.IsZero() {
		w.unreadSince = now
	}
	if w.fresh != s {
		w.fresh, w.freshSince = s, now
	}
	quiet := SettleTime
	if now.Sub(w.unreadSince) >= settleMost {
		quiet = quietTime
	}
	return true, max(now.Sub(w.freshSince), age) >= quiet
}

// Read notes the state of what was read.
func (w *Watched) Read(s Stat) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.existed, w.failure, w.unreadSince = s, s.Exists(), "", time.Time{}
	w.unsure = time.Since(time.Unix(0, s.Modified)) < sameTick // Now may be a test's
}

// Failed notes that a state could not be read, and reports whether it is the same failure
// as before.
func (w *Watched) Failed(s Stat, why error) (again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	again = w.last == s && w.failure == why.Error()
	w.last, w.unsure, w.failure, w.failedAt, w.unreadSince = s, false, why.Error(), w.Now(), time.Time{}
	return again
}

// Failing reports whether the last try to read the file failed.
func (w *Watched) Failing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure != ""
}

// Existed reports whether there was a file when it was last read.
func (w *Watched) Existed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.existed
}
