// Package jsonfile keeps values as JSON in small files, each written whole: atomically,
// durably, and never so large that it could not be read again.
//
//	err := jsonfile.Load(store, path, &v)   // v stays as it is where there is no file
//	err = jsonfile.Save(store, path, v, "") // or with an indent, for people who edit it
//
// A [File] has a list of entries that expire, and then leave it with the next change. It is
// [Shared] where several processes change it, and nothing is kept in memory; a [List], where
// a single server owns it, is all in memory, found by a key.
package jsonfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"whoelse/internal/atomicfile"
)

// Load reads the value in the file at path into v. No file, or an empty one, leaves v alone.
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

// File is a JSON array of T.
type File[T any] struct {
	Path string
	What string // the entries, as errors name them
	// Check refuses an entry that was read, in words to follow "number 3", or makes it fit
	// to be shown: the file may have been edited by hand.
	Check func(*T) error
	// Expired tells whether an entry does not count any more.
	Expired func(T, time.Time) bool

	Now  func() time.Time // the clock
	Disk atomicfile.Store
}

// Read gives the entries that have not expired, in the file's order.
func (f *File[T]) Read() ([]T, error) {
	var all []T
	if err := Load(f.Disk, f.Path, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", f.What, err)
	}
	for i := range all {
		if err := f.Check(&all[i]); err != nil {
			return nil, fmt.Errorf("%s: %s: number %d %w", f.What, f.Path, i+1, err)
		}
	}
	return f.unexpired(all), nil
}

func (f *File[T]) unexpired(all []T) []T {
	now := f.Now()
	return slices.DeleteFunc(all, func(one T) bool { return f.Expired(one, now) })
}

func (f *File[T]) write(all []T) error {
	if all == nil {
		all = []T{}
	}
	if err := Save(f.Disk, f.Path, all, "  "); err != nil {
		return fmt.Errorf("%s: %w", f.What, err)
	}
	return nil
}

// Shared is a File that several processes change. Its methods may be called concurrently.
type Shared[T any] struct {
	File[T]
	mu sync.Mutex // held by who changes the file, inside this process
}

// Change replaces the entries by what change makes of those that have not expired, under
// a lock that all processes share. An error of change is passed on, and nothing is written.
func (s *Shared[T]) Change(change func([]T) ([]T, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	unlock, err := s.Disk.Lock(s.Path + ".lock")
	if err != nil {
		return fmt.Errorf("%s: %w", s.What, err)
	}
	defer unlock()
	all, err := s.Read()
	if err != nil {
		return err
	}
	if all, err = change(all); err != nil {
		return err
	}
	return s.write(all)
}
