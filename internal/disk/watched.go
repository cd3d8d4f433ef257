package disk

import (
	"sync"
	"time"
)

// SettleTime is how long a change has to stand before a [Watched] file is read. Many
// editors empty a file and then write it; read in between, it would say nothing.
const SettleTime = 100 * time.Millisecond

// Edits that follow each other so closely that none of them settles are read all the
// same once the first is settleMost old: as soon as the file was quiet for QuietTime,
// which it hardly is in the middle of being written.
const (
	settleMost = time.Second
	QuietTime  = 10 * time.Millisecond
)

// RetryTime is how long a file that could not be read is left alone, unless it
// changes: the reason may be no part of the file.
const RetryTime = time.Second

// Watched tells when a file that people edit is to be read again. It costs a stat where
// the file has not changed. Its methods may be called concurrently; Path and Now are set
// before the first call.
type Watched struct {
	Path string
	Now  func() time.Time

	mu          sync.Mutex
	last        State  // as the file was when it was last read, or could not be
	existed     bool   // when it was last read
	failure     string // why it could not be; empty if it was read
	failedAt    time.Time
	fresh       State // a change that has not settled
	freshSince  time.Time
	unreadSince time.Time // when a change was first seen that has not been read; zero is none
}

// State is how a file looks without being read.
type State struct {
	stat Stat
	err  string
}

// Look gives the file's state now.
func (w *Watched) Look() State {
	stat, err := StatOf(w.Path)
	if err != nil {
		return State{err: err.Error()}
	}
	return State{stat: stat}
}

// Due reports whether the file has changed since it was last read, and settled.
func (w *Watched) Due() bool {
	changed, settled := w.check()
	return changed && settled
}

// Settling reports whether the file has changed, and not settled.
func (w *Watched) Settling() bool {
	changed, settled := w.check()
	return changed && !settled
}

// check reports whether the file must be read, because its state has changed or an earlier read failed a while
// ago. settled is whether the change is old enough, by the file's own time or, since that can be wrong,
// by the time since check first saw it.
func (w *Watched) check() (changed, settled bool) {
	s, now := w.Look(), w.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if s == w.last && (w.failure == "" || now.Sub(w.failedAt) < RetryTime) {
		return false, true
	}
	age := now.Sub(time.Unix(0, s.stat.Modified))
	if !s.stat.Exists() || age >= SettleTime {
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
		quiet = QuietTime
	}
	return true, max(now.Sub(w.freshSince), age) >= quiet
}

// Read notes what was read.
func (w *Watched) Read(stat Stat) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.existed, w.failure, w.unreadSince = State{stat: stat}, stat.Exists(), "", time.Time{}
}

// Failed notes that a state could not be read, and reports whether it is the same failure
// as before.
func (w *Watched) Failed(s State, why error) (again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	again = w.last == s && w.failure == why.Error()
	w.last, w.failure, w.failedAt, w.unreadSince = s, why.Error(), w.Now(), time.Time{}
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
