package history

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"whoelse/room"
)

// ErrInUse is wrapped by [Open] when another Store has the folder open, in this
// process or another one. It ends with that process, however that ends.
var ErrInUse = errors.New("in use by another server")

var errClosed = errors.New("the store is closed")

// Options are the settings of a [Store]. The zero value is good.
type Options struct {
	Log          *slog.Logger // where damage and repairs are told; nil: nowhere
	OpenFiles    int          // how many histories' files stay open; 0: 1024
	Owners       int          // of how many owners the unread lists stay in memory; 0: 4096
	JournalBytes int64        // at what size a journal is sealed; 0: 8 MiB
	ManyFiles    int          // from how many on files are not fsynced one by one; 0: 64

	// What is kept. Of a history that is too large, and of what is too old,
	// the oldest goes first; messages that their recipient has not read stay
	// in any case. 0 is no limit.
	MaxBytes     int64         // of a nick's history
	RoomMaxBytes int64         // of what was said to everyone, and of who came and went
	Retention    time.Duration // how old a message becomes
}

// Store keeps histories in one folder. All its methods may be called
// concurrently.
type Store struct {
	opts    Options
	log     *slog.Logger
	many    int
	sealAt  int64
	limits  limits
	at      atomic.Pointer[home] // changed by the writer
	left    []*home              // earlier ones, which readers may still use; the writer's own
	owners  *cache[*owner]
	files   *cache[file] // by owner
	damaged atomic.Int64
	retired sync.Map // nicks whose histories were set aside

	searching sync.Mutex // held while a history is searched from its end
	counters  counters

	mu      sync.Mutex // guards the rest of this block
	wake    sync.Cond  // queue, jobs or closed changed
	queue   []*unit
	jobs    []func() // what the writer has to do besides
	closed  bool     // Close was called
	running bool     // a writer runs; after Close one is started when needed
	drained bool     // the writer has sealed its journal for good
	lastID  string

	journal journal               // owned by the writer
	late    map[string]*latecomer // owned by the writer
	carried []*unit               // what is to be appended anew; owned by the writer
	edited  map[string]bool       // files that others changed, not on disk yet; owned by the writer

	ck      checkpoints
	tr      trims
	stopped chan struct{} // closed when the writer has drained
	lost    error         // what could not be carried over; fixed then
	closing sync.Once
	closeEr error // of Close; set in closing
}

var _ room.Archive = (*Store)(nil)

// Open opens the histories in the folder dir, which it creates when missing,
// with mode 0700. It finishes what a crash left undone. Damage in single files
// is logged and never keeps it from opening; what does is a folder that is in
// use ([ErrInUse]), is of a newer version, or can't be written.
func Open(dir string, opts Options) (*Store, error) {
	root, err := openDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	s, err := open(root, opts)
	if err != nil {
		return nil, fmt.Errorf("open history %s: %w", dir, err)
	}
	return s, nil
}

// open is Open on any folder, which it closes when it fails.
func open(root folder, opts Options) (*Store, error) {
	s := newStore(opts)
	if err := s.prepare(root); err != nil {
		return nil, err
	}
	s.running = true
	go s.write()
	go s.checkpointer()
	s.startTrimmer()
	return s, nil
}

func newStore(opts Options) *Store {
	s := &Store{
		opts:    opts,
		log:     opts.Log,
		many:    or(opts.ManyFiles, 64),
		sealAt:  or(opts.JournalBytes, 8<<20),
		limits:  limits{max(0, opts.MaxBytes), max(0, opts.RoomMaxBytes), max(0, opts.Retention)},
		owners:  newCache(or(opts.Owners, 4096), func(*owner) {}),
		files:   newCache(or(opts.OpenFiles, 1024), func(f file) { _ = f.close() }),
		late:    make(map[string]*latecomer),
		edited:  make(map[string]bool),
		stopped: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.wake.L = &s.mu
	s.ck.init()
	return s
}

func or[T int | int64](v, preset T) T {
	if v <= 0 {
		return preset
	}
	return v
}

// prepare locks the folder root, mends what a crash left and finds the last id.
// When it fails it closes everything.
func (s *Store) prepare(root folder) error {
	h, err := enter(root)
	if err != nil {
		return err
	}
	s.at.Store(h)
	if err := s.bringUp(); err != nil {
		return errors.Join(err, s.release())
	}
	return nil
}

func (s *Store) bringUp() error {
	if err := s.migrate(); err != nil {
		return err
	}
	s.lastID = s.savedLastID()
	if err := s.recover(); err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	for _, shared := range []string{room.RoomHistory, room.PresenceHistory} {
		s.inspect(shared)
	}
	return nil
}

// inspect has the end of a shared file mended and learns its last id.
func (s *Store) inspect(name string) {
	last, err := room.Collect(s.Tail(name, 1, nil))
	if err != nil {
		s.log.Error("history: can't be used until it is repaired", "owner", name, "error", err)
	}
	for _, m := range last {
		s.lastID = max(s.lastID, m.ID)
	}
}

// release closes what is open.
func (s *Store) release() error {
	s.owners.clear()
	s.files.clear()
	var errs []error
	for _, h := range append(s.left, s.home()) {
		errs = append(errs, h.close())
	}
	return errors.Join(errs...)
}

// Close waits until everything appended so far is on disk and its done was
// called, brings the owners' files up to date and closes them. It must not be
// called from a done. What is appended later fails. More calls do nothing and
// return the same. After an error nothing acknowledged is lost: the next Open
// completes what Close could not.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.tr.stop()
		s.mu.Lock()
		s.closed = true
		s.wake.Signal()
		s.mu.Unlock()
		<-s.stopped
		err := s.ck.stop(s)
		s.closeEr = errors.Join(err, s.lost, s.release())
	})
	return s.closeEr
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// LastID implements [room.Archive].
func (s *Store) LastID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastID
}

// Damaged returns how many damaged lines and ends of files were found since
// Open. Each is in the log.
func (s *Store) Damaged() int64 { return s.damaged.Load() }

// Append implements [room.Archive]. A record that can't be kept at all, because
// its owner is not valid or its line would be too long, fails its unit like
// trouble with the disk does. After Close, done is called with an error.
func (s *Store) Append(done func(error), recs ...room.Record) {
	s.enqueue(encode(time.Now(), done, recs))
}

func (s *Store) enqueue(u *unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, u)
	if !s.running {
		s.running = true
		go s.write()
	}
	s.wake.Signal()
}
