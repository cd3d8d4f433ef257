package room

import (
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// fakeArchive keeps records in memory. A goroutine of its own commits units in
// order and calls their done, unless told to hold one of the two back.
type fakeArchive struct {
	mu      sync.Mutex
	changed *sync.Cond // any of the fields below
	queue   []fakeUnit
	records []Record
	broken  bool // units fail with ErrStorage
	hold    bool // commit nothing
	holding bool // commit, but call no done
	stuck   bool // reading waits
	closed  bool
	readers int // who waits in a method that may block
	ended   chan struct{}
}

type fakeUnit struct {
	done    func(error)
	records []Record
}

var _ Archive = (*fakeArchive)(nil)

// newArchive starts an archive that already has records. It ends with the test.
func newArchive(t testing.TB, records ...Record) *fakeArchive {
	a := &fakeArchive{records: slices.Clone(records), ended: make(chan struct{})}
	a.changed = sync.NewCond(&a.mu)
	go a.run()
	t.Cleanup(a.close)
	return a
}

// set changes the archive's behaviour.
func (a *fakeArchive) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	a.changed.Broadcast()
}

// close lets the archive commit what is queued and end.
func (a *fakeArchive) close() {
	a.set(func() { a.closed, a.hold, a.holding, a.stuck = true, false, false, false })
	<-a.ended
}

func (a *fakeArchive) run() {
	defer close(a.ended)
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		for a.hold || len(a.queue) == 0 {
			if a.closed && len(a.queue) == 0 {
				return
			}
			a.changed.Wait()
		}
		a.commit()
	}
}

// commit keeps one unit and calls its done. a.mu is held, but not while done runs.
func (a *fakeArchive) commit() {
	u := a.queue[0]
	a.queue = a.queue[1:]
	var err error
	if a.broken {
		err = fmt.Errorf("%w: the disk is full", ErrStorage)
	} else {
		a.records = append(a.records, u.records...)
	}
	for a.holding {
		a.changed.Wait()
	}
	a.mu.Unlock()
	defer a.mu.Lock()
	if u.done != nil {
		u.done(err)
	}
}

func (a *fakeArchive) Append(done func(error), recs ...Record) {
	a.set(func() {
		if a.closed { // nobody waits for the end of a test
			return
		}
		a.queue = append(a.queue, fakeUnit{done, recs})
	})
}

// owned returns owner's records.
func (a *fakeArchive) owned(owner string) []Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.stuck {
		a.readers++
		a.changed.Wait()
		a.readers--
	}
	var owned []Record
	for _, rec := range a.records {
		if rec.Owner == owner {
			owned = append(owned, rec)
		}
	}
	return owned
}

func (a *fakeArchive) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.readers
}

func (a *fakeArchive) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken {
		return fmt.Errorf("%w: can't read", ErrStorage)
	}
	return nil
}

func (a *fakeArchive) messages(owner string, keep func(*Message) bool) []*Message {
	var found []*Message
	for _, rec := range a.owned(owner) {
		if rec.Message != nil && (keep == nil || keep(rec.Message)) {
			found = append(found, rec.Message)
		}
	}
	return found
}

func (a *fakeArchive) Tail(owner string, n int, keep func(*Message) (bool, error)) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		all := a.messages(owner, nil)
		var found []*Message
		err := a.failure()
		for _, m := range slices.Backward(all) {
			if len(found) == n || err != nil {
				break
			}
			kept := true
			if keep != nil {
				kept, err = keep(m)
			}
			if kept {
				found = append(found, m)
			}
		}
		slices.Reverse(found)
		give(found, err)(yield)
	}
}

// give hands out messages, and then err if that is one.
func give(messages []*Message, err error) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for _, m := range messages {
			if !yield(m, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func (a *fakeArchive) Since(owner string, t time.Time) ([]*Message, error) {
	return a.messages(owner, func(m *Message) bool { return !m.Time.Before(t) }), a.failure()
}

func (a *fakeArchive) Unread(owner string) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) { give(unreadIn(a.owned(owner), owner), a.failure())(yield) }
}

func (a *fakeArchive) StillUnread(owner string, ids []string) (map[string]bool, error) {
	still := map[string]bool{}
	for _, m := range unreadIn(a.owned(owner), owner) {
		still[m.ID] = slices.Contains(ids, m.ID)
	}
	return still, a.failure()
}

func unreadIn(records []Record, owner string) (unread []*Message) {
	for _, rec := range records {
		switch {
		case rec.Owner != owner:
		case rec.Message == nil:
			unread = slices.DeleteFunc(unread, func(m *Message) bool { return slices.Contains(rec.Read, m.ID) })
		case rec.Message.For(owner):
			unread = append(unread, rec.Message)
		}
	}
	return unread
}

// Waiting answers from memory: also when reading waits.
func (a *fakeArchive) Waiting(owner string) (n int, err error) {
	for _, m := range unreadIn(a.snapshot(), owner) {
		if m.Kind != KindReceipt {
			n++
		}
	}
	return n, a.failure()
}

func (a *fakeArchive) LastID() (last string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, rec := range a.records {
		if rec.Message != nil {
			last = max(last, rec.Message.ID)
		}
	}
	return last
}

// snapshot is what a crash at this moment leaves.
func (a *fakeArchive) snapshot() []Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.records)
}

// fakeDirectory lists the nicks that keys hold.
type fakeDirectory map[string]bool

func (d fakeDirectory) Held(nick string) bool { return d[nick] }
func (d fakeDirectory) Free(nick string) bool { return !d[nick] }

// fakeSettings keeps block lists in memory.
type fakeSettings struct {
	mu      sync.Mutex
	blocked map[string][]string
	away    map[string]Absence
	err     error
	onRead  func() // called by Blocked after reading
}

func (s *fakeSettings) Blocked(nick string) ([]string, error) {
	s.mu.Lock()
	list, err, after := slices.Clone(s.blocked[nick]), s.err, s.onRead
	s.mu.Unlock()
	if after != nil {
		after()
	}
	return list, err
}

func (s *fakeSettings) SetBlocked(nick string, blocked []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	runtime.Gosched() // as a disk would
	if s.err == nil {
		s.blocked[nick] = slices.Clone(blocked)
	}
	return s.err
}

func (s *fakeSettings) Absence(nick string) (Absence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away[nick], s.err
}

func (s *fakeSettings) SetAbsence(nick string, a Absence) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away == nil {
		s.away = map[string]Absence{}
	}
	if s.err == nil {
		s.away[nick] = a
	}
	return s.err
}
