package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// ErrBackup is wrapped where something has to wait for a backup to end, or, by
// [KeepJournals], for another one.
var ErrBackup = errors.New("a backup of the histories, or other work on them, is running; try again when it has ended")

// backupLock is held by a backup for as long as it runs, and by whoever removes a
// journal or works on whole histories while that lasts.
const backupLock = "backup.lock"

// keepPatience is how long a backup waits for its lock: a server that is removing a
// journal has it for a moment.
const keepPatience = 5 * time.Second

// KeepJournals keeps the journals of the histories in dir from being removed, by a
// server or at its start, until the closer is closed or the process ends. Copying the
// histories' files meanwhile, and then the journals, the oldest first, gives a copy
// that a start makes consistent: the lines of a file were all in a journal before, and
// none of those has gone. It is [ErrBackup] when somebody else has them kept.
func KeepJournals(ctx context.Context, dir string) (io.Closer, error) {
	root, err := existingDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.close() }() // it was only used to find the file
	patience, cancel := context.WithTimeout(ctx, keepPatience)
	defer cancel()
	for {
		lock, err := root.lock(backupLock)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, ErrInUse) && !errors.Is(err, fs.ErrExist) { // made by somebody just now
			return nil, fmt.Errorf("%s: %w", backupLock, err)
		}
		select {
		case <-patience.Done():
			if err := context.Cause(ctx); errors.Is(err, context.Canceled) {
				return nil, err
			}
			return nil, ErrBackup
		case <-time.After(keepPatience / 100):
		}
	}
}

// withoutBackup calls do while no backup can begin. While one runs it is ErrBackup, and
// do is not called.
func (h *home) withoutBackup(do func() error) error {
	lock, err := h.root.lock(backupLock)
	if errors.Is(err, ErrInUse) {
		return ErrBackup
	}
	if err != nil {
		return fmt.Errorf("%s: %w", backupLock, err)
	}
	return errors.Join(do(), lock.Close())
}

// noBackups keeps backups from beginning until the closer is closed, and makes sure
// that no journal is left, nor comes back after a power cut.
func (s *Store) noBackups() (io.Closer, error) {
	lock, err := s.home().root.lock(backupLock)
	if errors.Is(err, ErrInUse) {
		return nil, ErrBackup
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", backupLock, err)
	}
	if s.ck.waiting { // it ended just now, after the journals had to stay
		err = ErrBackup
	} else { // who removed the last one may have ended before this
		err = s.home().journals.sync()
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// keepForBackup leaves journals that were replayed at start to the checkpointer,
// because a backup runs, and has the next journal follow them.
func (s *Store) keepForBackup(r *redo, nums []int) error {
	last := nums[len(nums)-1]
	text, err := readFile(s.home().journals, journalName(last))
	if err != nil {
		return err
	}
	s.journal.prev, s.journal.prevEnd = last, wholeUnits(text)
	dirty := make(map[string]bool)
	for name := range r.owners {
		dirty[name] = true
	}
	for _, num := range nums {
		s.ck.seal(sealedJournal{s.home(), num, dirty})
	}
	s.ck.done(sealedJournal{home: s.home(), num: nums[0]}, ErrBackup)
	s.ck.waiting = true
	s.log.Info("history: a backup is running; the journals stay until it has ended", "journals", len(nums))
	return nil
}

// wholeUnits is how far the last journal counts when it is read after a crash: to the
// end of its last whole unit.
func wholeUnits(text []byte) int64 {
	end, pos := int64(0), int64(0)
	for {
		l, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return end
		}
		pos += int64(len(l)) + 1
		text = rest
		if _, _, ok := parseHeader(l); ok && end == 0 {
			end = pos
			continue
		}
		rec, ok := parseRecord(l)
		if !ok {
			return end
		}
		if rec.last {
			end = pos
		}
	}
}
