package history

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// sealedJournal is a journal that is complete: dirty says whose files must be on disk
// before it may go.
type sealedJournal struct {
	home  *home
	num   int
	dirty map[string]bool
}

// maxSealed is how many sealed journals may wait; while there are more, the
// open one grows beyond its size.
const maxSealed = 4

// syncers is how many files are fsynced at the same time.
const syncers = 8

// checkpoints is what the writer and the checkpointer share.
type checkpoints struct {
	wake  chan struct{} // holds one when there may be something to do
	quit  chan struct{} // closed by stop
	ended chan struct{} // closed when the checkpointer has ended

	mu     sync.Mutex      // guards the rest of this block
	queue  []sealedJournal // oldest first
	held   map[string]int
	failed time.Time // of the last failure, zero after a success

	// suspect: an fsync of a file failed, and the kernel may have dropped
	// what was to be written, so that another fsync proves nothing. Set
	// by whoever runs checkpoint, and by retireNick.
	suspect atomic.Bool
	// waiting: it was told that a backup keeps the journals. Owned by
	// whoever runs checkpoint.
	waiting bool
}

func (c *checkpoints) init() {
	c.wake = make(chan struct{}, 1)
	c.quit = make(chan struct{})
	c.ended = make(chan struct{})
	c.held = make(map[string]int)
}

func (c *checkpoints) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// seal queues a journal.
func (c *checkpoints) seal(j sealedJournal) {
	c.mu.Lock()
	c.queue = append(c.queue, j)
	c.mu.Unlock()
	c.nudge()
}

// hold keeps journal num and later ones until free: they have lines of owner
// that are not in its file.
func (c *checkpoints) hold(owner string, num int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[owner] = num
}

func (c *checkpoints) free(owner string) {
	c.mu.Lock()
	delete(c.held, owner)
	c.mu.Unlock()
	c.nudge()
}

// roomForMore reports whether the checkpointer keeps up.
func (c *checkpoints) roomForMore() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) < maxSealed
}

// retry wakes the checkpointer some time after it failed.
func (c *checkpoints) retry(now time.Time) {
	c.mu.Lock()
	due := !c.failed.IsZero() && now.Sub(c.failed) >= retryAfter
	c.mu.Unlock()
	if due {
		c.nudge()
	}
}

// head returns the oldest sealed journal that nothing holds.
func (c *checkpoints) head() (sealedJournal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return sealedJournal{}, false
	}
	for _, num := range c.held {
		if num <= c.queue[0].num {
			return sealedJournal{}, false
		}
	}
	return c.queue[0], true
}

// done notes how it went with the head, if that is still j, and reports whether
// that is something new.
func (c *checkpoints) done(j sealedJournal, err error) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 || c.queue[0].home != j.home || c.queue[0].num != j.num {
		return false
	}
	changed = (err == nil) != c.failed.IsZero()
	if err != nil {
		c.failed = time.Now()
		return changed
	}
	c.failed = time.Time{}
	c.queue = c.queue[1:]
	return changed
}

// replace has it go on with other journals: the folder of those before is gone.
func (c *checkpoints) replace(queue []sealedJournal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue, c.failed = queue, time.Time{}
	clear(c.held)
}

// checkpointer retires sealed journals until stop.
func (s *Store) checkpointer() {
	defer close(s.ck.ended)
	for {
		select {
		case <-s.ck.quit:
			return
		case <-s.ck.wake:
			_ = s.checkpoint() // its first failure was logged, and it is tried again
		}
	}
}

// stop ends the checkpointer and retires what is left.
func (c *checkpoints) stop(s *Store) error {
	close(c.quit)
	<-c.ended
	err := s.checkpoint()
	if errors.Is(err, ErrBackup) {
		return nil // the next start removes what is left
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) > 0 {
		return fmt.Errorf("%d files lack lines that are in the journal", len(c.held))
	}
	return nil
}

// checkpoint retires all journals that it can. Only one runs at a time.
func (s *Store) checkpoint() error {
	for {
		j, ok := s.ck.head()
		if !ok {
			return nil
		}
		err := s.retire(j)
		changed := s.ck.done(j, err)
		switch {
		case errors.Is(err, ErrBackup):
			if !s.ck.waiting {
				s.log.Info("history: a backup is running; the journals stay until it has ended")
			}
			s.ck.waiting = true
			return err
		case changed && err != nil:
			s.log.Error("history: a journal can't be removed until its files are on disk; journals may pile up", "journal", j.num, "error", err)
		case changed && !s.ck.waiting:
			s.log.Info("history: journals are removed again", "journal", j.num)
		}
		s.ck.waiting = false
		if err != nil {
			return err
		}
	}
}

// retire makes durable what a journal speaks of, and removes it. Journals go
// strictly in order: recovery relies on having all that follow the first.
func (s *Store) retire(j sealedJournal) error {
	if err := j.home.withoutBackup(func() error { return nil }); err != nil {
		return err // found out before all the work; it is asked again for the removal
	}
	if s.ck.suspect.Load() {
		if err := s.rewrite(); err != nil {
			return err
		}
	}
	if err := s.syncFiles(j.dirty); err != nil {
		s.ck.suspect.Store(true)
		return err
	}
	s.ck.suspect.Store(false)
	if err := s.saveLastID(); err != nil {
		return err
	}
	return removeJournal(j.home, j.num)
}

// removeJournal makes the removal durable before the next journal can go. While a
// backup runs it is ErrBackup, and the journal stays.
func removeJournal(in *home, num int) error {
	return in.withoutBackup(func() error {
		err := in.journals.remove(journalName(num))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return in.journals.sync()
	})
}

// syncFiles makes the files of owners durable, and their names. When there are
// many, their whole file system is, which is many times as fast: after a crash
// tens of thousands may wait.
func (s *Store) syncFiles(owners map[string]bool) error {
	in := s.home()
	if len(owners) >= s.many {
		if done, err := in.syncAll(); done {
			s.counters.historySyncs.Add(uint64(len(owners)))
			return cmp.Or(err, in.users.sync(), in.root.sync())
		}
	}
	names := make(chan string)
	errs := make(chan error, syncers)
	for range syncers {
		go func() {
			var err error
			for name := range names {
				err = cmp.Or(err, s.syncFile(name)) // a thousand may fail alike
			}
			errs <- err
		}()
	}
	for name := range owners {
		names <- name
	}
	close(names)
	var err error
	for range syncers {
		err = cmp.Or(err, <-errs)
	}
	return cmp.Or(err, in.users.sync(), in.root.sync())
}

func (s *Store) syncFile(owner string) error {
	h, err := s.handle(owner, false)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errOdd) {
		if _, retired := s.retired.Load(owner); retired {
			return nil
		}
		s.log.Error("history: a file that was written to is gone", "owner", owner, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer s.files.release(h)
	s.counters.historySyncs.Add(1)
	return h.val.sync()
}
