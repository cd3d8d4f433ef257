package disk

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPatience is how long Lock waits for another process. Those who hold a lock
// write one small file under it.
const lockPatience = 10 * time.Second

// Lock takes the lock file at path, which is made if need be and stays: removing it
// would let two hold it. The lock dies with its process. unlock is called once.
func (s Store) Lock(path string) (unlock func(), err error) {
	if err := s.fault("lock", path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	if err := waitLock(int(f.Fd()), time.Now().Add(lockPatience)); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// waitLock polls, since a blocking flock could not be given up.
func waitLock(fd int, until time.Time) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			return err
		case time.Now().After(until):
			return fmt.Errorf("another process has held it for %v", lockPatience)
		default:
			time.Sleep(pause)
		}
	}
}
