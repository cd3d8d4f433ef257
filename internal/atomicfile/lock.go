package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How long Lock waits for another process, which writes one small file under the lock.
const (
	lockPatience = 10 * time.Second
	lockPause    = 5 * time.Millisecond
)

// Lock takes the lock file at path, which is made if need be and stays: removing it
// would let two hold it. The lock dies with its process. unlock is called once.
func (s Store) Lock(path string) (unlock func(), err error) {
	var f *os.File
	err = s.Step("lock", path, func() (err error) {
		f, err = OpenOwn(path, os.O_RDWR|os.O_CREATE)
		return err
	})
	if err != nil {
		return nil, err
	}
	for until := time.Now().Add(lockPatience); ; time.Sleep(lockPause) { // to wait in flock could not be given up
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			break
		}
		if time.Now().After(until) {
			err = fmt.Errorf("another process has held it for %v", lockPatience)
			break
		}
	}
	f.Close()
	return nil, fmt.Errorf("%s: %w", path, err)
}

// OpenOwn opens a file that we made, and write or lock in place. Something else in its
// place is refused: a link, which would have us write elsewhere, or a pipe, which it never
// waits for; and of a file to append to, one with a second name.
func OpenOwn(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	var info os.FileInfo
	if err == nil {
		info, err = f.Stat()
	} else if info, _ = os.Lstat(path); info == nil || info.Mode().IsRegular() {
		return nil, err
	}
	if info != nil { // which often says more than err
		err = CheckOwn(path, info, flags&os.O_APPEND != 0)
	}
	if err != nil {
		f.Close() // which may be nil
		return nil, err
	}
	return f, nil
}

// CheckOwn returns an [ErrNotRegular] if the file must not be used. With alone, it must not have hard links.
// info does not follow links.
func CheckOwn(path string, info os.FileInfo, alone bool) error {
	st, _ := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("%s %w but a symbolic link, which is not followed here; put the file itself in its place",
			path, ErrNotRegular)
	case !info.Mode().IsRegular():
		return notRegular(path)
	case alone && st != nil && st.Nlink > 1:
		return fmt.Errorf("%s %w of its own: it has another name (a hard link), which would share all changes; "+
			"put a copy in its place: cp -p %[1]s %[1]s.new && mv %[1]s.new %[1]s", path, ErrNotRegular)
	}
	return nil
}
