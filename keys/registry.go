package keys

import (
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"whoelse/internal/disk"
)

// Registry is the file of who holds which nick, kept in memory and indexed. All its
// methods may be called concurrently.
//
// A lookup costs a stat of the file and a map access, however long the file is; the stat
// is what makes a removed key useless at once.
type Registry struct {
	path  string
	log   *slog.Logger
	store disk.Store
	now   func() time.Time
	file  disk.Watched
	share disk.Share // see Share; nil on a single server

	// mu guards what follows. It is never held across I/O.
	mu       sync.RWMutex
	table    *table // also read with updating held instead
	revoked  func(PublicKey) bool
	reserved func(nick string) (by string, until time.Time, ok bool)
	departed map[string]time.Time // see Departed
	emptied  bool                 // with the last reading all nicks had gone, and there were several

	// updating is held, before mu, while the file is read to be put in force, or written. It
	// guards what follows.
	updating sync.Mutex
	onChange []func(Change)
	untold   []Change       // changes that onChange has not been called for yet
	opened   bool           // the file was read once
	unsynced bool           // the folder's last sync failed, so what the file says may not last
	full     rate.Sometimes // limits what the log gets about a full file
	agreed   []byte         // with share, the file as last received: later edits are this server's
	lost     rate.Sometimes // limits what the log gets about a file without lines
}

// Open reads the registry at path, which need not exist yet, though its folder
// must. A file that others can write or own is refused (ErrUnsafeFile), and so is one that
// cannot be read; lines that cannot be understood are logged and disabled, each alone.
func Open(path string, log *slog.Logger) (*Registry, error) {
	return open(path, log, disk.Store{}, time.Now)
}

func open(path string, log *slog.Logger, store disk.Store, now func() time.Time) (*Registry, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if fi, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("authorized_keys: %w", err)
	} else if !fi.IsDir() {
		return nil, fmt.Errorf("authorized_keys: %s is not a folder", filepath.Dir(path))
	}
	r := &Registry{
		path: path, log: log, store: store, now: now, table: parseTable(nil),
		departed: map[string]time.Time{}, full: rate.Sometimes{Interval: time.Hour},
		lost: rate.Sometimes{Interval: time.Minute},
	}
	r.file.Path, r.file.Now = path, func() time.Time { return r.now() }
	if err := r.Reload(); err != nil {
		return nil, err
	}
	r.opened = true
	return r, nil
}

// Lookup tells whose key this is, for a client from an address. The first line that lets the
// key in decides, as with sshd. ErrUnknownKey means that no line has it; ErrNotValid that some
// line has it and none lets it in, and that it must not be treated as unknown. Pending lines are passed over.
func (r *Registry) Lookup(key PublicKey, from netip.Addr) (Holder, error) {
	return r.LookupAs(key, "", from)
}

// LookupAs is Lookup for a client that asks for user: a key that is pending for that nick is the nick's,
// unless it is somebody's already.
func (r *Registry) LookupAs(key PublicKey, user string, from netip.Addr) (Holder, error) {
	if key == nil {
		return Holder{}, ErrUnknownKey
	}
	if IsCertificate(key) {
		return Holder{}, refuse(ErrNotValid,
			"this key is not accepted: it is a certificate, and a plain public key is expected")
	}
	if err := r.checkRevoked(key); err != nil {
		return Holder{}, err
	}
	err := ErrUnknownKey
	for _, l := range r.lines(func(t *table) []*line { return t.asked(key, user) }) {
		why := l.refusalFrom(from, r.now())
		if why == "" {
			return Holder{Nick: l.Nick, Role: l.Role, NoTouch: l.noTouch, Pending: l.Pending}, nil
		}
		if err == ErrUnknownKey {
			err = refuse(ErrNotValid, "this key is listed on line %d, but %s", l.Line, why)
		}
	}
	return Holder{}, err
}

// lines gives lines of the newest version of the file. None of them changes any more.
func (r *Registry) lines(of func(*table) []*line) []*line {
	r.refresh()
	r.mu.RLock()
	defer r.mu.RUnlock()
	return of(r.table)
}

// Revoke has f asked about each key: one that it knows is never accepted and claims
// nothing, whatever the file says. f has to be quick and safe to call concurrently.
func (r *Registry) Revoke(f func(PublicKey) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked = f
}

func (r *Registry) checkRevoked(key PublicKey) error {
	r.mu.RLock()
	f := r.revoked
	r.mu.RUnlock()
	if f != nil && f(key) {
		return refuse(ErrNotValid, "this key is not accepted: it is revoked")
	}
	return nil
}

// Registered reports whether a line holds nick, in force or not. nick is as Parse gave it.
func (r *Registry) Registered(nick string) bool {
	return len(r.lines(func(t *table) []*line { return t.byNick[nick] })) > 0
}

// Bot reports whether nick is a bot's: one of the lines that hold it has [RoleBot]. It is asked with locks held and, like
// Free, answers by what was last read of the file.
func (r *Registry) Bot(nick string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.ContainsFunc(r.table.byNick[nick], func(l *line) bool { return l.Role == RoleBot })
}

// Keys are the lines that hold nick, in the file's order.
func (r *Registry) Keys(nick string) []Entry {
	return entries(r.lines(func(t *table) []*line { return t.byNick[nick] }))
}

// List is every line that has a key, or should have one, in the file's order.
func (r *Registry) List() []Entry {
	return entries(r.lines(func(t *table) []*line { return t.entries }))
}

// Authorities gives the lines of certificate authorities with a key, or of all if it is nil, but for the expired ones, in
// the file's order. With a key that is a map access.
func (r *Registry) Authorities(key PublicKey) []Entry {
	all := r.lines(func(t *table) []*line {
		if key == nil {
			return t.entries
		}
		return t.find(key)
	})
	return entries(slices.DeleteFunc(slices.Clone(all), func(l *line) bool {
		return !l.Authority || l.Disabled != "" || l.Expired(r.now())
	}))
}

// NicksAround gives held nicks in alphabetical order: up to before of those less than
// name, and up to after of those from it on. It costs what it gives, however
// many there are. The caller owns the slice.
func (r *Registry) NicksAround(name string, before, after int) []string {
	r.refresh()
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := r.table.nicks
	i, _ := slices.BinarySearch(all, name)
	return slices.Clone(all[max(0, i-before):min(len(all), i+after)])
}

// Available says why nobody can get nick now: it is held (ErrHeld),
// reserved (ErrReserved), also for certificates, or reads like another one (*ConfusableError); nil if not so.
func (r *Registry) Available(nick string) error {
	r.refresh()
	return r.available(nick)
}

// Free is Available by what was last read of the file, so that it can be
// asked with a lock held: it does no I/O and has no OnChange called.
func (r *Registry) Free(nick string) bool { return r.available(nick) == nil }

func (r *Registry) available(nick string) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.table.byNick[nick]) > 0 {
		return Held(nick)
	}
	if err := r.reservation(nick); err != nil {
		return err
	}
	if like, ok := r.table.confusable(nick); ok {
		return &ConfusableError{Nick: nick, Like: like}
	}
	return nil
}

// Reserve has nicks refused that nobody holds and that by finds reserved: until a time or, if that is
// zero, for a certificate, by the nick itself or another one that it reads like. It is
// asked with locks held, and answers from memory. It is not asked about nicks that are held.
func (r *Registry) Reserve(by func(nick string) (by string, until time.Time, ok bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved = by
}

// reservation says why nobody may get nick, which no line holds; nil if not so. r.mu is held.
func (r *Registry) reservation(nick string) error {
	if _, ok := r.departed[nick]; ok {
		return refuse(ErrReserved, "%s has just lost its last key, and is not free yet; choose another name", nick)
	}
	by, ok := r.table.principal(nick)
	var until time.Time
	if !ok && r.reserved != nil {
		by, until, ok = r.reserved(nick)
	}
	switch {
	case !ok:
		return nil
	case by != nick:
		return &ConfusableError{Nick: nick, Like: by}
	case until.IsZero():
		return refuse(ErrReserved, "%s is for whoever has a certificate for it; connect with that, choose another name, or "+
			"ask an operator for it (whoelse keys restore %[1]s)", nick)
	}
	return refuse(ErrReserved, "%s is reserved until %s for whoever held it; choose another name, or, "+
		"if you held it, ask an operator to give it back (whoelse keys restore %[1]s)",
		nick, until.UTC().Format("2 Jan 2006"))
}

// Departed gives the nicks that are without any line, since when, of which Release was
// not called: those that lost their last one, and those that Depart was called for. They
// are nobody's meanwhile.
//
// It is not known while the file cannot be read, or when all nicks have gone at once: more
// likely than that everybody left is that an operator is repairing the file. Nor is it while
// a broken line may be anybody's, and the rest of a file that was cut off or overwritten is gone.
func (r *Registry) Departed() (all map[string]time.Time, known bool) {
	r.refresh()
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.emptied || r.table.unnamed || r.file.Failing() {
		return nil, false
	}
	return maps.Clone(r.departed), true
}

// Depart enters a nick that was found to be without any line.
func (r *Registry) Depart(nick string, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.table.byNick[nick]) == 0 {
		r.departed[nick] = since
	}
}

// Release takes nick out of what Departed gives.
func (r *Registry) Release(nick string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.departed, nick)
}
