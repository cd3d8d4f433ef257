package history

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// keepOf is how much of its limit a history fills after it was shortened. The
// more it is cut at once, the less often it is rewritten.
const keepOf, keepIn = 3, 4

// sweepEvery is how often all histories are looked at for what has become too
// old; with a short retention it is a twelfth of that.
const sweepEvery = 24 * time.Hour

// tmpEnd is what a new version of a history is called by until it replaces it.
const tmpEnd = ".tmp"

// trims is what the writer and the trimmer share.
type trims struct {
	wake  chan struct{} // holds one when somebody was asked for
	quit  chan struct{} // closed by stop
	ended chan struct{} // closed when the trimmer has ended; nil when there is none

	mu    sync.Mutex // guards asked
	asked []string   // whose histories are too large
}

// startTrimmer starts the trimmer, if there is any limit.
func (s *Store) startTrimmer() {
	s.tr.wake = make(chan struct{}, 1)
	s.tr.quit = make(chan struct{})
	if s.limits == (limits{}) {
		return
	}
	s.tr.ended = make(chan struct{})
	go s.trimmer()
}

// stop ends the trimmer. The writer must still be at work.
func (t *trims) stop() {
	close(t.quit)
	if t.ended != nil {
		<-t.ended
	}
}

func (t *trims) stopping() bool {
	select {
	case <-t.quit:
		return true
	default:
		return false
	}
}

// ask has owner's history looked at.
func (t *trims) ask(owner string) {
	t.mu.Lock()
	if !slices.Contains(t.asked, owner) {
		t.asked = append(t.asked, owner)
	}
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *trims) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	asked := t.asked
	t.asked = nil
	return asked
}

// limits bound what is kept; 0 is no limit.
type limits struct {
	nick, shared int64 // bytes of one history
	age          time.Duration
}

// limit is how large name's history may become.
func (s *Store) limit(name string) int64 {
	max := s.limits.nick
	if sharedFiles[name] != "" {
		max = s.limits.shared
	}
	if max <= 0 {
		return math.MaxInt64
	}
	return max
}

// trimmer shortens histories until stop: those that grew too large when it is
// asked to, and those with something too old now and then.
func (s *Store) trimmer() {
	defer close(s.tr.ended)
	every := sweepEvery
	if s.limits.age > 0 {
		every = min(every, s.limits.age/12)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	s.sweep()
	for {
		select {
		case <-s.tr.quit:
			return
		case <-ticker.C:
			s.sweep()
		case <-s.tr.wake:
			for _, name := range s.tr.take() {
				if !s.tr.stopping() {
					s.trim(name)
				}
			}
		}
	}
}

// sweep looks at all histories. It also removes what an interrupted rewriting
// has left.
func (s *Store) sweep() {
	for name := range sharedFiles {
		s.sweepOne(name)
	}
	s.sweepRetired(time.Now())
	names, err := s.home().users.names()
	if err != nil {
		s.log.Error("history: can't look for what is too large or too old", "error", err)
	}
	for _, file := range names {
		if s.tr.stopping() {
			return
		}
		if name, ok := strings.CutSuffix(file, ".jsonl"); ok && validOwner(name) {
			s.sweepOne(name)
		} else if strings.HasSuffix(file, ".jsonl"+tmpEnd) {
			_ = s.home().users.remove(file) // only the trimmer makes such while a server runs
		}
	}
}

// sweepOne shortens a history when a glance at it says so. Most it leaves alone,
// and outside the caches.
func (s *Store) sweepOne(name string) {
	in, base := s.place(name)
	st, err := in.lstat(base)
	if err != nil {
		return // there is none
	}
	if st.size > s.limit(name) || s.limits.age > 0 && s.beginsOld(in, base, st.size) {
		s.trim(name)
	}
}

// beginsOld reports whether the first message of a file whose time can be believed is
// too old, or can't be found at once.
func (s *Store) beginsOld(in folder, base string, size int64) bool {
	f, err := in.open(base, false)
	if err != nil {
		return false
	}
	defer func() { _ = f.close() }() // it was only read
	lines := forward{r: f, end: min(size, blockSize)}
	now := time.Now()
	for {
		l, err := lines.next()
		if err != nil {
			return lines.end < size
		}
		if e, ok := decode(l.data); ok && e.msg != nil && e.msg.Time.Before(now.Add(clockAhead)) {
			return e.msg.Time.Before(now.Add(-s.limits.age))
		}
	}
}

// errStale is given when a history changed in a way that makes what was prepared
// for it useless.
var errStale = errors.New("it was changed meanwhile")

var errStopping = errors.New("the store is being closed")

// trimTries is how often a history is written anew that changes meanwhile.
const trimTries = 3

// trim shortens owner's history where that is due.
func (s *Store) trim(name string) {
	var err error
	for range trimTries {
		if err = s.tryTrim(name); !errors.Is(err, errStale) && !errors.Is(err, errReplaced) {
			break
		}
		_ = s.onWriter(func() error { return s.refresh(name) }) // else the next try fails, too
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, errStopping):
	default:
		s.log.Error("history: can't be shortened, and is left as it is", "owner", name, "error", err)
	}
}

// refresh has a history read anew if somebody else has changed it.
func (s *Store) refresh(name string) error {
	it, err := s.current(name)
	if err == nil {
		s.owners.release(it)
	}
	return err
}

// tryTrim keeps the owner for as long as it takes: when another one is loaded meanwhile,
// the file is not what it was.
func (s *Store) tryTrim(name string) error {
	it, err := s.owner(name)
	if err != nil {
		return err
	}
	defer s.owners.release(it)
	t, err := s.prepareTrim(it.val)
	if err == nil && t != nil {
		err = s.onWriter(func() error { return s.swap(t) })
	}
	t.close(err)
	return err
}

// onWriter has the writer run job between two batches, and returns what it does.
func (s *Store) onWriter(job func() error) (err error) {
	done := make(chan struct{})
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	s.jobs = append(s.jobs, func() {
		err = job()
		close(done)
	})
	s.wake.Signal()
	s.mu.Unlock()
	<-done
	return err
}

// prepareTrim writes what is to be left of o's history to a new file beside it. It
// returns nil when there is nothing to be removed.
func (s *Store) prepareTrim(o *owner) (*trimming, error) {
	v, unread, err := s.view(o)
	if err != nil {
		return nil, err
	}
	defer v.close()
	if len(v.tail) > 0 || v.size == 0 || s.ck.suspect.Load() {
		return nil, nil // there is trouble, or nothing
	}
	t := &trimming{o: o, end: v.size, old: v.mark, stopping: s.tr.stopping}
	t.in, t.base = s.place(o.name)
	plan := newPlan(t, s.limit(o.name), s.limits.age, unread)
	r := &reader{s: s, o: o, v: v}
	if err := plan.find(r); err != nil || !plan.worthwhile() {
		return nil, err
	}
	if err := t.write(r, plan); err != nil {
		return t, fmt.Errorf("writing it anew: %w", err)
	}
	return t, t.setAside(v, plan.damaged)
}
