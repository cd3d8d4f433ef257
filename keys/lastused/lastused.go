// Package lastused keeps when each key was last used to log in, for its owner to see.
//
//	times := lastused.Open(filepath.Join(data, "used.json"), log)
//	times.Note(fingerprint)
//	t := times.Last(fingerprint) // zero where nothing is known
//	times.Write()                // now and then, and in the end
//
// It is best effort: errors are only logged.
package lastused

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"whoelse/internal/disk"
	"whoelse/internal/jsonfile"
)

const maxKeys = 100_000 // the oldest are forgotten

// Times is the file, and all of it in memory. Its methods may be called concurrently.
type Times struct {
	path string
	log  *slog.Logger
	lost bool // the file could not be read

	writing sync.Mutex // held while the file is written; taken before mu

	mu      sync.Mutex // owns the fields below; not held across I/O
	last    map[string]time.Time
	changed bool // since the last Write
}

// Open reads the times at path, which need not exist yet.
func Open(path string, log *slog.Logger) *Times {
	t := &Times{path: path, log: log}
	if err := jsonfile.Load(disk.Store{}, path, &t.last); err != nil {
		log.Warn("the times of last use can't be read; starting over", "err", err)
		t.lost = true
	}
	if t.last == nil {
		t.last = map[string]time.Time{}
	}
	return t
}

// Lost reports whether there is a file that could not be read: keys may have been used
// of which nothing is known.
func (t *Times) Lost() bool { return t.lost }

// Note says that a key is used now.
func (t *Times) Note(fingerprint string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last[fingerprint] = time.Now().UTC().Truncate(time.Second)
	t.changed = true
	if len(t.last) > maxKeys {
		t.forget(maxKeys / 2)
	}
}

// forget keeps the newest most times. t.mu is held.
func (t *Times) forget(most int) {
	oldest := slices.SortedFunc(maps.Keys(t.last), func(a, b string) int { return t.last[a].Compare(t.last[b]) })
	for _, key := range oldest[:len(oldest)-most] {
		delete(t.last, key)
	}
}

// Last tells when a key was last used; zero where nothing is known.
func (t *Times) Last(fingerprint string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last[fingerprint]
}

// Write puts on disk what changed since it was called last.
func (t *Times) Write() {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	last, changed := maps.Clone(t.last), t.changed
	t.changed = false
	t.mu.Unlock()
	if !changed {
		return
	}
	if err := jsonfile.Save(disk.Store{}, t.path, last, ""); err != nil {
		t.log.Warn("the times of last use can't be written", "err", err)
	}
}
