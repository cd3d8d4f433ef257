//go:build unix

package disk

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// OpenExisting is OpenDir for a folder that has to be there.
func OpenExisting(path string) (Folder, error) { return openPath(path) }

// OpenReadOnly opens an existing folder in which nothing is made or changed. Files that can
// only be read can be opened there, also those with a second name.
func OpenReadOnly(path string) (Folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return readOnlyDir{dir{root: root}}, nil
}

type readOnlyDir struct{ dir }

func (d readOnlyDir) Open(name string, _ bool) (File, error) {
	was, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !was.Mode().IsRegular() {
		return nil, fmt.Errorf("%s %w", name, ErrNotRegular)
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if is, err := f.Stat(); err != nil || !is.Mode().IsRegular() { // another file by now is as good
		return nil, errors.Join(fmt.Errorf("%s %w", name, ErrNotRegular), err, f.Close())
	}
	return readOnlyFile{diskFile{f}}, nil
}

// Sub opens the folder called name, if there is one.
func (d readOnlyDir) Sub(name string) (Folder, error) {
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
	return readOnlyDir{dir{root: root}}, nil
}

// Lock tries a lock, for a reader: it fails while somebody holds it.
func (d readOnlyDir) Lock(name string) (io.Closer, error) {
	f, err := d.Open(name, false)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.(readOnlyFile).Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d readOnlyDir) Remove(string) error         { return unix.EROFS }
func (d readOnlyDir) Rename(string, string) error { return unix.EROFS }
func (d readOnlyDir) Sync() error                 { return unix.EROFS }
func (d readOnlyDir) SyncAll() (bool, error)      { return false, nil }
