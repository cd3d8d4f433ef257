package history

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/history/migrate"
	"whoelse/room/log"
)

// ErrInUse is wrapped by [Open] when another Store has the folder open, in this
// process or another one. It ends with that process, however that ends.
var ErrInUse = disk.ErrInUse

var errClosed = errors.New("the store is closed")

// Options are the settings of a [Store]. The zero value is good.
type Options struct {
	Log          *slog.Logger // where damage and repairs are told; nil: nowhere
	Owners       int          // of how many owners the unread lists stay in memory; 0: 4096
	SegmentBytes int64        // at what size a segment of the log is followed by another one; 0: 4 MiB
	Given        bool         // events come with their numbers, by Commit: see [log.Options]

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
	*log.Log // Append, Probe, Last; Commit, which succeeds also if a history is late: the log keeps its lines

	opts Options
	log  *slog.Logger
	lock io.Closer
	dirs dirs

	searching sync.Mutex // held while a history is searched from its end
	searched  atomic.Uint64
	damaged   atomic.Int64
	held      atomic.Int64 // how many segments there were when a backup kept them, 0: none did
	syncs     atomic.Uint64

	applying  sync.Mutex          // held while a history is loaded or changes, or which file it is; guards this block
	replacing string              // the history that is being shortened
	applied   uint64              // number of the last event that was applied
	dirty     map[string][]uint64 // histories that changed since the last checkpoint, with the inodes that are theirs; 0: no file

	mu     sync.Mutex // taken after applying, which those who change the first three hold, too
	owners map[string]*owner
	late   map[string]*late
	lastID string
	told   map[string]bool // what was logged

	// Of whoever makes checkpoints: Open, tend, then Close.
	recovering bool // the log is applied after a crash
	saved      checkpoint
	synced     uint64 // all events up to this one are durably in the histories; never below saved
	unwell     bool   // no checkpoint could be made, which was reported

	wake     chan struct{} // tend has something to do
	tooLarge chan string   // histories that are to be shortened
	closing  chan struct{}
	working  sync.WaitGroup // tend and shorten
	close    func() error
}

var (
	_ room.Log       = (*Store)(nil)
	_ room.Histories = (*Store)(nil)
)

// Open opens the histories in the folder dir, which it creates when missing, with mode 0700. It finishes
// what a crash left undone, and brings an older layout up to date. Damage in single files is logged and
// never keeps it from opening; what does is a folder that is in use ([ErrInUse]), is of a newer version,
// or can't be written.
func Open(dir string, opts Options) (*Store, error) {
	root, err := openRoot(dir, opts.Log, disk.OpenDir)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	s, err := open(root, opts)
	if err != nil {
		return nil, fmt.Errorf("open history %s: %w", dir, err)
	}
	return s, nil
}

var discard = slog.New(slog.DiscardHandler)

// openRoot opens the folder of the histories, and brings an older layout up to date.
func openRoot(dir string, log *slog.Logger, open func(string) (disk.Folder, error)) (disk.Folder, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = migrate.FromVersion2(dir, cmp.Or(log, discard))
	}
	if err != nil {
		return nil, err
	}
	return open(dir)
}

// open is Open on any folder, which it closes when it fails.
func open(root disk.Folder, opts Options) (*Store, error) {
	s, err := prepare(root, opts)
	if err != nil {
		return nil, err
	}
	s.working.Go(s.tend)
	if opts.MaxBytes > 0 || opts.RoomMaxBytes > 0 || opts.Retention > 0 {
		s.working.Go(s.shorten)
	}
	return s, nil
}

func newStore(opts Options) *Store {
	opts.Log, opts.Owners = cmp.Or(opts.Log, discard), cmp.Or(opts.Owners, 4096)
	s := &Store{
		opts:     opts,
		log:      opts.Log,
		owners:   make(map[string]*owner),
		dirty:    make(map[string][]uint64),
		late:     make(map[string]*late),
		told:     make(map[string]bool),
		wake:     make(chan struct{}, 1),
		tooLarge: make(chan string, 1024),
		closing:  make(chan struct{}),
	}
	s.close = sync.OnceValue(s.shutDown)
	return s
}

// Follow gives every entry that is committed from now on to then, batch by batch and in
// order, when the histories have it. It returns at once. Without it nothing is
// applied, so it has to be called once, before anything is appended.
func (s *Store) Follow(then func([]room.Entry)) {
	s.Log.Follow(func(batch []room.Entry) {
		s.apply(batch)
		then(batch)
		if s.due() {
			wake(s.wake)
		}
	})
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close waits until everything appended so far is on disk and was given to the follower,
// makes a checkpoint and closes the files. It must not be
// called by the follower. What is appended later fails. More calls do nothing and
// return the same. After an error nothing acknowledged is lost: the next Open
// completes what Close could not.
func (s *Store) Close() error { return s.close() }

func (s *Store) shutDown() error {
	close(s.closing)
	s.working.Wait()
	err := s.Log.Close()
	s.catchUp()
	return errors.Join(err, s.checkpoint(), s.closeFiles())
}

func (s *Store) closeFiles() error {
	return errors.Join(s.dirs.close(), s.lock.Close())
}

func (s *Store) isClosed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// Nicks lists who has a history.
func (s *Store) Nicks() ([]string, error) { return s.dirs.nicks() }

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

// maxTold bounds how much of what was logged is remembered; no more is logged then.
const maxTold = 2000

// once reports whether something that may be found again and again is to be logged.
func (s *Store) once(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[key] || len(s.told) == maxTold {
		return false
	}
	s.told[key] = true
	return true
}

// complain logs something about a history, once.
func (s *Store) complain(name, what string, err error) {
	if s.once(name + what) {
		s.log.Error(what, "file", path(name), "error", err)
	}
}
