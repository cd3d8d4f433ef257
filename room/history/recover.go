package history

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/disk"
	"whoelse/room/internal/jsonl"
	"whoelse/room/log"
)

// logFolder has the segments of the log.
const logFolder = "log"

// prepare locks the folder root and brings the histories up to the end of the log. When it
// fails it closes everything.
func prepare(root disk.Folder, opts Options) (*Store, error) {
	s := newStore(opts)
	s.dirs.root = root
	var err error
	if s.lock, err = root.Lock("lock"); err != nil {
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

func (s *Store) recover() (err error) {
	root := s.dirs.root
	if err := checkVersion(root); err != nil {
		return err
	}
	_, err = root.Lstat(logFolder)
	logLost := errors.Is(err, fs.ErrNotExist)
	for name, folder := range map[string]*disk.Folder{logFolder: &s.dirs.log, "users": &s.dirs.users, "rooms": &s.dirs.rooms} {
		if *folder, err = root.Sub(name); err != nil {
			return err
		}
	}
	if s.saved, err = s.readCheckpoint(logLost); err != nil {
		return err
	}
	s.applied, s.synced, s.lastID = s.saved.Seq, s.saved.Seq, s.saved.LastID
	if s.Log, err = log.Open(s.dirs.log, log.Options{
		Log: s.log, SegmentBytes: s.opts.SegmentBytes, Next: s.saved.Seq + 1, Check: root.Replaced,
	}); err != nil {
		return err
	}
	if err := s.replay(); err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	for _, shared := range []string{room.RoomHistory, room.PresenceHistory} {
		if it, err := s.owner(shared); err == nil {
			s.owners.release(it)
		} else {
			s.log.Error("history: can't be used until it is repaired", "file", path(shared), "error", err)
		}
	}
	return nil
}

// readCheckpoint reads the checkpoint. Where it is lost or damaged, all of the log is applied again: no
// segment goes before all histories have it, so they have durably what is before the first one. Where
// there is no log, the numbers go on after the greatest in the histories, which can be beyond
// the checkpoint.
func (s *Store) readCheckpoint(logLost bool) (Checkpoint, error) {
	c, err := ReadCheckpoint(s.dirs.root)
	if err == nil && c.Seq > 0 && !logLost {
		return c, nil
	}
	if err != nil {
		s.damaged.Add(1)
		s.log.Error("history: the checkpoint is damaged; all of the log is applied again", "error", err)
	}
	segments, err := s.dirs.log.Names()
	if first := firstSegment(segments); err != nil || first > 0 {
		return Checkpoint{Seq: max(first, 1) - 1}, err
	}
	names, err := s.Nicks()
	if err != nil {
		return Checkpoint{}, err
	}
	for _, name := range append(names, room.RoomHistory, room.PresenceHistory) {
		err := s.reading(name, func(r *reader, _ []unread) error {
			return r.newest(func(rec record.Record) bool {
				c.Seq = max(c.Seq, rec.Seq)
				if rec.Message != nil {
					c.LastID = max(c.LastID, rec.Message.ID)
				}
				return rec.Message == nil
			})
		})
		if err != nil {
			s.log.Error("history: can't be read", "file", path(name), "error", err)
		}
	}
	return c, nil
}

// firstSegment is where the first segment of the log begins whose files have these names, 0 without one.
func firstSegment(names []string) (first uint64) {
	for _, name := range names {
		base, ok := strings.CutSuffix(name, ".jsonl")
		if n, err := strconv.ParseUint(base, 10, 64); ok && err == nil && len(base) == 20 && (first == 0 || n < first) {
			first = n
		}
	}
	return first
}

// replay applies what the log has beyond the checkpoint.
func (s *Store) replay() error {
	last := s.Log.Last()
	if last <= s.saved.Seq {
		return nil
	}
	names := map[string]bool{}
	err := s.Log.Read(s.saved.Seq, func(e room.Entry) error {
		lines, err := project(e)
		for _, l := range lines {
			names[l.owner] = true
		}
		if err != nil {
			s.log.Error("history: an event can't be kept", "seq", e.Seq, "error", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := s.mendSuspect(name); err != nil {
			return fmt.Errorf("%s: %w", path(name), err)
		}
	}
	if err := s.applyFrom(s.saved.Seq, last); err != nil {
		return err
	}
	s.applied = last
	for name, l := range s.late {
		return fmt.Errorf("%s: %w", path(name), l.err)
	}
	return s.checkpoint()
}

// mendSuspect cuts a file at the first bad line that it has beyond the checkpoint: what
// a crash left there may be anything, and the log has it. The beginning of a single line is what
// a power cut leaves of one as a rule; anything else is set aside.
func (s *Store) mendSuspect(name string) error {
	h, err := s.handle(name, false)
	if errors.Is(err, fs.ErrNotExist) || unusable(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.files.release(h)
	st, err := h.val.Stat()
	if err != nil {
		return err
	}
	_, bad, err := suspect(h.val, st.Size, s.saved.Seq)
	if err != nil || bad == st.Size {
		return err
	}
	if last, err := jsonl.NewBackward(h.val, st.Size).Next(); err == nil && last.Off == bad && bad+int64(len(last.Data)) == st.Size {
		s.log.Info("history: cut a line that a crash left unfinished; the log has it", "file", path(name), "byte", bad)
		return s.truncate(name, h.val, bad)
	}
	return s.cut(name, h.val, bad, st.Size)
}
