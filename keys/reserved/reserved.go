// Package reserved keeps nicks that nobody holds any more from being somebody else's
// for a time, in a small file.
package reserved

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"whoelse/keys/internal/disk"
	"whoelse/keys/nick"
)

// Nick is one that is reserved.
type Nick struct {
	Nick  string    `json:"nick"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// List is the file, and all of it in memory. The server owns the file while it runs.
// Its methods may be called concurrently; Until takes no time worth mentioning.
type List struct {
	path string
	disk disk.Store
	now  func() time.Time

	writing sync.Mutex // held by who changes the file, or reads it again

	mu    sync.RWMutex // guards nicks and is not held across I/O
	nicks map[string]Nick
}

// Open reads the file at path, which need not exist yet. One that cannot be read is an
// error: the nicks in it would be free.
func Open(path string) (*List, error) {
	l := &List{path: path, now: time.Now}
	return l, l.Reload()
}

// Reload reads the file again, after it was edited by hand. If it cannot be read, what is
// reserved stays as it was.
func (l *List) Reload() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	f, err := l.disk.Read(l.path)
	if err != nil {
		return fmt.Errorf("reserved nicks: %w", err)
	}
	var all []Nick
	if len(f.Data) > 0 {
		if err := json.Unmarshal(f.Data, &all); err != nil {
			return fmt.Errorf("reserved nicks: %s cannot be read, and is left alone: %w", l.path, err)
		}
	}
	for i, one := range all {
		if n, err := nick.Parse(one.Nick); err != nil || n != one.Nick {
			return fmt.Errorf("reserved nicks: %s: number %d is not a nick", l.path, i+1)
		}
	}
	l.put(all)
	return nil
}

// Add reserves n for so long from now on. When it returns nil that is in force and on
// disk.
func (l *List) Add(n string, lasts time.Duration) error {
	now := l.now().UTC().Truncate(time.Second)
	return l.change(func(all []Nick) []Nick {
		return append(without(all, n), Nick{Nick: n, Since: now, Until: now.Add(lasts)})
	})
}

// Remove ends the reservation of n, if there is one.
func (l *List) Remove(n string) error {
	if _, reserved := l.Until(n); !reserved {
		return nil
	}
	return l.change(func(all []Nick) []Nick { return without(all, n) })
}

func without(all []Nick, n string) []Nick {
	return slices.DeleteFunc(all, func(one Nick) bool { return one.Nick == n })
}

// Until tells whether n is reserved, and how long still.
func (l *List) Until(n string) (time.Time, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	one, ok := l.nicks[n]
	return one.Until, ok && l.now().Before(one.Until)
}

// change writes what f makes of those that are not over, and puts it in force.
func (l *List) change(f func([]Nick) []Nick) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	all := f(l.all())
	slices.SortFunc(all, func(a, b Nick) int { return a.Since.Compare(b.Since) })
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	err = l.disk.Write(l.path, append(text, '\n'), 0o600)
	if err == nil || errors.Is(err, disk.ErrUnsynced) { // it is in force, but may not outlast a power cut
		l.put(all)
	}
	if err != nil {
		return fmt.Errorf("reserved nicks: %w", err)
	}
	return nil
}

func (l *List) all() []Nick {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := []Nick{}
	for _, one := range l.nicks {
		if l.now().Before(one.Until) {
			all = append(all, one)
		}
	}
	return all
}

func (l *List) put(all []Nick) {
	nicks := make(map[string]Nick, len(all))
	for _, one := range all {
		nicks[one.Nick] = one
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nicks = nicks
}
