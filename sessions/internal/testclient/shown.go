package testclient

import (
	"io"
	"sync"
	"time"

	"whoelse/sessions/internal/screen"
)

// Shown is what somebody has in front of them, while it grows. Its methods may be
// called concurrently, and lock Mu.
type Shown struct {
	Mu     sync.Mutex     // owns the fields below
	Screen *screen.Screen // nil without a terminal
	Out    []byte         // all that came, as it came
	Over   bool           // nothing more comes

	news chan struct{} // closed at the next change; nil while nobody waits
}

// Write takes what comes from the server.
func (s *Shown) Write(p []byte) (int, error) {
	s.Change(func() {
		s.Out = append(s.Out, p...)
		if s.Screen != nil {
			s.Screen.Write(p)
		}
	})
	return len(p), nil
}

// End notes that nothing more comes.
func (s *Shown) End() { s.Change(func() { s.Over = true }) }

// Change calls f with Mu held, and wakes who waits.
func (s *Shown) Change(f func()) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	f()
	if s.news != nil {
		close(s.news)
		s.news = nil
	}
}

// Look calls f with Mu held. The channel is closed when there is a change.
func (s *Shown) Look(f func()) <-chan struct{} {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	f()
	if s.news == nil {
		s.news = make(chan struct{})
	}
	return s.news
}

// Await waits until ok, for as long as limit. ok is asked without Mu.
func (s *Shown) Await(limit time.Duration, ok func() bool) bool {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		news := s.Look(func() {})
		if ok() {
			return true
		}
		select {
		case <-news:
		case <-late.C:
			return false
		}
	}
}

// Received is all that came.
func (s *Shown) Received() string {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return string(s.Out)
}

// Follow copies all that comes from r to w, piece by piece, until r ends. What came
// on an ssh channel before its connection was closed is read in spite of errors.
func Follow(r io.Reader, w func([]byte)) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		w(buf[:n])
		if err != nil && n == 0 {
			return
		}
	}
}
