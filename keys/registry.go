package keys

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"whoelse/internal/atomicfile"
)

// Registry is the file of who holds which nick, kept in memory and indexed. All its
// methods may be called concurrently.
//
// Looking something up costs a stat of the file and a map access, however long the
// file is; the stat is what makes a removed key useless at once, also where nothing
// can be watched.
type Registry struct {
	path  string
	log   *slog.Logger
	store atomicfile.Store
	now   func() time.Time
	file  atomicfile.Watched

	// mu guards what follows. It is never held across I/O.
	mu       sync.RWMutex
	table    *table
	revoked  func(PublicKey) bool
	reserved func(nick string) (time.Time, bool)
	departed map[string]time.Time // see Departed
	emptied  bool                 // with the last reading all nicks had gone, and there were several
	onChange []func(Change)
	untold   []Change // what onChange has not been told yet
	telling  bool     // somebody is telling it

	// loading is held while the file is read anew, so that it is read once, and by
	// whoever changes or replaces the table.
	loading sync.Mutex
	opened  bool // the file was read once; guarded by loading

	// waiting are claims that nobody has written yet.
	waitingMu sync.Mutex
	waiting   []*claim
	// writing is held by the one who writes the file, and guards what follows.
	writing  sync.Mutex
	unsynced bool           // the folder's last sync failed, so what the file says may not last
	full     rate.Sometimes // tells the log
}

// Open reads the registry at path, which need not exist yet, though its folder
// must. A file that others can write, or that somebody else owns, is refused
// (ErrUnsafeFile), and so is one that cannot be read; lines that cannot be
// understood are logged and disabled, each alone.
func Open(path string, log *slog.Logger) (*Registry, error) {
	return open(path, log, atomicfile.Store{}, time.Now)
}

func open(path string, log *slog.Logger, store atomicfile.Store, now func() time.Time) (*Registry, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if fi, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("authorized_keys: %w", err)
	} else if !fi.IsDir() {
		return nil, fmt.Errorf("authorized_keys: %s is not a folder", filepath.Dir(path))
	}
	r := &Registry{path: path, log: log, store: store, now: now, table: parseTable(nil), departed: map[string]time.Time{}, full: rate.Sometimes{Interval: time.Hour}}
	r.file.Path, r.file.Now = path, func() time.Time { return r.now() }
	if err := r.Reload(); err != nil {
		return nil, err
	}
	r.opened = true
	return r, nil
}

// Path is the file's.
func (r *Registry) Path() string { return r.path }

// Lookup tells whose key this is, for somebody who comes from the address from. The
// first line that lets the key in decides, as with sshd. ErrUnknownKey means that
// no line has it; a *NotValidError (ErrNotValid) that some line has it and none lets
// it in, and that it must not be treated as unknown.
func (r *Registry) Lookup(key PublicKey, from netip.Addr) (Holder, error) {
	if key == nil {
		return Holder{}, ErrUnknownKey
	}
	if IsCertificate(key) {
		return Holder{}, &NotValidError{Reason: "it is a certificate, and a plain public key is expected"}
	}
	if r.isRevoked(key) {
		return Holder{}, &NotValidError{Reason: "it is revoked"}
	}
	r.refresh()
	r.mu.RLock()
	lines := r.table.find(key)
	r.mu.RUnlock()
	if len(lines) == 0 {
		return Holder{}, ErrUnknownKey
	}
	var refused *NotValidError
	for _, l := range lines {
		why := l.refusalFrom(from, r.now())
		if why == "" {
			return l.holder(), nil
		}
		if refused == nil {
			refused = &NotValidError{Nick: l.nick, Line: l.num, Reason: why}
		}
	}
	return Holder{}, refused
}

// Held tells whether a line holds nick, in force or not. nick is as Parse gave it.
func (r *Registry) Held(nick string) bool {
	r.refresh()
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.table.byNick[nick]) > 0
}

// Confusable gives a held nick, or a reserved word, that nick reads like without being
// it. It is for refusing guests and claims, not for finding anybody.
func (r *Registry) Confusable(nick string) (string, bool) {
	r.refresh()
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.table.confusable(nick)
}

// Available says why nobody can get nick now: it is held (*HeldError), reserved
// (*ReservedError), or reads like another one (*ConfusableError); nil if not so.
func (r *Registry) Available(nick string) error {
	if r.Held(nick) {
		return &HeldError{Nick: nick}
	}
	if err := r.Reserved(nick); err != nil {
		return err
	}
	if like, ok := r.Confusable(nick); ok {
		return &ConfusableError{Nick: nick, Like: like}
	}
	return nil
}

// available is Available by t, for who is about to change the file.
func (r *Registry) available(t *table, nick string) error {
	if len(t.byNick[nick]) > 0 {
		return &HeldError{Nick: nick}
	}
	if err := r.Reserved(nick); err != nil {
		return err
	}
	if like, ok := t.confusable(nick); ok {
		return &ConfusableError{Nick: nick, Like: like}
	}
	return nil
}

// Free tells whether no key holds nick, it is not reserved, and it reads like none that
// a key holds and like no reserved word. It goes by what was last read of the file, so that it can be
// asked with a lock held: it does no I/O and has no OnChange called.
func (r *Registry) Free(nick string) bool {
	if r.Reserved(nick) != nil {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, alike := r.table.confusable(nick)
	return !alike && len(r.table.byNick[nick]) == 0
}

// NicksAround gives held nicks in alphabetical order: up to before of those that stand
// before name, and up to after of those from it on. It costs what it gives, however
// many there are. The caller owns the slice.
func (r *Registry) NicksAround(name string, before, after int) []string {
	r.refresh()
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := r.table.nicks
	i, _ := slices.BinarySearch(all, name)
	return slices.Clone(all[max(0, i-before):min(len(all), i+after)])
}

// Keys are the lines that hold nick, in the file's order.
func (r *Registry) Keys(nick string) []Entry {
	r.refresh()
	r.mu.RLock()
	lines := r.table.byNick[nick]
	r.mu.RUnlock()
	return entries(lines)
}

// List is every line that has a key, or should have one, in the file's order.
func (r *Registry) List() []Entry {
	r.refresh()
	r.mu.RLock()
	lines := r.table.entries
	r.mu.RUnlock()
	return entries(lines)
}
