//go:build unix

package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// lookout is a folder that is only looked at: nothing in it is made or changed, and
// files that can only be read do.
type lookout struct{ dir }

// lookDir opens the folder at path for looking.
func lookDir(path string) (folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return lookout{dir{root: root}}, nil
}

// existingDir is openDir for a folder that has to be there.
func existingDir(path string) (folder, error) { return openOwn(path) }

func (d lookout) open(name string, create bool) (file, error) {
	was, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !was.Mode().IsRegular() {
		return nil, fmt.Errorf("%s %w", name, errOdd)
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if is, err := f.Stat(); err != nil || !is.Mode().IsRegular() { // another file by now is as good
		return nil, errors.Join(fmt.Errorf("%s %w", name, errOdd), err, f.Close())
	}
	return diskFile{f}, nil
}

func (d lookout) sub(name string) (folder, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", name)
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return lookout{dir{root: root}}, nil
}

var errLooking = errors.New("nothing is changed here")

func (d lookout) remove(string) error            { return errLooking }
func (d lookout) rename(string, string) error    { return errLooking }
func (d lookout) lock(string) (io.Closer, error) { return nil, errLooking }
func (d lookout) sync() error                    { return errLooking }

// usedNow asks [InUse] when it matters: to ask takes the lock for a moment, in which a
// server could not start. Where it can't be asked, a server may be there.
func usedNow(dir string) func() bool {
	return func() bool {
		used, err := InUse(dir)
		return used || err != nil
	}
}

// InUse reports whether a server, or work on whole histories, has the folder dir now.
// It changes nothing. A folder that is not there is not in use.
func InUse(dir string) (bool, error) {
	root, err := lookDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = root.close() }() // it was only looked at
	f, err := root.open("lock", false)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = unix.Flock(int(f.(diskFile).Fd()), unix.LOCK_SH|unix.LOCK_NB)
	_ = f.close() // and with it the lock
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
