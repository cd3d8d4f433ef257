// Package jsonfile keeps values as JSON in small files, each written whole: atomically,
// durably, and never so large that it could not be read again.
//
//	err := jsonfile.Load(store, path, &v)   // v stays as it is where there is no file
//	err = jsonfile.Save(store, path, v, "") // or with an indent, for people who edit it
//
// A [List] is a file of entries that expire.
package jsonfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"whoelse/internal/atomicfile"
)

// Load reads the value in the file at path into v. A missing or empty file leaves v alone.
func Load(store atomicfile.Store, path string, v any) error {
	f, err := store.Read(path)
	if err != nil || len(f.Data) == 0 {
		return err
	}
	if err := json.Unmarshal(f.Data, v); err != nil {
		return fmt.Errorf("%s cannot be read, and is left alone: %w", path, err)
	}
	return nil
}

// Save replaces the file at path by v. The error is atomicfile's: after ErrUnsynced v is
// in place, after any other the old file is.
func Save(store atomicfile.Store, path string, v any, indent string) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return store.Write(path, text.Bytes())
}

// Entry is found by its key, and leaves its list with the next change once it expired.
type Entry[K comparable] interface {
	Key() K
	Expired(now time.Time) bool
}

// List is a JSON array of T in a file, and in memory as of the last Reload or change.
// Changes start from the file and share a lock with other processes, so that nothing is
// lost of what these or an editor wrote. Its methods may be called concurrently; Find is a
// map access.
type List[K comparable, T Entry[K]] struct {
	path, what string
	check      func(*T) error
	Disk       atomicfile.Store // the real one; for tests

	changing sync.Mutex // held while the file is changed or read; taken before mu

	mu    sync.RWMutex // guards those below; not held across I/O
	all   []T
	byKey map[K]T
}

// New gives the list in the file at path, which need not exist yet, and reads nothing. what
// names the entries in errors. check refuses an entry that was read, in words to follow
// "number 3", or makes it fit to be shown: the file may have been edited by hand.
func New[K comparable, T Entry[K]](path, what string, check func(*T) error) *List[K, T] {
	return &List[K, T]{path: path, what: what, check: check}
}

// Reload reads the file. If it cannot be read, the list stays as it was.
func (l *List[K, T]) Reload() error {
	l.changing.Lock()
	defer l.changing.Unlock()
	all, err := l.read()
	if err == nil {
		l.put(all)
	}
	return err
}

func (l *List[K, T]) read() ([]T, error) {
	var all []T
	if err := Load(l.Disk, l.path, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", l.what, err)
	}
	for i := range all {
		if err := l.check(&all[i]); err != nil {
			return nil, fmt.Errorf("%s: %s: number %d %w", l.what, l.path, i+1, err)
		}
	}
	return unexpired(all), nil
}

func unexpired[K comparable, T Entry[K]](all []T) []T {
	now := time.Now()
	return slices.DeleteFunc(all, func(one T) bool { return one.Expired(now) })
}

func (l *List[K, T]) put(all []T) {
	byKey := make(map[K]T, len(all))
	for _, one := range all {
		byKey[one.Key()] = one
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all, l.byKey = all, byKey
}

// Find gives the entry with a key, unless it has expired.
func (l *List[K, T]) Find(key K) (one T, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	one, ok = l.byKey[key]
	if !ok || one.Expired(time.Now()) {
		var none T
		return none, false
	}
	return one, true
}

// All gives the entries that have not expired, oldest first. The caller owns the slice.
func (l *List[K, T]) All() []T {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return unexpired[K](slices.Clone(l.all))
}

// Change replaces the entries in the file by what change makes of those that have not
// expired. After nil that is in force and on disk. An error of change is passed on, and
// nothing is written.
func (l *List[K, T]) Change(change func([]T) ([]T, error)) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	unlock, err := l.Disk.Lock(l.path + ".lock")
	if err != nil {
		return fmt.Errorf("%s: %w", l.what, err)
	}
	defer unlock()
	all, err := l.read()
	if err != nil {
		return err
	}
	if all, err = change(all); err != nil {
		return err
	}
	err = Save(l.Disk, l.path, append([]T{}, all...), "  ")   // [], not null
	if err == nil || errors.Is(err, atomicfile.ErrUnsynced) { // it may not outlast a power cut
		l.put(all)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", l.what, err)
	}
	return nil
}

// Set puts one in the place of the entry with its key, if there is any; full is the error
// where there are most others already.
func (l *List[K, T]) Set(one T, most int, full error) error {
	return l.Change(func(all []T) ([]T, error) {
		all = slices.DeleteFunc(all, func(other T) bool { return other.Key() == one.Key() })
		if len(all) >= most {
			return nil, full
		}
		return append(all, one), nil
	})
}

// Remove takes the entry with a key away, and reports whether there was one. Where none is
// in force the file is left alone.
func (l *List[K, T]) Remove(key K) (was bool, err error) {
	if _, ok := l.Find(key); !ok {
		return false, nil
	}
	err = l.Change(func(all []T) ([]T, error) {
		others := slices.DeleteFunc(slices.Clone(all), func(one T) bool { return one.Key() == key })
		was = len(others) < len(all)
		return others, nil
	})
	return was, err
}
