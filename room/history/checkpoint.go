package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"time"

	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
)

// checkpointFile says up to which event all histories are on disk.
const checkpointFile = "checkpoint.json"

// Checkpoint is what the checkpoint file holds.
type Checkpoint struct {
	Seq    uint64 `json:"seq"`               // all events up to this one are in the histories, durably
	LastID string `json:"last_id,omitempty"` // the greatest id of all up to it
}

// ReadCheckpoint reads the checkpoint of the folder of histories in. Without one it is the
// zero Checkpoint.
func ReadCheckpoint(in disk.Folder) (c Checkpoint, err error) {
	b, err := disk.ReadFile(in, checkpointFile, 4<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if b = bytes.TrimSuffix(b, []byte("\n")); err == nil && !jsonl.Sealed(b) {
		err = errors.New("the checksum does not fit")
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w", checkpointFile, err)
	}
	return c, nil
}

// WriteCheckpoint replaces the checkpoint file, durably.
func WriteCheckpoint(in disk.Folder, c Checkpoint) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return disk.WriteFile(in, checkpointFile, jsonl.Seal(b[:len(b)-1], 0))
}

// checkpoint makes all that was applied durable in the histories, and lets the log remove
// what they have. One at a time. After an error nothing is lost: the log has it.
func (s *Store) checkpoint() error {
	if err := s.resync(); err != nil {
		return err
	}
	s.applying.Lock()
	s.mu.Lock()
	c, dirty := Checkpoint{s.applied, s.lastID}, s.dirty
	late := len(s.late) > 0
	if !late {
		s.dirty = make(map[string]inodes)
	}
	s.mu.Unlock()
	s.applying.Unlock()
	if late {
		return errLate
	}
	if err := s.syncHistories(dirty); err != nil {
		s.mu.Lock()
		for name, was := range dirty {
			if _, again := s.dirty[name]; !again { // else it may have been shortened
				s.dirty[name] = was
			}
		}
		s.mu.Unlock()
		s.syncFailed = true
		return err
	}
	s.synced = c.Seq // also when the checkpoint can't be saved, or is and nobody can tell
	if c.Seq > s.saved.Seq {
		if err := WriteCheckpoint(s.dirs.root, c); err != nil {
			return err
		}
		s.saved = c
	}
	return s.release(c.Seq)
}

// errLate keeps a checkpoint from being made.
var errLate = errors.New("some histories can't be written")

// release lets the log remove what all histories have, unless a backup runs.
func (s *Store) release(seq uint64) error {
	err := WithoutBackup(s.dirs.root, func() error { return s.Log.Release(seq) })
	if errors.Is(err, ErrBackup) { // the next checkpoint does it
		s.held.Store(int64(s.Log.Stats().Segments))
		return nil
	}
	s.held.Store(0)
	return err
}

// due reports whether there are segments that a checkpoint may free.
func (s *Store) due() bool { return int64(s.Log.Stats().Segments) > max(1, s.held.Load()) }

// syncHistories makes these histories durable, and the names of all.
func (s *Store) syncHistories(names map[string]inodes) error {
	all := false
	if len(names) >= s.opts.ManyFiles {
		var err error
		if all, err = s.dirs.root.SyncAll(); err != nil {
			return err
		}
	}
	for name, was := range names {
		if err := s.syncFile(name, was, all); err != nil {
			return err
		}
	}
	s.syncs.Add(uint64(len(names)))
	return errors.Join(s.dirs.users.Sync(), s.dirs.rooms.Sync(), s.dirs.root.Sync())
}

// syncFile makes the content of one history durable, unless it is already. It has to be the
// file that was written.
func (s *Store) syncFile(name string, was inodes, synced bool) error {
	if !synced && was.ino != 0 {
		h, err := s.handle(name, false)
		if err == nil {
			err = h.val.Sync()
			s.files.release(h)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", path(name), err)
		}
	}
	now, err := s.inode(name)
	if err != nil || was.has(now) || was.ino == 0 {
		return err
	}
	s.renaming.Lock() // it may have been shortened or set aside just now
	defer s.renaming.Unlock()
	s.mu.Lock()
	expected, changed := s.dirty[name]
	s.mu.Unlock()
	if now, err = s.inode(name); err == nil && (!changed || !expected.has(now)) {
		err = fmt.Errorf("%s: %w", path(name), errReplaced)
	}
	return err
}

// inode returns that of a history's file, 0 when there is none.
func (s *Store) inode(name string) (uint64, error) {
	in, base := s.dirs.place(name)
	st, err := in.Lstat(base)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return st.Ino, err
}

// resync, after a sync that failed, writes what the histories have beyond the checkpoint again, from the
// log: the kernel may have dropped it, and a second sync could falsely succeed. If that fails in the
// middle of it, they are late until it is done.
func (s *Store) resync() error {
	if !s.syncFailed {
		return nil
	}
	s.applying.Lock()
	defer s.applying.Unlock()
	s.mu.Lock()
	names, applied := maps.Clone(s.dirty), s.applied
	for name, l := range s.late {
		if !l.again {
			s.mu.Unlock()
			return errLate
		}
		if _, dirty := names[name]; !dirty {
			names[name] = inodes{}
		}
	}
	clear(s.late)
	s.mu.Unlock()
	err := s.rewrite(slices.Sorted(maps.Keys(names)), applied)
	if err != nil {
		s.mu.Lock()
		for name := range names {
			if l := s.late[name]; l != nil && l.it != nil {
				s.owners.release(l.it)
			}
			s.late[name] = &lateOwner{err: err, again: true}
		}
		s.mu.Unlock()
		return err
	}
	s.syncFailed = false
	return nil
}

// rewrite writes what these histories have beyond the last sync that succeeded, up to the event applied,
// again. The checkpoint on disk may be as new as that, so what is before it must stay.
func (s *Store) rewrite(names []string, applied uint64) error {
	for _, name := range names {
		if err := s.cutBack(name, s.synced); err != nil {
			return fmt.Errorf("%s: %w", path(name), err)
		}
	}
	return s.applyFrom(s.synced, applied)
}

// cutBack removes what a history has beyond the event seq. What it gives there may be
// anything: the kernel has dropped what it could not write.
func (s *Store) cutBack(name string, seq uint64) error {
	it, err := s.owner(name)
	if unusable(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.owners.release(it)
	o := it.val
	o.writing.Lock()
	defer o.writing.Unlock()
	v, _, err := s.view(o)
	if err != nil || v.file == nil {
		return err
	}
	defer v.close()
	if cut, _, err := suspect(v, v.size, seq); err != nil {
		return err
	} else if cut < v.size {
		o.gone = true // also when cutting fails: that can have its effect
		s.owners.forget(name)
		f := v.file.(disk.File)
		if err := errors.Join(f.Truncate(cut), f.Sync()); err != nil {
			return err
		}
	}
	s.changed(name, v.ino)
	return nil
}

// suspect returns where the lines begin that a file of this size has beyond the event seq, or
// may have, and where the first bad one of these is.
func suspect(f io.ReaderAt, size int64, seq uint64) (from, bad int64, err error) {
	from, bad = size, size
	b := jsonl.NewBackward(f, size)
	for {
		l, err := b.Next()
		if errors.Is(err, io.EOF) {
			return from, bad, nil
		}
		if err != nil {
			return 0, 0, err
		}
		found, whole := record.Parse(l)
		if whole && found[0].Seq <= seq {
			return from, bad, nil
		}
		if from = l.Off; !whole {
			bad = l.Off
		}
	}
}

// applyFrom applies what the log has after one event and up to another again. applying is
// held.
func (s *Store) applyFrom(after, upTo uint64) error {
	b := batchOf{owners: map[string]*item[*owner]{}, aside: map[string][]byte{}}
	n := 0
	err := s.Log.Read(after, func(e room.Entry) error {
		if e.Seq > upTo {
			return errEnough
		}
		s.applyEntry(&e, &b)
		s.mu.Lock()
		s.lastID = max(s.lastID, e.ID)
		s.mu.Unlock()
		if n++; n%replayBatch == 0 {
			s.finish(&b)
		}
		return nil
	})
	s.finish(&b)
	if errors.Is(err, errEnough) {
		err = nil
	}
	return err
}

// replayBatch is after how many events from the log their lines are written.
const replayBatch = 1000

var errEnough = errors.New("enough")

// tend makes checkpoints and retries what is late, until the store is closed.
func (s *Store) tend() {
	defer close(s.tended)
	retry := time.NewTimer(retryAfter)
	retry.Stop()
	defer retry.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-s.wake:
		case <-retry.C:
		}
		if !s.catchUp() {
			retry.Reset(retryAfter)
		}
		if s.due() || s.syncFailed {
			err := s.checkpoint()
			s.report(err)
			if err != nil {
				retry.Reset(retryAfter)
			}
		}
	}
}

// retryAfter is how long after a failure the disk is tried again.
const retryAfter = time.Second

// report logs that no checkpoint can be made, and once more when they can.
func (s *Store) report(err error) {
	switch was := s.unwell; {
	case err != nil && !was:
		s.log.Error("history: no checkpoint can be made; the log keeps what it would free", "error", err)
	case err == nil && was:
		s.log.Info("history: checkpoints are made again")
	}
	s.unwell = err != nil
}

func (s *Store) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
