package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"whoelse/room/internal/disk"
)

// ErrBackup is wrapped where something has to wait for a backup to end, or, by
// [HoldSegments], for another one.
var ErrBackup = errors.New("a backup of the histories, or other work on them, is running; try again when it has ended")

// backupLock is held by a backup for as long as it runs, and by whoever removes a
// segment or works on whole histories while that lasts.
const backupLock = "backup.lock"

// keepPatience is how long a backup waits for its lock: a server that is removing a
// segment has it for a moment.
const keepPatience = 5 * time.Second

// HoldSegments keeps segments of the log from being removed, by a server or at its
// start, until the closer is closed or the process ends. Copying the checkpoint, then the histories and
// then the log meanwhile gives a copy that a start makes consistent. It is
// [ErrBackup] when somebody else holds them.
func HoldSegments(ctx context.Context, in disk.Folder) (io.Closer, error) {
	patience, cancel := context.WithTimeout(ctx, keepPatience)
	defer cancel()
	for {
		lock, err := in.Lock(backupLock)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, disk.ErrInUse) && !errors.Is(err, fs.ErrExist) { // made by somebody just now
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

// WithoutBackup calls do while no backup can begin. While one runs it is ErrBackup, and
// do is not called.
func WithoutBackup(in disk.Folder, do func() error) error {
	lock, err := in.Lock(backupLock)
	if errors.Is(err, disk.ErrInUse) {
		return ErrBackup
	}
	if err != nil {
		return fmt.Errorf("%s: %w", backupLock, err)
	}
	return errors.Join(do(), lock.Close())
}

// WithoutBackup calls do while no backup can begin. While one runs it is ErrBackup, and
// do is not called.
func (s *Store) WithoutBackup(do func() error) error { return WithoutBackup(s.dirs.root, do) }
