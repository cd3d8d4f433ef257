package room

import (
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeStore is a log and the histories made from it, in memory. A goroutine of its own
// gives events their places, applies them to the histories and then to the room, unless
// told to hold one of the two back.
type fakeStore struct {
	mu      sync.Mutex
	changed *sync.Cond // any of the fields below
	queue   []queued
	seq     uint64
	entries []Entry // all that were applied
	records []record
	lastID  string
	apply   func([]Entry)
	receive func(*Event) // of a cluster: writes the files of a KindState
	known   func(*Event) // of a cluster: the room has got a KindState
	broken  bool         // nothing is appended or read: ErrStorage
	failing bool         // nothing is appended
	hold    bool         // nothing gets a place
	holding bool         // it does, and the room is not told
	stuck   bool         // reading waits
	closed  bool
	readers int // who waits in a method that may block
	ended   chan struct{}
}

type queued struct {
	*Event
	failed func(error)
}

// record is a line of a history.
type record struct {
	owner   string
	message *Message
	read    []string
}

var (
	_ Log       = (*fakeStore)(nil)
	_ Histories = (*fakeStore)(nil)
)

// newStore starts a store whose histories already have records. It ends with the test.
func newStore(t testing.TB, records ...record) *fakeStore {
	a := &fakeStore{records: slices.Clone(records), ended: make(chan struct{})}
	for _, rec := range records {
		if rec.message != nil {
			a.lastID = max(a.lastID, rec.message.ID)
		}
	}
	a.changed = sync.NewCond(&a.mu)
	go a.run()
	t.Cleanup(a.close)
	return a
}

// follow has apply called with all entries from now on.
func (a *fakeStore) follow(apply func([]Entry)) { a.set(func() { a.apply = apply }) }

// set changes the store's behaviour.
func (a *fakeStore) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
	a.changed.Broadcast()
}

// close lets the store apply what is queued and end.
func (a *fakeStore) close() {
	a.set(func() { a.closed, a.hold, a.holding, a.stuck = true, false, false, false })
	<-a.ended
}

func (a *fakeStore) run() {
	defer close(a.ended)
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		for a.hold || len(a.queue) == 0 || a.apply == nil {
			if a.closed && (len(a.queue) == 0 || a.apply == nil) {
				return
			}
			a.changed.Wait()
		}
		a.commit()
	}
}

// commit gives one event its place and applies it. a.mu is held, but not while others
// are called.
func (a *fakeStore) commit() {
	q := a.queue[0]
	a.queue = a.queue[1:]
	failed := a.broken || a.failing
	var e Entry
	if !failed {
		a.seq++
		e = Entry{Seq: a.seq, Event: q.Event}
		if e.Kind == KindState {
			a.mu.Unlock()
			a.receive(e.Event)
			a.mu.Lock()
		}
		a.project(&e)
		a.entries = append(a.entries, e)
	}
	for a.holding {
		a.changed.Wait()
	}
	a.mu.Unlock()
	defer a.mu.Lock()
	if failed {
		q.failed(fmt.Errorf("%w: the disk is full", ErrStorage))
		return
	}
	a.apply([]Entry{e})
	if e.Kind == KindState {
		a.known(e.Event)
	}
}

// project makes lines of histories from e. a.mu is held.
func (a *fakeStore) project(e *Entry) {
	a.lastID = max(a.lastID, e.ID)
	m := &e.Message
	switch e.Kind {
	case KindSay, KindMe, KindNotice:
		a.write("#"+e.Room, m)
	case KindDirect, KindGroup:
		a.write(e.From, m)
		for _, nick := range e.To {
			if e.Max > 0 && !isGuest(nick) && waitingIn(a.records, nick) >= e.Max {
				e.Full = append(e.Full, nick)
				continue
			}
			a.write(nick, m)
		}
	case KindRead:
		if len(e.Read) > 0 && !isGuest(e.From) {
			a.records = append(a.records, record{owner: e.From, read: e.Read})
		}
		for _, receipt := range e.Receipts {
			a.write(receipt.To[0], receipt)
		}
	case KindRetired:
		owner := e.From
		if e.Room != "" {
			owner = "#" + e.Room
		}
		a.records = slices.DeleteFunc(a.records, func(rec record) bool { return rec.owner == owner })
	case KindState:
	default:
		a.write(PresenceHistory, m)
	}
}

func (a *fakeStore) write(owner string, m *Message) {
	if !isGuest(owner) {
		a.records = append(a.records, record{owner: owner, message: m})
	}
}

func (a *fakeStore) Append(e *Event, failed func(error)) {
	a.set(func() {
		if a.closed { // nobody waits for the end of a test
			return
		}
		a.queue = append(a.queue, queued{e, failed})
	})
}

// owned returns owner's records.
func (a *fakeStore) owned(owner string) []record {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.stuck {
		a.readers++
		a.changed.Wait()
		a.readers--
	}
	var owned []record
	for _, rec := range a.records {
		if rec.owner == owner {
			owned = append(owned, rec)
		}
	}
	return owned
}

func (a *fakeStore) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.readers
}

func (a *fakeStore) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken {
		return fmt.Errorf("%w: can't read", ErrStorage)
	}
	return nil
}

func (a *fakeStore) messages(owner string, keep func(*Message) bool) []*Message {
	var found []*Message
	for _, rec := range a.owned(owner) {
		if rec.message != nil && (keep == nil || keep(rec.message)) {
			found = append(found, rec.message)
		}
	}
	return found
}

func (a *fakeStore) Tail(owner string, n int, keep func(*Message) (bool, error)) iter.Seq2[*Message, error] {
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

func (a *fakeStore) Unread(owner string) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) { give(unreadIn(a.owned(owner), owner), a.failure())(yield) }
}

func (a *fakeStore) StillUnread(owner string, ids []string) (map[string]bool, error) {
	still := map[string]bool{}
	for _, m := range unreadIn(a.owned(owner), owner) {
		still[m.ID] = slices.Contains(ids, m.ID)
	}
	return still, a.failure()
}

func unreadIn(records []record, owner string) (unread []*Message) {
	for _, rec := range records {
		switch {
		case rec.owner != owner:
		case rec.message == nil:
			unread = slices.DeleteFunc(unread, func(m *Message) bool { return slices.Contains(rec.read, m.ID) })
		case rec.message.For(owner):
			unread = append(unread, rec.message)
		}
	}
	return unread
}

// Waiting answers from memory: also when reading waits.
func (a *fakeStore) Waiting(owner string) (int, error) {
	return waitingIn(a.snapshot(), owner), a.failure()
}

func waitingIn(records []record, owner string) (n int) {
	for _, m := range unreadIn(records, owner) {
		if m.Kind != KindReceipt {
			n++
		}
	}
	return n
}

func (a *fakeStore) LastID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lastID
}

// snapshot is what a crash at this moment leaves.
func (a *fakeStore) snapshot() []record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.records)
}

// applied returns what has got a place.
func (a *fakeStore) applied() []Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.entries)
}

// fakeDirectory lists the nicks that keys hold.
type fakeDirectory map[string]bool

func (d fakeDirectory) Registered(nick string) bool { return d[nick] }
func (d fakeDirectory) Free(nick string) bool       { return !d[nick] }
func (d fakeDirectory) Bot(nick string) bool        { return strings.HasSuffix(nick, "bot") }

// fakeSettings keeps what people set in memory.
type fakeSettings struct {
	mu     sync.Mutex
	of     map[string]Preferences
	err    error
	onRead func() // called by Load after reading
}

func (s *fakeSettings) Load(nick string) (Preferences, error) {
	s.mu.Lock()
	p, err, after := s.of[nick], s.err, s.onRead
	s.mu.Unlock()
	if after != nil {
		after()
	}
	return p, err
}

func (s *fakeSettings) Change(nick string, change func(*Preferences) error) error {
	s.mu.Lock()
	p, err := s.of[nick], s.err
	s.mu.Unlock()
	runtime.Gosched() // as a disk would
	if err == nil {
		err = change(&p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.of[nick] = p
	}
	return err
}

// fakeRooms keeps what rooms are in memory.
type fakeRooms struct {
	mu  sync.Mutex
	of  map[string]RoomInfo
	err error
}

func (s *fakeRooms) Load() ([]RoomInfo, error) {
	return slices.Collect(maps.Values(s.of)), nil
}

func (s *fakeRooms) Change(name string, change func(*RoomInfo) error) error {
	s.mu.Lock()
	info, err := s.of[name], s.err
	s.mu.Unlock()
	if info.Name = name; err == nil {
		err = change(&info)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.of[name] = info
	}
	return err
}

func (s *fakeRooms) Close(name string, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		delete(s.of, name)
	}
	return s.err
}

// fail has all that follows fail, or not.
func (s *fakeRooms) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}
