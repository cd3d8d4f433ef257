package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
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

// HoldSegments keeps segments of the log of the histories in dir from being removed, by a server or
// at its start, until the closer is closed or the process ends. Copying the checkpoint, then the
// histories and then the log meanwhile gives a copy that a start makes consistent. It is [ErrBackup]
// when somebody else holds them. A folder that nobody can write to, and that no server has, needs no
// lock.
func HoldSegments(ctx context.Context, dir string) (io.Closer, error) {
	in, err := disk.OpenExisting(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // it was only used to find the file
	patience, cancel := context.WithTimeout(ctx, keepPatience)
	defer cancel()
	for {
		lock, err := in.Lock(backupLock)
		if err == nil {
			return lock, nil
		}
		if errors.Is(err, syscall.EROFS) {
			if used, err := InUse(dir); err == nil && !used {
				return io.NopCloser(nil), nil
			}
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
	lock, err := lockBackups(in)
	if err != nil {
		return err
	}
	return errors.Join(do(), lock.Close())
}

func lockBackups(in disk.Folder) (io.Closer, error) {
	lock, err := in.Lock(backupLock)
	if errors.Is(err, disk.ErrInUse) {
		return nil, ErrBackup
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", backupLock, err)
	}
	return lock, nil
}

// WithoutBackup calls do while no backup can begin. While one runs it is ErrBackup, and
// do is not called.
func (s *Store) WithoutBackup(do func() error) error { return WithoutBackup(s.dirs.root, do) }

// InUse reports whether a server, or work on whole histories, has the folder dir now.
// It changes nothing. A folder that does not exist is not in use.
func InUse(dir string) (bool, error) {
	in, err := disk.OpenReadOnly(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = in.Close() }() // it was only looked at
	lock, err := in.Lock("lock")
	switch {
	case err == nil:
		return false, lock.Close()
	case errors.Is(err, disk.ErrInUse):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, err
}

// usedNow asks [InUse] when it matters: to ask takes the lock for a moment, in which a
// server could not start. Where it can't be asked, a server may be there.
func usedNow(dir string) func() bool {
	return func() bool {
		used, err := InUse(dir)
		return used || err != nil
	}
}

// LayoutVersion returns the version of the histories in dir, 0 where none is written
// down yet. A newer one than [Version] is an error.
func LayoutVersion(dir string) (int, error) {
	in, err := disk.OpenReadOnly(dir)
	if err != nil {
		return 0, err
	}
	v, err := ReadVersion(in)
	return v, errors.Join(err, in.Close())
}
