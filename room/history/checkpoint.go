package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/internal/jsonl"
	"whoelse/room/log"
)

// checkpoint is what the checkpoint file holds.
type checkpoint struct {
	Seq    uint64 `json:"seq"`               // all events up to this one are in the histories, durably
	LastID string `json:"last_id,omitempty"` // the greatest id of all up to it
}

// loadCheckpoint reads the checkpoint of the folder of histories in. Without one it is the
// zero checkpoint.
func loadCheckpoint(in disk.Folder) (c checkpoint, err error) {
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
		return checkpoint{}, fmt.Errorf("%s: %w", checkpointFile, err)
	}
	return c, nil
}

// saveCheckpoint replaces the checkpoint file, durably.
func saveCheckpoint(in disk.Folder, c checkpoint) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return disk.WriteFile(in, checkpointFile, jsonl.Seal(b[:len(b)-1], 0))
}

// prepare locks the folder root and brings the histories up to the end of the log. When it
// fails it closes everything.
func prepare(root disk.Folder, opts Options) (*Store, error) {
	s := newStore(opts)
	s.dirs.root = root
	var err error
	if s.lock, err = root.Lock(serverLock); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	if err := s.recover(); err != nil {
		if s.Log != nil {
			err = errors.Join(err, s.Log.Close())
		}
		return nil, errors.Join(err, s.closeFiles())
	}
	return s, nil
}

func (s *Store) recover() error {
	root := s.dirs.root
	v, err := checkVersion(root)
	if err == nil && v == 0 {
		err = disk.WriteFile(root, versionFile, fmt.Appendf(nil, "%d\n", Version))
	}
	if err != nil {
		return err
	}
	_, err = root.Lstat(logFolder)
	logLost := errors.Is(err, fs.ErrNotExist)
	if s.dirs, err = openDirs(root, false); err != nil {
		return err
	}
	if s.saved, err = s.readCheckpoint(logLost); err != nil {
		return err
	}
	s.applied, s.synced, s.lastID = s.saved.Seq, s.saved.Seq, s.saved.LastID
	if s.Log, err = log.Open(s.dirs.log, log.Options{
		Log: s.log, SegmentBytes: s.opts.SegmentBytes, Next: s.saved.Seq + 1, Given: s.opts.Given,
		Check: root.Replaced,
	}); err != nil {
		return err
	}
	if err := s.replay(); err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	return nil
}

// readCheckpoint reads the checkpoint. Where it is lost or damaged, all of the log is applied again: no
// segment goes before all histories have it, so they have durably what is before the first one. Where
// there is no log, the numbers go on after the greatest in the histories, which can be beyond
// the checkpoint.
func (s *Store) readCheckpoint(logLost bool) (checkpoint, error) {
	c, err := loadCheckpoint(s.dirs.root)
	if err == nil && c.Seq > 0 && !logLost {
		return c, nil
	}
	if err != nil {
		s.damaged.Add(1)
		s.log.Error("history: the checkpoint is damaged; all of the log is applied again", "error", err)
	}
	segments, err := log.Segments(s.dirs.log)
	if err != nil || len(segments) > 0 {
		return checkpoint{Seq: append(segments, 1)[0] - 1}, err
	}
	names, err := s.dirs.owners()
	for _, name := range names {
		err := s.reading(name, func(v *view) error {
			for rec, err := range s.backward(v) {
				if err != nil {
					return err
				}
				c.Seq = max(c.Seq, rec.Seq)
				if rec.Message != nil {
					c.LastID = max(c.LastID, rec.Message.ID)
					break
				}
			}
			return nil
		})
		if err != nil {
			s.log.Error("history: can't be read", "file", path(name), "error", err)
		}
	}
	return c, err
}

// replay applies what the log has beyond the checkpoint.
func (s *Store) replay() error {
	last := s.Log.Last()
	if last <= s.saved.Seq {
		return nil
	}
	s.applying.Lock()
	s.recovering = true
	err := s.makeAgain(batch{}, s.saved.Seq, last)
	s.recovering = false
	s.applying.Unlock()
	if err != nil {
		return err
	}
	for name, l := range s.late {
		return fmt.Errorf("%s: %w", path(name), l.err)
	}
	s.applied = last
	return s.checkpoint()
}

// checkpoint makes all that was applied durable in the histories, and lets the log remove
// what they have. One at a time. After an error nothing is lost: the log has it.
func (s *Store) checkpoint() error {
	s.applying.Lock()
	c, dirty := checkpoint{s.applied, s.lastID}, s.dirty
	late := len(s.late) > 0
	if !late {
		s.dirty = make(map[string][]uint64)
	}
	s.applying.Unlock()
	if late {
		return errLate
	}
	if err := s.syncHistories(dirty); err != nil {
		s.distrust(dirty, err)
		return err
	}
	s.synced = c.Seq // also when the checkpoint can't be saved, or is and nobody can tell
	if c.Seq > s.saved.Seq {
		if err := saveCheckpoint(s.dirs.root, c); err != nil {
			return err
		}
		s.saved = c
	}
	err := s.WithoutBackup(func() error { return s.Log.Release(c.Seq) })
	if errors.Is(err, room.ErrBackup) { // the next checkpoint does it
		s.held.Store(int64(s.Log.Stats().Segments))
		return nil
	}
	s.held.Store(0)
	return err
}

// errLate keeps a checkpoint from being made.
var errLate = errors.New("some histories can't be written")

// due reports whether there are segments that a checkpoint may free.
func (s *Store) due() bool { return int64(s.Log.Stats().Segments) > max(1, s.held.Load()) }

// syncHistories makes these histories durable, and the names of all.
func (s *Store) syncHistories(dirty map[string][]uint64) error {
	for name, was := range dirty {
		if err := s.syncFile(name, was); err != nil {
			return fmt.Errorf("%s: %w", path(name), err)
		}
	}
	s.syncs.Add(uint64(len(dirty)))
	return s.dirs.sync()
}

// syncFile makes the content of one history durable. It has to be the file that was written, or
// the one that took its place since.
func (s *Store) syncFile(name string, was []uint64) error {
	s.applying.Lock()
	f, st, err := s.openFile(name, false)
	if errors.Is(err, fs.ErrNotExist) || unusable(err) {
		st.Ino, err = 0, nil
	}
	if err == nil && !slices.Contains(was, st.Ino) && !slices.Contains(s.dirty[name], st.Ino) {
		err = errReplaced
		s.makeLate(name, s.synced, err)
	}
	s.applying.Unlock()
	if f == nil {
		return err
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// distrust has histories made again from the log, beyond the last checkpoint, after a sync failed: the
// kernel may have dropped what it could not write, and a second sync could falsely succeed.
func (s *Store) distrust(dirty map[string][]uint64, err error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	for name, was := range dirty {
		if _, again := s.dirty[name]; !again { // else it may have been shortened
			s.dirty[name] = was
		}
		if !errors.Is(err, errReplaced) { // of one, which is late already
			s.makeLate(name, s.synced, err)
		}
	}
}

// tend makes checkpoints and retries what is late, until the store is closed.
func (s *Store) tend() {
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
		if !s.due() {
			continue
		}
		err := s.checkpoint()
		switch {
		case err != nil:
			s.catchUp() // what the checkpoint left
			retry.Reset(retryAfter)
			if !s.unwell {
				s.log.Error("history: no checkpoint can be made; the log keeps what it would free", "error", err)
			}
		case s.unwell:
			s.log.Info("history: checkpoints are made again")
		}
		s.unwell = err != nil
	}
}

// retryAfter is how long after a failure the disk is tried again.
const retryAfter = time.Second
