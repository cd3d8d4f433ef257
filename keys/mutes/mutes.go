// Package mutes keeps who may read and not write: nicks, for some time or until
// somebody ends it.
//
//	list, err := mutes.Open(filepath.Join(data, "mutes.json"))
//	m, err := list.Add("bob", "alice", time.Hour)
//	m, muted := list.Find("bob") // for every line that bob says
package mutes

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"whoelse/keys/internal/disk"
	"whoelse/keys/internal/safe"
	"whoelse/keys/nick"
)

var (
	// ErrNoSuchMute: the nick is not muted.
	ErrNoSuchMute = errors.New("not muted")
	// ErrTooMany: the list has as many as it takes.
	ErrTooMany = fmt.Errorf("%d people are muted already", maxMutes)
)

const maxMutes = 10_000

// Mute is one that has not expired.
type Mute struct {
	Nick  string    `json:"nick"` // also a guest's, "~name"
	By    string    `json:"by"`
	Made  time.Time `json:"made"`
	Until time.Time `json:"until,omitzero"` // zero is for good
}

func (m Mute) over(now time.Time) bool { return !m.Until.IsZero() && !now.Before(m.Until) }

// List is the file of mutes, and all of it in memory. The server owns the file while
// it runs. Its methods may be called concurrently; Find is a map access.
type List struct {
	path string
	disk disk.Store
	now  func() time.Time

	writing sync.Mutex // held by who changes the file

	mu    sync.RWMutex // guards mutes and is not held across I/O
	mutes map[string]Mute
}

// Open reads the mutes at path, which need not exist yet. A file that cannot be
// read is an error.
func Open(path string) (*List, error) { return open(path, disk.Store{}, time.Now) }

func open(path string, store disk.Store, now func() time.Time) (*List, error) {
	l := &List{path: path, disk: store, now: now}
	return l, l.Reload()
}

// Reload reads the file anew, after it was edited by hand. If it cannot be read, the
// mutes stay as they were.
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

func (l *List) read() (map[string]Mute, error) {
	mutes := map[string]Mute{}
	f, err := l.disk.Read(l.path)
	if err != nil {
		return nil, fmt.Errorf("mutes: %w", err)
	}
	if len(f.Data) == 0 {
		return mutes, nil
	}
	var all []Mute
	if err := json.Unmarshal(f.Data, &all); err != nil {
		return nil, fmt.Errorf("mutes: %s cannot be read, and is left alone: %w", l.path, err)
	}
	for i, m := range all {
		n, err := nick.ParseAny(m.Nick)
		if err != nil {
			return nil, fmt.Errorf("mutes: %s, number %d: %w", l.path, i+1, err)
		}
		m.Nick, m.By = n, safe.Text(m.By) // it can be edited by hand
		mutes[n] = m
	}
	return mutes, nil
}

func (l *List) put(all map[string]Mute) {
	l.mu.Lock()
	l.mutes = all
	l.mu.Unlock()
}

// Add mutes n, as nick.ParseAny gave it, until Lift if lasts is 0; an earlier mute
// is replaced. When it returns nil the mute is in force and on disk.
func (l *List) Add(n, by string, lasts time.Duration) (Mute, error) {
	if _, err := nick.ParseAny(n); err != nil {
		return Mute{}, err
	}
	if lasts < 0 {
		return Mute{}, errors.New("a mute cannot end before it begins")
	}
	m := Mute{Nick: n, By: safe.Text(by), Made: l.now().UTC().Truncate(time.Second)}
	if lasts > 0 {
		m.Until = m.Made.Add(lasts)
	}
	return m, l.change(func(all map[string]Mute) error {
		if _, had := all[n]; !had && len(all) >= maxMutes {
			return ErrTooMany
		}
		all[n] = m
		return nil
	})
}

// Lift ends n's mute. Error: ErrNoSuchMute, or the disk's.
func (l *List) Lift(n string) error {
	return l.change(func(all map[string]Mute) error {
		if _, had := all[n]; !had {
			return ErrNoSuchMute
		}
		delete(all, n)
		return nil
	})
}

// Find tells whether n is muted.
func (l *List) Find(n string) (Mute, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	m, ok := l.mutes[n]
	if !ok || m.over(l.now()) {
		return Mute{}, false
	}
	return m, true
}

// change writes what f makes of a copy of the mutes that have not expired, and then
// puts it in force.
func (l *List) change(f func(map[string]Mute) error) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	now := l.now()
	l.mu.RLock()
	all := maps.Clone(l.mutes)
	l.mu.RUnlock()
	maps.DeleteFunc(all, func(_ string, m Mute) bool { return m.over(now) })
	if err := f(all); err != nil {
		return err
	}
	err := l.write(all)
	if err != nil && !errors.Is(err, disk.ErrUnsynced) {
		return fmt.Errorf("mutes: %w", err)
	}
	l.put(all)
	if err != nil { // it is in force, but may not outlast a power cut
		return fmt.Errorf("mutes: %w", err)
	}
	return nil
}

func (l *List) write(all map[string]Mute) error {
	list := slices.SortedFunc(maps.Values(all), func(a, b Mute) int { return strings.Compare(a.Nick, b.Nick) })
	if list == nil {
		list = []Mute{}
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return l.disk.Write(l.path, append(text, '\n'), 0o600)
}
