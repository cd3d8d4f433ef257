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
)

// dir is the real folder: names are resolved by os.Root, so that none of them
// leads out of it.
type dir struct {
	root *os.Root

	self *os.File // open for as long as the store has it, see syncFS; nil where that is not asked
	path string   // of a store's own folder
}

// OpenDir opens the folder at path, which it creates with its parents, each
// durable in the one above it.
func OpenDir(path string) (Folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := makeDirs(path); err != nil {
		return nil, err
	}
	return openPath(path)
}

// openPath opens the folder of a store.
func openPath(path string) (Folder, error) {
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

func (d dir) Open(name string, create bool) (File, error) {
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
		return nil, fmt.Errorf("%s %w", name, ErrNotRegular)
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
		return nil, fmt.Errorf("%s was replaced while it was opened: %w", name, errors.Join(err, ErrNotRegular))
	} else if sys, ok := is.Sys().(*syscall.Stat_t); ok && sys.Nlink > 1 {
		_ = f.Close()
		return nil, fmt.Errorf("%s %w", name, errLinked)
	}
	if readOnly {
		return readOnlyFile{diskFile{f}}, nil
	}
	return diskFile{f}, nil
}

func (d dir) Lstat(name string) (Stat, error) {
	info, err := d.root.Lstat(name)
	return statOf(info, err)
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

func (d dir) Close() error {
	if d.self == nil {
		return d.root.Close()
	}
	return errors.Join(d.self.Close(), d.root.Close())
}

func (d dir) Sub(name string) (Folder, error) {
	err := d.root.Mkdir(name, 0o700)
	if err == nil {
		err = d.Sync()
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

func (d dir) SyncAll() (bool, error) { return syncFS(d.self) }

func (d dir) Lock(name string) (io.Closer, error) {
	opened, err := d.Open(name, true)
	if errors.Is(err, fs.ErrExist) { // somebody else has made it just now
		opened, err = d.Open(name, true)
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

func (f diskFile) Sync() error { return syncData(f.File) }

func (f diskFile) Stat() (Stat, error) {
	info, err := f.File.Stat()
	return statOf(info, err)
}

func statOf(info fs.FileInfo, err error) (Stat, error) {
	if err != nil {
		return Stat{}, err
	}
	st := Stat{Size: info.Size()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.Ino, st.Links = uint64(sys.Ino), uint64(sys.Nlink)
	}
	return st, nil
}

// readOnlyFile is a file of a file system that can't be written to. What is written
// fails with that as the cause, and not with what the mode of the handle makes of it.
type readOnlyFile struct{ diskFile }

func (f readOnlyFile) WriteAt([]byte, int64) (int, error) { return 0, f.refusal("write") }
func (f readOnlyFile) Truncate(int64) error               { return f.refusal("truncate") }

func (f readOnlyFile) refusal(op string) error {
	return &fs.PathError{Op: op, Path: f.Name(), Err: unix.EROFS}
}
