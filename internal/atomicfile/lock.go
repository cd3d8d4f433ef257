package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"syscall"
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
	f, err := OpenOwn(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := waitLock(int(f.Fd()), time.Now().Add(lockPatience)); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// OpenOwn opens a file that we made, and write or lock in place. What somebody put
// there instead is refused: a link, which would have us write elsewhere, or a pipe,
// which it never waits for; and of a file to append to, one with a second name.
func OpenOwn(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if info, lerr := os.Lstat(path); err != nil && lerr == nil && !info.Mode().IsRegular() {
		return nil, notOwn(path, info) // the error says less
	}
	if err != nil {
		return nil, err
	}
	if err := checkOwn(f, flags&os.O_APPEND != 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func checkOwn(f *os.File, alone bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return notOwn(f.Name(), info)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); alone && ok && st.Nlink > 1 {
		return fmt.Errorf("%s has another name (a hard link), under which what is added would be seen, too; make it a file of its own: cp -p %[1]s %[1]s.new && mv %[1]s.new %[1]s", f.Name())
	}
	return nil
}

func notOwn(path string, info os.FileInfo) error {
	if info.Mode()&os.ModeSymlink != 0 {
		return fmt.Errorf("%s is a symbolic link, which is not followed here; move it away, and put the file it points to in its place if there is one", path)
	}
	return fmt.Errorf("%s %w; move it out of the way", path, ErrNotRegular)
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
