package keys

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"whoelse/internal/atomicfile"
)

// settleTime is how long a change has to stand before it is read. Many editors
// empty a file and then write it; read in between, it would free every nick and end
// every session.
const settleTime = 100 * time.Millisecond

// Edits that follow each other so closely that none of them settles are read all the
// same once the first is settleMost old: as soon as the file was quiet for quietTime,
// which who is in the middle of writing it hardly is.
const (
	settleMost = time.Second
	quietTime  = 10 * time.Millisecond
)

// retryTime is how long a file that could not be read is left alone, unless it
// changes: what was in the way may be no part of the file.
const retryTime = time.Second

// refresh reads the file anew if it looks different from when it was last read. It
// costs a stat where it does not.
func (r *Registry) refresh() {
	if now := look(r.path); r.differs(now) && r.settled(now) {
		_ = r.load(false) // logged there; the last good version stays in force
	}
}

func look(path string) fileState {
	stamp, err := atomicfile.Stat(path)
	if err != nil {
		return fileState{err: err.Error()}
	}
	return fileState{stamp: stamp}
}

func (r *Registry) differs(s fileState) bool {
	now := r.now()
	r.mu.RLock()
	defer r.mu.RUnlock()
	return s != r.seen && (s != r.failed.of || now.Sub(r.failed.at) >= retryTime)
}

// settled tells whether a change has stood for long enough, by the file's own time
// or, since that can be anything, by having been seen so.
func (r *Registry) settled(s fileState) bool {
	now := r.now()
	age := now.Sub(time.Unix(0, s.stamp.MTime()))
	if !s.stamp.Exists() || age >= settleTime {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unreadAt.IsZero() {
		r.unreadAt = now
	}
	if r.unsettled != s {
		r.unsettled, r.unsettledSince = s, now
	}
	return max(now.Sub(r.unsettledSince), age) >= settleAfter(now.Sub(r.unreadAt))
}

// settleAfter is how long the file has to be quiet to be read when it has changed for
// so long without having been read.
func settleAfter(unread time.Duration) time.Duration {
	if unread < settleMost {
		return settleTime
	}
	return quietTime
}

// awaitSettled waits, for a second at most, until a change of the file has settled:
// who is about to write on top of it must not take an editor's half for the whole.
func (r *Registry) awaitSettled() {
	for until := time.Now().Add(time.Second); time.Now().Before(until); {
		if s := look(r.path); !r.differs(s) || r.settled(s) {
			return
		}
		time.Sleep(settleTime / 5)
	}
}

// Reload reads the file now, changed or not. If it cannot be read, or is not safe,
// the last good version stays in force and the error says why.
func (r *Registry) Reload() error { return r.load(true) }

func (r *Registry) load(force bool) error {
	defer r.deliver()
	r.loading.Lock()
	defer r.loading.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.unreadAt = time.Time{}
	}()
	s := look(r.path)
	if !force && !r.differs(s) {
		return nil // somebody else has just read it
	}
	f, err := r.read()
	if err != nil {
		r.refused(s, err)
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
	had := r.seen.stamp.Exists() || len(r.table.raw) > 0
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

// refused remembers that the file is not used, and logs it unless it did before.
func (r *Registry) refused(s fileState, err error) {
	f := failure{of: s, at: r.now(), why: err.Error()}
	r.mu.Lock()
	again := r.failed.of == s && r.failed.why == f.why
	r.failed = f
	opened := r.opened
	r.mu.Unlock()
	if opened && !again { // before that it is Open's error
		r.log.Error("authorized_keys cannot be used; what was last read stays in force", "err", err)
	}
}

// install puts what was read in force. r.loading is held.
func (r *Registry) install(f atomicfile.File) {
	r.mu.Lock()
	old := r.table
	same := bytes.Equal(old.raw, f.Data)
	if same {
		r.seen, r.failed = fileState{stamp: f.Stamp}, failure{}
	}
	r.mu.Unlock()
	if same {
		return
	}
	fresh := parseTable(f.Data)
	c := difference(old, fresh)
	r.mu.Lock()
	r.table, r.seen, r.failed = fresh, fileState{stamp: f.Stamp}, failure{}
	r.follow(old, fresh)
	r.untold = append(r.untold, c)
	r.mu.Unlock()
	r.logChange(c, fresh)
}
