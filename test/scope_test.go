package test

import (
	"os"
	"slices"
	"sync"
	"testing"
)

// scope is a part of a test with an end of its own, so that a test of ten thousand
// parts keeps neither their files nor what was shown in them.
type scope struct {
	*testing.T

	mu       sync.Mutex
	cleanups []func()
}

func newScope(t *testing.T) *scope { return &scope{T: t} }

func (s *scope) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

func (s *scope) TempDir() string {
	dir, err := os.MkdirTemp("", "whoelse-part")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// end does what the test's end would do for it.
func (s *scope) end() {
	s.mu.Lock()
	cleanups := s.cleanups
	s.mu.Unlock()
	for _, f := range slices.Backward(cleanups) {
		f()
	}
}
