package history

import (
	"context"
	"sync/atomic"
)

// Stats is what a [Store] has done since it was opened, and how it is.
type Stats struct {
	Trouble        error  // why nothing is accepted; nil when all is well
	Refused        uint64 // units that were not kept
	Damaged        uint64 // damaged lines and ends of files that were found
	JournalSyncs   uint64 // pieces of the journal that were fsynced
	HistorySyncs   uint64 // files of histories that were fsynced
	JournalBytes   int64  // size of the open journal; 0 when there is none
	JournalsSealed int    // journals that wait to be removed
	Searched       uint64 // messages that Tail looked at to find those asked for
	Behind         int    // histories that lack lines which only the journal has
}

// counters is what Stats gives and nothing else remembers.
type counters struct {
	refused, journalSyncs, historySyncs, searched atomic.Uint64
	journalBytes                                  atomic.Int64
	trouble                                       atomic.Pointer[error]
}

// trouble is why nothing is accepted; nil when all is well.
func (s *Store) trouble() error {
	if err := s.counters.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Stats returns the store's statistics. It does not wait for the disk.
func (s *Store) Stats() Stats {
	st := Stats{
		Refused:      s.counters.refused.Load(),
		Damaged:      uint64(s.Damaged()),
		JournalSyncs: s.counters.journalSyncs.Load(),
		HistorySyncs: s.counters.historySyncs.Load(),
		JournalBytes: s.counters.journalBytes.Load(),
		Searched:     s.counters.searched.Load(),
	}
	st.Trouble = s.trouble()
	s.ck.mu.Lock()
	defer s.ck.mu.Unlock()
	st.JournalsSealed, st.Behind = len(s.ck.queue), len(s.ck.held)
	return st
}

// Probe asks whether the store accepts at the moment, and waits for the answer until
// ctx is over. After trouble that is when a journal can be written again, which is
// tried at most once a second. What it does not find out is what nobody has met yet:
// it appends nothing. The error wraps [room.ErrStorage], or is ctx's.
func (s *Store) Probe(ctx context.Context) error {
	answer := make(chan error, 1)
	s.Append(func(err error) { answer <- err })
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// count notes how it went with a batch, before anybody is told. The writer calls it.
func (s *Store) count(units []*unit, synced bool) {
	c := &s.counters
	for _, u := range units {
		if u.err != nil && len(u.lines) > 0 { // not what Probe appends
			c.refused.Add(1)
		}
	}
	if synced {
		c.journalSyncs.Add(1)
	}
	c.journalBytes.Store(0)
	if s.journal.f != nil {
		c.journalBytes.Store(s.journal.off)
	}
	c.trouble.Store(nil)
	if err := s.journal.err; err != nil {
		c.trouble.Store(&err)
	}
}
