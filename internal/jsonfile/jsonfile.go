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

	"whoelse/internal/disk"
)

// Load reads the value in the file at path into v. A missing or empty file leaves v alone.
func Load(store disk.Store, path string, v any) error {
	f, err := store.Read(path)
	if err != nil {
		return err
	}
	return Decode(f, v)
}

// Decode is Load for a file that was read already.
func Decode(f disk.Content, v any) error {
	if len(f.Data) == 0 {
		return nil
	}
	if err := json.Unmarshal(f.Data, v); err != nil {
		return fmt.Errorf("%s cannot be read, and is left alone: %w", f.Path, err)
	}
	return nil
}

// Save replaces the file at path by v. The error is disk.Store's: after ErrUnsynced v is
// in place, after any other the old file is.
func Save(store disk.Store, path string, v any, indent string) error {
	text, err := Encode(v, indent)
	if err != nil {
		return err
	}
	return store.Write(path, text)
}

// Encode gives what Save writes.
func Encode(v any, indent string) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return text.Bytes(), err
}

// Entry is found by its key, and leaves its list with the next change once it expired.
type Entry[K comparable] interface {
	comparable
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
	Disk       disk.Store // the real one; for tests

	share disk.Share // see Share; nil on a single server

	changing sync.Mutex   // held while the file is changed or read; taken before mu. It guards those below
	agreed   []item[K, T] // with share, as last received: the other servers have no more
	file     disk.Watched // with share

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
		l.put(values(all))
	}
	return err
}

// item is an entry as the file has it: text may have members that only newer versions know.
type item[K comparable, T Entry[K]] struct {
	value T
	text  json.RawMessage
}

func values[K comparable, T Entry[K]](items []item[K, T]) []T {
	all := make([]T, len(items))
	for i, one := range items {
		all[i] = one.value
	}
	return all
}

// read gives the entries of the file that have not expired.
func (l *List[K, T]) read() ([]item[K, T], error) {
	all, err := l.readFile(l.path)
	if all == nil && err == nil {
		all = slices.Clone(l.agreed) // a file that was lost is made again
	}
	return unexpired(all, time.Now()), err
}

// readFile gives nil where there is no file, or an empty one.
func (l *List[K, T]) readFile(path string) ([]item[K, T], error) {
	var texts []json.RawMessage
	if err := Load(l.Disk, path, &texts); err != nil {
		return nil, fmt.Errorf("%s: %w", l.what, err)
	}
	if texts == nil {
		return nil, nil
	}
	all := make([]item[K, T], len(texts))
	for i, text := range texts {
		one, err := l.parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: number %d %w", l.what, path, i+1, err)
		}
		all[i] = one
	}
	return all, nil
}

func (l *List[K, T]) parse(text json.RawMessage) (item[K, T], error) {
	one := item[K, T]{text: text}
	if err := json.Unmarshal(text, &one.value); err != nil {
		return one, fmt.Errorf("cannot be read, and is left alone: %w", err)
	}
	return one, l.check(&one.value)
}

// edited gives what change makes of the entries. Those that it leaves alone keep their text.
func edited[K comparable, T Entry[K]](items []item[K, T], change func([]T) ([]T, error)) ([]item[K, T], error) {
	all, err := change(values(items))
	before := make(map[K]item[K, T], len(items))
	for _, one := range items {
		before[one.value.Key()] = one
	}
	after := make([]item[K, T], len(all))
	for i := 0; i < len(all) && err == nil; i++ {
		if after[i] = before[all[i].Key()]; after[i].value != all[i] {
			after[i].value = all[i]
			after[i].text, err = json.Marshal(all[i])
		}
	}
	return after, err
}

func unexpired[K comparable, T Entry[K]](all []item[K, T], now time.Time) []item[K, T] {
	return slices.DeleteFunc(all, func(one item[K, T]) bool { return one.value.Expired(now) })
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
	now := time.Now()
	return slices.DeleteFunc(slices.Clone(l.all), func(one T) bool { return one.Expired(now) })
}

// Change replaces the entries in the file by what change makes of those that have not
// expired. After nil that is in force and on disk. An error of change is passed on, and
// nothing is written. Where servers share the list, change can be called several times,
// and the last call counts.
func (l *List[K, T]) Change(change func([]T) ([]T, error)) error {
	if l.share != nil {
		return l.share(func() ([]byte, error) { return l.proposal(change) })
	}
	l.changing.Lock()
	defer l.changing.Unlock()
	unlock, err := l.Disk.Lock(l.path + ".lock")
	if err != nil {
		return fmt.Errorf("%s: %w", l.what, err)
	}
	defer unlock()
	all, err := l.read()
	if err == nil {
		all, err = edited(all, change)
	}
	if err != nil {
		return err
	}
	err = Save(l.Disk, l.path, texts(all), "  ")
	if err == nil || errors.Is(err, disk.ErrUnsynced) { // it may not outlast a power cut
		l.put(values(all))
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
	if _, ok := l.Find(key); !ok && l.share == nil {
		return false, nil
	}
	err = l.Change(func(all []T) ([]T, error) {
		others := slices.DeleteFunc(slices.Clone(all), func(one T) bool { return one.Key() == key })
		was = len(others) < len(all)
		return others, nil
	})
	return was && err == nil, err
}
