package keys

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"whoelse/internal/atomicfile"
)

// refresh reads the file anew if it looks different from when it was last read. It
// costs a stat where it does not.
func (r *Registry) refresh() {
	if r.file.Due() {
		_ = r.load(false) // logged there; the last good version stays in force
	}
}

// awaitSettled waits, for a second at most, until a change of the file has settled:
// who is about to write on top of it must not take an editor's half for the whole.
func (r *Registry) awaitSettled() {
	for until := time.Now().Add(time.Second); time.Now().Before(until); {
		if !r.file.Settling() {
			return
		}
		time.Sleep(atomicfile.SettleTime / 5)
	}
}

// Reload reads the file now, changed or not. If it cannot be read, or is not safe,
// the last good version stays in force and the error says why.
func (r *Registry) Reload() error { return r.load(true) }

func (r *Registry) load(force bool) error {
	defer r.deliver()
	r.loading.Lock()
	defer r.loading.Unlock()
	s := r.file.Look()
	if !force && !r.file.Changed(s) {
		return nil // somebody else has just read it
	}
	f, err := r.read()
	if err != nil {
		if again := r.file.Failed(s, err); r.opened && !again { // before that it is Open's error
			r.log.Error("authorized_keys cannot be used; what was last read stays in force", "err", err)
		}
		return err
	}
	r.install(f)
	return nil
}

// read gives the file, if it is one to go by.
func (r *Registry) read() (atomicfile.File, error) {
	f, err := r.store.Read(r.path)
	if err != nil {
		return f, fmt.Errorf("authorized_keys: %w", err)
	}
	r.mu.RLock()
	had := r.file.Existed() || len(r.table.raw) > 0
	r.mu.RUnlock()
	if !f.Stamp.Exists() && had {
		// An editor is between two steps, or the disk is away. Freeing every nick
		// is not the thing to do then; who means that can leave an empty file.
		return f, fmt.Errorf("authorized_keys: %s is gone; to start anew, make an empty file", r.path)
	}
	return f, checkSafe(r.path, f.Stamp)
}

// checkSafe is sshd's rule, but for the group: many systems give each person a group
// of their own.
func checkSafe(path string, st atomicfile.Stamp) error {
	if !st.Exists() {
		return nil
	}
	if st.Perm()&0o002 != 0 {
		return fmt.Errorf("authorized_keys: %w: everybody can write %s (mode %04o); chmod o-w it", ErrUnsafeFile, path, st.Perm())
	}
	if me := os.Geteuid(); int(st.UID()) != me && st.UID() != 0 {
		return fmt.Errorf("authorized_keys: %w: %s belongs to uid %d, and this runs as uid %d; run it as that user, or chown the file", ErrUnsafeFile, path, st.UID(), me)
	}
	return nil
}

// install puts what was read in force. r.loading is held.
func (r *Registry) install(f atomicfile.File) {
	old := r.table // whoever changes it holds r.loading
	if bytes.Equal(old.raw, f.Data) {
		r.file.Read(f.Stamp)
		return
	}
	fresh := parseTable(f.Data)
	c := difference(old, fresh)
	r.mu.Lock()
	r.table = fresh
	r.file.Read(f.Stamp)
	r.follow(old, fresh)
	r.untold = append(r.untold, c)
	r.mu.Unlock()
	r.logChange(c, fresh)
}
