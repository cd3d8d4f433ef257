package keys

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"whoelse/internal/disk"
)

// lookEvery is how often Watch looks at the file.
const lookEvery = 200 * time.Millisecond

// Watch reads the file whenever it has changed, within a second and without being
// asked, until ctx ends. It looks by itself, with a stat, and so misses nothing on
// file systems that tell of no changes, or when a link points elsewhere.
func (r *Registry) Watch(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.refresh()
		}
	}
}

// refresh reads the file again if it has changed since it was last read. It costs a stat
// where it has not. While another goroutine reads or writes the file, the version before
// counts.
func (r *Registry) refresh() {
	if r.file.Due() && r.updating.TryLock() {
		defer r.release()
		_, _ = r.load() // logged there; the last good version stays in force
	}
}

// Reload reads the file now, changed or not. If it cannot be read, or is not safe,
// the last good version stays in force and the error says why.
func (r *Registry) Reload() error {
	r.updating.Lock()
	defer r.release()
	_, err := r.load()
	return err
}

// load reads the file and puts it in force. r.updating is held.
func (r *Registry) load() (disk.Content, error) {
	s := r.file.Look()
	f, err := r.read()
	if err != nil {
		if again := r.file.Failed(s, err); r.opened && !again { // before that it is Open's error
			r.log.Error("authorized_keys cannot be used; what was last read stays in force", "err", err)
		}
		return f, err
	}
	r.install(f, false)
	return f, nil
}

// read gives the file, if it is one to go by.
func (r *Registry) read() (disk.Content, error) {
	f, err := r.store.Read(r.path)
	if err != nil {
		return f, fmt.Errorf("authorized_keys: %w", err)
	}
	if !f.Stat.Exists() && (r.file.Existed() || len(r.table.raw) > 0) {
		// An editor is between two steps, or the disk is away. That must not free every
		// nick; an operator who means that can leave an empty file.
		return f, fmt.Errorf("authorized_keys: %s is gone; to start over, make an empty file", r.path)
	}
	return f, checkSafe(r.path, f.Stat)
}

// checkSafe is sshd's rule, but for the group: many systems give each person a group
// of their own.
func checkSafe(path string, st disk.Stat) error {
	me, owner := os.Geteuid(), int(st.UID)
	switch {
	case !st.Exists():
		return nil
	case st.Mode.Perm()&0o002 != 0:
		return fmt.Errorf("authorized_keys: %w: everybody can write %s (mode %04o); chmod o-w it",
			ErrUnsafeFile, path, st.Mode.Perm())
	case owner != me && owner != 0:
		return fmt.Errorf("authorized_keys: %w: %s belongs to uid %d, and this runs as uid %d; "+
			"run it as that user, or chown the file", ErrUnsafeFile, path, owner, me)
	}
	return nil
}

// install puts a version of the file in force, which we have written ourselves or not.
// Where only lines were added, the table grows: claims are the most frequent change, and
// parsing a large file takes half a second. r.updating is held.
func (r *Registry) install(f disk.Content, ours bool) {
	old := r.table
	if bytes.Equal(old.raw, f.Data) {
		r.file.Read(f.Stat)
		return
	}
	fresh, grows := old, old.continuedBy(f.Data)
	var c Change
	if !grows {
		fresh = parseTable(f.Data)
		c = Change{Added: fresh.missingFrom(old), Removed: old.missingFrom(fresh)}
	}
	read := fresh.entries
	r.mu.Lock()
	if grows {
		read = fresh.grow(f.Data)
		c.Added = slices.DeleteFunc(entries(read), func(e Entry) bool { return e.Disabled != "" })
	}
	r.table = fresh
	r.file.Read(f.Stat)
	r.noteDeparted(old, fresh)
	r.mu.Unlock()
	if len(c.Added)+len(c.Removed) > 0 {
		r.untold = append(r.untold, c)
	}
	r.logChange(c, fresh, read, ours)
}

// noteDeparted notes which nicks lost their last line with a new table, and which are
// back. r.mu is held.
func (r *Registry) noteDeparted(old, fresh *table) {
	if old != fresh { // or it has only grown
		for n := range old.byNick {
			if len(fresh.byNick[n]) == 0 {
				r.departed[n] = r.now()
			}
		}
	}
	maps.DeleteFunc(r.departed, func(n string, _ time.Time) bool { return len(fresh.byNick[n]) > 0 })
	r.emptied = len(fresh.byNick) == 0 && (len(old.byNick) > 1 || r.emptied)
}

// logMax bounds the lines a single change can put into the log, each kind.
const logMax = 100

// logChange logs a change of the table and the lines that were read for it; of our own changes, which
// those log that ask for them, only what is wrong with the lines.
func (r *Registry) logChange(c Change, t *table, read []*line, quiet bool) {
	bad := disabled(read)
	for _, l := range bad[:min(len(bad), logMax)] {
		r.log.Warn("authorized_keys: line disabled", "line", l.Line, "why", l.Disabled)
	}
	if quiet {
		return
	}
	bad = disabled(t.entries)
	r.log.Info("authorized_keys read", "lines", t.lines, "keys", len(t.entries)-len(bad), "disabled", len(bad),
		"added", len(c.Added), "removed", len(c.Removed))
	for _, e := range c.Removed[:min(len(c.Removed), logMax)] {
		r.log.Info("key removed", "nick", e.Nick, "key", e.Fingerprint)
	}
}

func disabled(lines []*line) []*line {
	return slices.DeleteFunc(slices.Clone(lines), func(l *line) bool { return l.Disabled == "" })
}

// Change tells what a new version of the file brought. It is about lines in force:
// a line that became disabled is removed, and one that was repaired is added.
type Change struct {
	Added, Removed []Entry
}

// OnChange has f called after each change of the file that is in force, be it ours
// or another's, with no lock held. f is called from the goroutines that noticed, which may be
// several at the same time, and may call the registry, which can notice a further change. A key
// that is in Removed, and no longer found by Lookup, has lost its access.
func (r *Registry) OnChange(f func(Change)) {
	r.updating.Lock()
	defer r.updating.Unlock()
	r.onChange = append(r.onChange, f)
}

// release lets go of r.updating, and then tells of the changes that were made under it.
func (r *Registry) release() {
	changes, tell := r.untold, r.onChange
	r.untold = nil
	r.updating.Unlock()
	for _, c := range changes {
		for _, f := range tell {
			f(c)
		}
	}
}
