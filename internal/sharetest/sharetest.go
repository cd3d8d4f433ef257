// Package sharetest is, for tests, the log of a cluster whose servers share files: one order of changes, each
// accepted only from a server that knows all earlier ones of the same document, and applied by each server in
// its own time.
package sharetest

import (
	"errors"
	"sync"
)

// ErrConflict is Change's error if other servers were faster again and again.
var ErrConflict = errors.New("other servers are changing the same")

// Log is the order of all changes.
type Log struct {
	mu      sync.Mutex
	changes []change
}

type change struct {
	doc  string
	data []byte
}

// newest is the number of the last change of a document. l.mu is held.
func (l *Log) newest(doc string) int {
	for i := len(l.changes); i > 0; i-- {
		if l.changes[i-1].doc == doc {
			return i
		}
	}
	return 0
}

// Len is how many changes there are.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.changes)
}

// Sizes are those of all changes, in bytes.
func (l *Log) Sizes() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	sizes := make([]int, len(l.changes))
	for i, c := range l.changes {
		sizes[i] = len(c.data)
	}
	return sizes
}

// Server is a server that follows the log. Its methods may be called concurrently.
type Server struct {
	Log *Log
	// Receive is called with one change after another.
	Receive func(doc string, data []byte) error
	// Between, if set, is called after a change was computed and before it is proposed.
	Between func()

	following sync.Mutex
	applied   int
}

// Follow applies changes up to number n, and returns the first error.
func (s *Server) Follow(n int) error {
	s.following.Lock()
	defer s.following.Unlock()
	for s.applied < n {
		s.Log.mu.Lock()
		next := s.Log.changes[s.applied]
		s.Log.mu.Unlock()
		if err := s.Receive(next.doc, next.data); err != nil {
			return err
		}
		s.applied++
	}
	return nil
}

// Crash forgets that the last n changes were applied.
func (s *Server) Crash(n int) {
	s.following.Lock()
	defer s.following.Unlock()
	s.applied = max(0, s.applied-n)
}

// Change is what a cluster gives to share a document with.
func (s *Server) Change(doc string, compute func() ([]byte, error)) error {
	for range 20 {
		s.Log.mu.Lock()
		newest := s.Log.newest(doc)
		s.Log.mu.Unlock()
		if err := s.Follow(newest); err != nil {
			return err
		}
		data, err := compute()
		if err != nil || data == nil {
			return err
		}
		if s.Between != nil {
			s.Between()
		}
		if n := s.Log.add(newest, change{doc, data}); n > 0 {
			return s.Follow(n)
		}
	}
	return ErrConflict
}

// add appends c and gives its number, or 0 if there is a newer change of its document than newest.
func (l *Log) add(newest int, c change) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.newest(c.doc) != newest {
		return 0
	}
	l.changes = append(l.changes, c)
	return len(l.changes)
}

// Share is Change for one document.
func (s *Server) Share(doc string) func(func() ([]byte, error)) error {
	return func(compute func() ([]byte, error)) error { return s.Change(doc, compute) }
}
