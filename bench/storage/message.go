package storage

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"whoelse/room"
	"whoelse/room/history"
)

// text is an ordinary chat line of 40 bytes.
const text = "see you at the station, the train is due"

var lastID atomic.Int64

// message is a direct message with an id as long as the server's own.
func message(from, to string) *room.Message {
	return &room.Message{
		ID: fmt.Sprintf("01K%023d", lastID.Add(1)), Time: time.Now().UTC().Truncate(time.Millisecond),
		Kind: room.KindDirect, From: from, To: []string{to}, Text: text,
	}
}

// records are what a direct message is kept as.
func records(m *room.Message) []room.Record {
	return []room.Record{{Owner: m.From, Message: m}, {Owner: m.To[0], Message: m}}
}

// put appends a unit and waits until it is acknowledged.
func put(s *history.Store, recs ...room.Record) error {
	done := make(chan error, 1)
	s.Append(func(err error) { done <- err }, recs...)
	return <-done
}

// stream appends units as fast as they are taken, and keeps no more than a
// thousand waiting. One goroutine at a time.
type stream struct {
	store *history.Store
	slots chan struct{}
	err   atomic.Pointer[error]
}

const inFlight = 1000

func newStream(store *history.Store) *stream {
	return &stream{store: store, slots: make(chan struct{}, inFlight)}
}

// add gives the error of any earlier unit, or the reason why ctx ended.
func (s *stream) add(ctx context.Context, recs ...room.Record) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	s.slots <- struct{}{} // the store always answers
	s.store.Append(func(err error) {
		if err != nil {
			s.err.CompareAndSwap(nil, &err)
		}
		<-s.slots
	}, recs...)
	return s.failed()
}

// wait returns when all is acknowledged.
func (s *stream) wait() error {
	for range inFlight {
		s.slots <- struct{}{}
	}
	for range inFlight {
		<-s.slots
	}
	return s.failed()
}

func (s *stream) failed() error {
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}
