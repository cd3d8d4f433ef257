package jsonfile

import (
	"errors"
	"slices"
	"sync"

	"whoelse/internal/atomicfile"
)

// List is a JSON array of T, and all of it in memory. The server owns the file while it
// runs: what is edited by hand counts after Reload, and is else overwritten. Its methods
// may be called concurrently; Find is a map access.
type List[K comparable, T any] struct {
	file File[T]
	key  func(T) K

	changing sync.Mutex // held by who changes or reads the file; taken before mu

	mu    sync.RWMutex // guards those below; not held across I/O
	all   []T
	byKey map[K]T
}

// Open reads the list in file, which need not exist yet. One that cannot be read is an
// error: to come up without what is in it is not what anybody wants.
func Open[K comparable, T any](file File[T], key func(T) K) (*List[K, T], error) {
	l := &List[K, T]{file: file, key: key}
	return l, l.Reload()
}

// Reload reads the file again, after it was edited by hand. If it cannot be read, the
// list stays as it was.
func (l *List[K, T]) Reload() error {
	l.changing.Lock()
	defer l.changing.Unlock()
	all, err := l.file.Read()
	if err != nil {
		return err
	}
	l.put(all)
	return nil
}

func (l *List[K, T]) put(all []T) {
	byKey := make(map[K]T, len(all))
	for _, one := range all {
		byKey[l.key(one)] = one
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
	if !ok || l.file.Expired(one, l.file.Now()) {
		var none T
		return none, false
	}
	return one, true
}

// All gives the entries that have not expired, oldest first. The caller owns the slice.
func (l *List[K, T]) All() []T {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.file.unexpired(slices.Clone(l.all))
}

// Set puts one in the place of the entry with its key, if there is any; full is the error
// where there are most others already. After nil it is in force and on disk.
func (l *List[K, T]) Set(one T, most int, full error) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	others := l.without(l.key(one))
	if len(others) >= most {
		return full
	}
	return l.replace(append(others, one))
}

// Remove takes the entry with a key away, and reports whether there was one.
func (l *List[K, T]) Remove(key K) (was bool, err error) {
	l.changing.Lock()
	defer l.changing.Unlock()
	if _, was = l.Find(key); !was {
		return false, nil
	}
	return true, l.replace(l.without(key))
}

func (l *List[K, T]) without(key K) []T {
	return slices.DeleteFunc(l.All(), func(one T) bool { return l.key(one) == key })
}

// replace writes the list and puts it in force. l.changing is held.
func (l *List[K, T]) replace(all []T) error {
	err := l.file.write(all)
	if err == nil || errors.Is(err, atomicfile.ErrUnsynced) { // it may not outlast a power cut
		l.put(all)
	}
	return err
}
