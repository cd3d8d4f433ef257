package history

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"whoelse/room"
	"whoelse/room/internal/disk"
	"whoelse/room/log"
)

// ErrInUse is wrapped by [Open] when another Store has the folder open, in this
// process or another one. It ends with that process, however that ends.
var ErrInUse = disk.ErrInUse

var errClosed = errors.New("the store is closed")

// Options are the settings of a [Store]. The zero value is good.
type Options struct {
	Log          *slog.Logger // where damage and repairs are told; nil: nowhere
	OpenFiles    int          // how many histories' files stay open; 0: 1024, or fewer where the system allows few
	Owners       int          // of how many owners the unread lists stay in memory; 0: 4096
	SegmentBytes int64        // at what size a segment of the log is followed by another one; 0: 4 MiB
	ManyFiles    int          // from how many on files are not fsynced one by one; 0: 64

	// What is kept. Of a history that is too large, and of what is too old,
	// the oldest goes first; messages that their recipient has not read stay
	// in any case. 0 is no limit.
	MaxBytes     int64         // of a nick's history
	RoomMaxBytes int64         // of what was said to everyone, and of who came and went
	Retention    time.Duration // how old a message becomes
}

// Store is the log and the histories in one folder. All its methods may be called
// concurrently. It implements [room.Log] and [room.Histories].
type Store struct {
	*log.Log // Append, Probe

	opts      Options
	log       *slog.Logger
	lock      io.Closer
	dirs      dirs
	owners    *cache[*owner]
	files     *cache[disk.File] // by owner
	compactor compactor
	said      sync.Map // what was complained of

	searching sync.Mutex // held while a history is searched from its end
	searched  atomic.Uint64
	damaged   atomic.Int64
	held      atomic.Int64 // how many segments there were when a backup kept them, 0: none did
	syncs     atomic.Uint64

	applying sync.Mutex // held while entries are applied; taken before owner.writing
	renaming sync.Mutex // held while a shorter file takes a history's place; taken after owner.writing

	mu      sync.Mutex // guards the rest of this block; late is changed with applying held, too
	applied uint64     // number of the last event that was applied
	lastID  string
	dirty   map[string]inodes // histories that changed since the last checkpoint
	late    map[string]*lateOwner
	closed  bool

	// Of whoever makes checkpoints: tend, then Close.
	saved      Checkpoint
	synced     uint64 // all events up to this one are durably in the histories; never below saved
	syncFailed bool
	unwell     bool // no checkpoint could be made, which was reported

	wake      chan struct{} // tend has something to do
	closing   chan struct{}
	tended    chan struct{} // closed when tend has ended
	shortened chan struct{} // closed when shorten has ended
	close     sync.Once
	closeErr  error // of Close; set in close
}

var (
	_ room.Log       = (*Store)(nil)
	_ room.Histories = (*Store)(nil)
)

// Open opens the histories in the folder dir, which it creates when missing,
// with mode 0700. It finishes what a crash left undone, and brings an older layout up to date. Damage in single files
// is logged and never keeps it from opening; what does is a folder that is in
// use ([ErrInUse]), is of a newer version, or can't be written.
func Open(dir string, opts Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := upgrade(dir, opts.Log); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	root, err := disk.OpenDir(dir)
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
func open(root disk.Folder, opts Options) (*Store, error) {
	s, err := prepare(root, opts)
	if err != nil {
		return nil, err
	}
	go s.tend()
	if s.limited() {
		go s.shorten()
	} else {
		close(s.shortened)
	}
	return s, nil
}

func newStore(opts Options) *Store {
	opts.OpenFiles = or(opts.OpenFiles, openFiles())
	opts.ManyFiles = or(opts.ManyFiles, 64)
	s := &Store{
		opts:      opts,
		log:       opts.Log,
		owners:    newCache(or(opts.Owners, 4096), func(*owner) {}),
		files:     newCache(opts.OpenFiles, func(f disk.File) { _ = f.Close() }),
		compactor: compactor{names: make(map[string]bool), wake: make(chan struct{}, 1)},
		dirty:     make(map[string]inodes),
		late:      make(map[string]*lateOwner),
		wake:      make(chan struct{}, 1),
		closing:   make(chan struct{}),
		tended:    make(chan struct{}),
		shortened: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

func or[T int | int64](v, preset T) T {
	if v <= 0 {
		return preset
	}
	return v
}

// Follow gives every entry that is committed from now on to then, batch by batch and in
// order, when the histories have it. It returns at once. Without it nothing is
// applied, so it has to be called once, before anything is appended.
func (s *Store) Follow(then func([]room.Entry)) error {
	s.Log.Follow(func(batch []room.Entry) {
		s.apply(batch)
		then(batch)
		if s.due() {
			s.wakeUp()
		}
	})
	return nil
}

// Close waits until everything appended so far is on disk and was given to the follower,
// makes a checkpoint and closes the files. It must not be
// called by the follower. What is appended later fails. More calls do nothing and
// return the same. After an error nothing acknowledged is lost: the next Open
// completes what Close could not.
func (s *Store) Close() error {
	s.close.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.closing)
		<-s.tended
		<-s.shortened
		s.closeErr = s.shutDown()
	})
	return s.closeErr
}

// shutDown ends the log, applies what it has, and closes everything.
func (s *Store) shutDown() error {
	err := s.Log.Close()
	s.catchUp()
	return errors.Join(err, s.checkpoint(), s.closeFiles())
}

func (s *Store) closeFiles() error {
	s.owners.clear()
	s.files.clear()
	return errors.Join(s.dirs.close(), s.lock.Close())
}

func (d dirs) close() error {
	var errs []error
	for _, folder := range []disk.Folder{d.log, d.users, d.rooms, d.root} {
		if folder != nil {
			errs = append(errs, folder.Close())
		}
	}
	return errors.Join(errs...)
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// LastID implements [room.Histories].
func (s *Store) LastID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastID
}

// Stats is what a [Store] has done since it was opened, and how it is.
type Stats struct {
	Log      log.Stats
	Damaged  uint64 // damaged lines and ends of files that were found, of the log too
	Synced   uint64 // files of histories that were fsynced
	Searched uint64 // messages that Tail looked at to find those asked for
	Late     int    // histories that lack lines which only the log has
}

// Stats returns the store's statistics. It does not wait for the disk.
func (s *Store) Stats() Stats {
	st := Stats{Log: s.Log.Stats(), Synced: s.syncs.Load(), Searched: s.searched.Load()}
	st.Damaged = uint64(s.damaged.Load()) + st.Log.Damaged
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Late = len(s.late)
	return st
}
