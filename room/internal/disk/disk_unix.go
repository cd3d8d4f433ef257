//go:build unix

package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"whoelse/internal/atomicfile"
)

// dir is the real folder: names are resolved by os.Root, so that none of them
// leads out of it.
type dir struct {
	root     *os.Root
	path     string // by which it was opened, for Replaced
	readOnly bool
}

// OpenDir opens the folder at path, which it creates with its parents, each
// durable in the one above it.
func OpenDir(path string) (Folder, error) {
	path, err := filepath.Abs(path)
	if err == nil {
		err = makeDirs(path)
	}
	if err != nil {
		return nil, err
	}
	return OpenExisting(path)
}

func makeDirs(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent == path {
		return fmt.Errorf("%s: not a folder", path)
	}
	if err := makeDirs(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return atomicfile.Store{}.SyncDir(parent)
}

// OpenExisting is OpenDir for a folder that has to be there.
func OpenExisting(path string) (Folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return dir{root: root, path: path}, nil
}

// OpenReadOnly opens an existing folder in which Open, Sub and Lock make nothing, and no file can be written.
// Files that can only be read can be opened there, also those with a second name, and a lock is tried as a
// reader: it fails while somebody holds it.
func OpenReadOnly(path string) (Folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return dir{root: root, readOnly: true}, nil
}

func (d dir) Open(name string, create bool) (File, error) {
	was, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) && create && !d.readOnly {
		f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		return file{File: f}, nil
	}
	if err == nil {
		err = atomicfile.CheckOwn(name, was, !d.readOnly)
	}
	if err != nil {
		return nil, err
	}
	f := file{readOnly: d.readOnly}
	if !f.readOnly {
		f.File, err = d.root.OpenFile(name, os.O_RDWR|unix.O_NONBLOCK, 0)
		f.readOnly = errors.Is(err, unix.EROFS)
	}
	if f.readOnly { // reading goes on where writing can't
		f.File, err = d.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return nil, err
	}
	is, err := f.File.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if !os.SameFile(was, is) { // a shorter history has just taken its place, say; or a link
		_ = f.Close() // nothing was done with it
		return d.Open(name, create)
	}
	return f, nil
}

func (d dir) Lstat(name string) (Stat, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return Stat{}, err
	}
	return statOf(info), nil
}

func (d dir) Names() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

func (d dir) Remove(name string) error     { return d.root.Remove(name) }
func (d dir) Rename(from, to string) error { return d.root.Rename(from, to) }
func (d dir) Close() error                 { return d.root.Close() }

func (d dir) Sub(name string) (Folder, error) {
	if !d.readOnly {
		err := d.root.Mkdir(name, 0o700)
		if err == nil {
			err = d.Sync()
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	info, err := d.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() { // OpenRoot would wait for a pipe's other end
		return nil, fmt.Errorf("%s is not a folder", name)
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return dir{root: root, readOnly: d.readOnly}, nil
}

func (d dir) Sync() error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d dir) Replaced() error {
	if d.path == "" {
		return nil
	}
	is, err := os.Stat(d.path)
	if err != nil {
		return fmt.Errorf("the folder is gone; stop the server, put the folder back, and start it again: %w", err)
	}
	was, err := d.root.Stat(".")
	if err == nil && !os.SameFile(was, is) {
		err = fmt.Errorf("%s is another folder now; stop the server before a folder is replaced, and start it again", d.path)
	}
	return err
}

func (d dir) Lock(name string) (io.Closer, error) {
	opened, err := d.Open(name, true)
	if errors.Is(err, fs.ErrExist) { // somebody else has made it just now
		opened, err = d.Open(name, true)
	}
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_EX
	if d.readOnly {
		how = unix.LOCK_SH
	}
	f := opened.(file)
	err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// file is the real file.
type file struct {
	*os.File
	readOnly bool // what is written fails with that as the cause, not with what the handle makes of it
}

func (f file) WriteAt(p []byte, off int64) (int, error) {
	if f.readOnly {
		return 0, &fs.PathError{Op: "write", Path: f.Name(), Err: unix.EROFS}
	}
	return f.File.WriteAt(p, off)
}

func (f file) Truncate(size int64) error {
	if f.readOnly {
		return &fs.PathError{Op: "truncate", Path: f.Name(), Err: unix.EROFS}
	}
	return f.File.Truncate(size)
}

func (f file) Stat() (Stat, error) {
	info, err := f.File.Stat()
	if err != nil {
		return Stat{}, err
	}
	return statOf(info), nil
}

func statOf(info fs.FileInfo) Stat {
	st := Stat{Size: info.Size()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.Ino, st.Links = uint64(sys.Ino), uint64(sys.Nlink)
	}
	return st
}
