package bans

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"whoelse/keys/internal/disk"
	"whoelse/keys/internal/safe"
)

var (
	// ErrNoSuchBan: nothing is banned by that name.
	ErrNoSuchBan = errors.New("there is no such ban")
	// ErrTooMany: the list has as many as it takes.
	ErrTooMany = fmt.Errorf("there are %d bans already; lift some, or ban networks", maxBans)
)

const (
	maxBans   = 10_000
	maxReason = 90 // bytes; safe.Text keeps them all
)

// Ban is one that has not expired.
type Ban struct {
	Target Target    `json:"target"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Made   time.Time `json:"made"`
	Until  time.Time `json:"until,omitzero"` // zero is for good
}

// Over tells whether the ban has expired.
func (b Ban) Over(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// List is the file of bans, and all of it in memory. The server owns the file while
// it runs. Its methods may be called concurrently; Address and Find take no time
// worth mentioning.
type List struct {
	path string
	disk disk.Store
	now  func() time.Time
	log  *slog.Logger

	writing sync.Mutex // held by who changes the file

	mu   sync.RWMutex // guards bans and is not held across I/O
	bans index
}

// Open reads the bans at path, which need not exist yet. A file that cannot be read
// is an error: to come up without the bans is not what anybody wants.
func Open(path string, log *slog.Logger) (*List, error) {
	return open(path, log, disk.Store{}, time.Now)
}

func open(path string, log *slog.Logger, store disk.Store, now func() time.Time) (*List, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &List{path: path, log: log, disk: store, now: now}
	return l, l.Reload()
}

// Reload reads the file anew, after it was edited by hand. If it cannot be read, the
// bans stay as they were.
func (l *List) Reload() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	all, err := l.read()
	if err != nil {
		return err
	}
	l.put(all)
	return nil
}

func (l *List) read() ([]Ban, error) {
	f, err := l.disk.Read(l.path)
	if err != nil {
		return nil, fmt.Errorf("bans: %w", err)
	}
	if len(f.Data) == 0 {
		return nil, nil
	}
	var all []Ban
	if err := json.Unmarshal(f.Data, &all); err != nil {
		return nil, fmt.Errorf("bans: %s cannot be read, and is left alone: %w", l.path, err)
	}
	for i, b := range all {
		if b.Target == (Target{}) {
			return nil, fmt.Errorf("bans: %s: number %d bans nothing", l.path, i+1)
		}
		all[i].By, all[i].Reason = safe.Text(b.By), safe.Text(b.Reason) // it can be edited by hand
	}
	return all, nil
}

func (l *List) put(all []Ban) {
	fresh := newIndex(all)
	l.mu.Lock()
	l.bans = fresh
	l.mu.Unlock()
}

// Add bans target, for good if lasts is 0; an earlier ban of the same is replaced.
// What is not safe to show in reason becomes a '?'. When it returns nil the ban is in
// force and on disk.
func (l *List) Add(target Target, by, reason string, lasts time.Duration) (Ban, error) {
	if target == (Target{}) {
		return Ban{}, errors.New("nothing to ban")
	}
	if len(reason) > maxReason {
		return Ban{}, fmt.Errorf("the reason is %d bytes long, more than %d", len(reason), maxReason)
	}
	b := Ban{Target: target, By: safe.Text(by), Reason: safe.Text(reason), Made: l.now().UTC().Truncate(time.Second)}
	if lasts < 0 {
		return Ban{}, errors.New("a ban cannot end before it begins")
	}
	if lasts > 0 {
		b.Until = b.Made.Add(lasts)
	}
	err := l.change(func(all []Ban) ([]Ban, error) {
		all = slices.DeleteFunc(all, func(o Ban) bool { return o.Target == target })
		if len(all) >= maxBans {
			return nil, ErrTooMany
		}
		return append(all, b), nil
	})
	return b, err
}

// Lift ends the ban of exactly that target. Error: ErrNoSuchBan, or the disk's.
func (l *List) Lift(target Target) error {
	return l.change(func(all []Ban) ([]Ban, error) {
		left := slices.DeleteFunc(slices.Clone(all), func(o Ban) bool { return o.Target == target })
		if len(left) == len(all) {
			return nil, fmt.Errorf("%w: %s", ErrNoSuchBan, target)
		}
		return left, nil
	})
}

// change writes what f makes of the bans that have not expired, and then puts it in
// force.
func (l *List) change(f func([]Ban) ([]Ban, error)) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	all, err := f(l.All())
	if err != nil {
		return err
	}
	if all == nil {
		all = []Ban{}
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	err = l.disk.Write(l.path, append(text, '\n'), 0o600)
	if err != nil && !errors.Is(err, disk.ErrUnsynced) {
		return fmt.Errorf("bans: %w", err)
	}
	l.put(all)
	if err != nil { // it is in force, but may not outlast a power cut
		return fmt.Errorf("bans: %w", err)
	}
	return nil
}

// All gives the bans that have not expired, oldest first. The caller owns the slice.
func (l *List) All() []Ban {
	now := l.now()
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make([]Ban, 0, len(l.bans.all))
	for _, b := range l.bans.all {
		if !b.Over(now) {
			all = append(all, b)
		}
	}
	return all
}

// Address tells whether an address is banned. It is asked before authentication.
func (l *List) Address(a netip.Addr) (Ban, bool) { return l.Find(Who{Addr: a}) }

// Find tells whether somebody is banned, by what is known of them.
func (l *List) Find(who Who) (Ban, bool) {
	now := l.now()
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.bans.find(who, now)
}
