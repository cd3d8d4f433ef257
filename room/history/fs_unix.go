//go:build unix

package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// dir is the real folder: names are resolved by os.Root, so that none of them
// leads out of it.
type dir struct {
	root *os.Root

	self *os.File // open for as long as the store has it, see syncFS; nil where that is not asked
	path string   // of a store's own folder
}

// openDir opens the folder at path, which it creates with its parents, each
// durable in the one above it.
func openDir(path string) (folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := makeDirs(path); err != nil {
		return nil, err
	}
	return openOwn(path)
}

// openOwn opens the folder of a store.
func openOwn(path string) (folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	self, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return dir{root, self, path}, nil
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
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d dir) open(name string, create bool) (file, error) {
	was, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) && create {
		f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		return diskFile{f}, nil
	}
	if err != nil {
		return nil, err
	}
	if !was.Mode().IsRegular() {
		return nil, fmt.Errorf("%s %w", name, errOdd)
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|unix.O_NONBLOCK, 0)
	readOnly := errors.Is(err, unix.EROFS)
	if readOnly { // reading goes on where writing can't
		f, err = d.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return nil, err
	}
	if is, err := f.Stat(); err != nil || !os.SameFile(was, is) {
		_ = f.Close()
		return nil, fmt.Errorf("%s was replaced while it was opened: %w", name, errors.Join(err, errOdd))
	} else if sys, ok := is.Sys().(*syscall.Stat_t); ok && sys.Nlink > 1 {
		_ = f.Close()
		return nil, fmt.Errorf("%s %w", name, errLinked)
	}
	if readOnly {
		return readOnlyFile{diskFile{f}}, nil
	}
	return diskFile{f}, nil
}

func (d dir) lstat(name string) (stat, error) {
	info, err := d.root.Lstat(name)
	return statOf(info, err)
}

func (d dir) names() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

func (d dir) remove(name string) error     { return d.root.Remove(name) }
func (d dir) rename(from, to string) error { return d.root.Rename(from, to) }

func (d dir) close() error {
	if d.self == nil {
		return d.root.Close()
	}
	return errors.Join(d.self.Close(), d.root.Close())
}

func (d dir) sub(name string) (folder, error) {
	err := d.root.Mkdir(name, 0o700)
	if err == nil {
		err = d.sync()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if info, err := d.root.Stat(name); err != nil || !info.IsDir() { // OpenRoot would wait for a pipe's other end
		return nil, errors.Join(fmt.Errorf("%s is not a folder", name), err)
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	self, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return dir{root: root, self: self}, nil
}

func (d dir) sync() error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d dir) successor() (folder, error) {
	is, err := os.Stat(d.path)
	if err != nil {
		return nil, fmt.Errorf("the folder is gone; nothing can be kept until there is one in its place again: %w", err)
	}
	if was, err := d.root.Stat("."); err == nil && os.SameFile(was, is) {
		return nil, nil
	}
	return openOwn(d.path)
}

func (d dir) syncAll() (bool, error) { return syncFS(d.self) }

func (d dir) lock(name string) (io.Closer, error) {
	opened, err := d.open(name, true)
	if errors.Is(err, fs.ErrExist) { // somebody else has made it just now
		opened, err = d.open(name, true)
	}
	if err != nil {
		return nil, err
	}
	f := opened.(interface {
		io.Closer
		Fd() uintptr
	})
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// diskFile is the real file.
type diskFile struct{ *os.File }

func (f diskFile) truncate(size int64) error { return f.Truncate(size) }
func (f diskFile) close() error              { return f.Close() }
func (f diskFile) sync() error               { return syncData(f.File) }

func (f diskFile) stat() (stat, error) {
	info, err := f.Stat()
	return statOf(info, err)
}

func statOf(info fs.FileInfo, err error) (stat, error) {
	if err != nil {
		return stat{}, err
	}
	st := stat{size: info.Size()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.ino = uint64(sys.Ino)
	}
	return st, nil
}

// readOnlyFile is a file of a file system that can't be written to. What is written
// fails with that as the cause, and not with what the mode of the handle makes of it.
type readOnlyFile struct{ diskFile }

func (f readOnlyFile) WriteAt([]byte, int64) (int, error) { return 0, f.refusal("write") }
func (f readOnlyFile) truncate(int64) error               { return f.refusal("truncate") }

func (f readOnlyFile) refusal(op string) error {
	return &fs.PathError{Op: op, Path: f.Name(), Err: unix.EROFS}
}
