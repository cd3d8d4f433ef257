package keys

import (
	"fmt"
	"maps"
	"time"
)

// ReservedError names a nick that was somebody's and is kept for them.
type ReservedError struct {
	Nick  string
	Until time.Time // zero where its last key went just now
}

func (e *ReservedError) Error() string {
	if e.Until.IsZero() {
		return fmt.Sprintf("%s has just lost its last key, and is not free yet; choose another name", e.Nick)
	}
	return fmt.Sprintf("%s is reserved until %s for whoever held it; choose another name, or, if you held it, ask an operator to give it back (whoelse keys restore %s)",
		e.Nick, e.Until.UTC().Format("2 Jan 2006"), e.Nick)
}

// Is makes every *ReservedError an ErrReserved.
func (e *ReservedError) Is(target error) bool { return target == ErrReserved }

// Reserve has nicks refused that nobody holds and for which until gives a time. It is
// asked with locks held, and answers from memory. A nick that somebody holds is not
// asked about.
func (r *Registry) Reserve(until func(nick string) (time.Time, bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved = until
}

// Reserved gives a *ReservedError (ErrReserved) if nobody holds nick, and nobody may get
// it now. It goes by what was last read of the file, as Free does.
func (r *Registry) Reserved(nick string) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.table.byNick[nick]) > 0 {
		return nil
	}
	if _, ok := r.departed[nick]; ok {
		return &ReservedError{Nick: nick}
	}
	if r.reserved == nil {
		return nil
	}
	if until, ok := r.reserved(nick); ok {
		return &ReservedError{Nick: nick, Until: until}
	}
	return nil
}

// Departed gives the nicks that are without any line, since when, of which Release was
// not called: those that lost their last one, and those that Depart was called for. They
// are nobody's meanwhile.
//
// It is not known while the file cannot be read, or when all nicks have gone at once: more
// likely than that everybody left is that somebody is repairing the file.
func (r *Registry) Departed() (all map[string]time.Time, known bool) {
	r.refresh()
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.emptied || r.file.Failing() {
		return nil, false
	}
	return maps.Clone(r.departed), true
}

// Exists tells whether there was a file when it was last read.
func (r *Registry) Exists() bool { return r.file.Existed() }

// Depart enters a nick that was found to be without any line.
func (r *Registry) Depart(nick string, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.table.byNick[nick]) == 0 {
		r.departed[nick] = since
	}
}

// Release ends what Departed tells of nick.
func (r *Registry) Release(nick string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.departed, nick)
}

// follow notes which nicks depart with a new table, and which are back. r.mu is held.
func (r *Registry) follow(old, fresh *table) {
	for n := range old.byNick {
		if len(fresh.byNick[n]) == 0 {
			r.departed[n] = r.now()
		}
	}
	for n := range r.departed {
		if len(fresh.byNick[n]) > 0 {
			delete(r.departed, n)
		}
	}
	r.emptied = len(fresh.byNick) == 0 && (len(old.byNick) > 1 || r.emptied)
}
