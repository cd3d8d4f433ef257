package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// dir is the real folder: names are resolved by os.Root, so that none of them
// leads out of it.
type dir struct {
	store    Store
	root     *os.Root
	path     string // by which it was opened, for Replaced
	readOnly bool
}

// OpenDir opens the folder at path, which it creates with its parents, each
// durable in the one above it.
func OpenDir(path string) (Folder, error) { return Store{}.OpenDir(path) }

// OpenDir is the function [OpenDir], with s's Fault.
func (s Store) OpenDir(path string) (Folder, error) {
	path, err := filepath.Abs(path)
	if err == nil {
		err = s.MakeDir(path)
	}
	if err != nil {
		return nil, err
	}
	return folder(s.open(path))
}

func folder(d dir, err error) (Folder, error) {
	if err != nil {
		return nil, err
	}
	return d, nil
}

// MakeDir makes the folder at path and its parents, where they are missing, each durable in the one above it.
func (s Store) MakeDir(path string) error {
	path = filepath.Clean(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent == path {
		return fmt.Errorf("%s is not a folder", path)
	}
	err := s.MakeDir(parent)
	if err == nil {
		err = s.step("mkdir", path, func() error { return os.Mkdir(path, 0o700) })
	}
	if info, other := os.Stat(path); errors.Is(err, fs.ErrExist) && other == nil && info.IsDir() {
		err = nil // another process was faster
	}
	if err != nil {
		return err
	}
	return s.SyncDir(parent)
}

// OpenExisting is OpenDir for a folder that has to be there.
func OpenExisting(path string) (Folder, error) { return folder(Store{}.open(path)) }

func (s Store) open(path string) (dir, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() { // OpenRoot would wait for a pipe's other end
		return dir{}, fmt.Errorf("%s is not a folder", path)
	}
	root, err := os.OpenRoot(path)
	return dir{store: s, root: root, path: path}, err
}

// OpenReadOnly opens an existing folder for reading: Open, Sub and Lock make nothing, and no file can be written.
// Open also accepts files without write permission, and files with a second name. Lock takes a shared lock, and
// fails while another process holds the lock.
func OpenReadOnly(path string) (Folder, error) {
	d, err := Store{}.open(path)
	d.path, d.readOnly = "", true
	return folder(d, err)
}

func (d dir) step(op, name string, do func() error) error {
	return d.store.step(op, d.at(name), do)
}

func (d dir) at(name string) string { return filepath.Join(d.root.Name(), name) }

func (d dir) Open(name string, create bool) (File, error) {
	f, err := d.openFile(name, create, true)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openFile is Open. Unless alone is set, the file may have a second name.
func (d dir) openFile(name string, create, alone bool) (file, error) {
	f := file{dir: d, name: name, readOnly: d.readOnly}
	was, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) && create && !d.readOnly {
		err = d.step("create", name, func() (err error) {
			f.File, err = d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
			return err
		})
		if errors.Is(err, fs.ErrExist) { // somebody else has made it just now
			return d.openFile(name, create, alone)
		}
		return f, err
	}
	if err == nil {
		err = check(d.at(name), statOf(was), alone && !d.readOnly)
	}
	if err != nil {
		return f, err
	}
	err = d.step("open", name, func() (err error) {
		if !f.readOnly {
			f.File, err = d.root.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK, 0)
			f.readOnly = errors.Is(err, syscall.EROFS)
		}
		if f.readOnly { // reading goes on where writing can't
			f.File, err = d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		}
		return err
	})
	if err != nil {
		return f, err
	}
	is, err := f.File.Stat()
	if err != nil {
		return f, errors.Join(err, f.Close())
	}
	if !os.SameFile(was, is) { // a shorter history has just taken its place, say; or a link
		_ = f.Close() // nothing was done with it
		return d.openFile(name, create, alone)
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

func (d dir) Remove(name string) error {
	err := d.step("remove", name, func() error { return d.root.Remove(name) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d dir) Close() error { return d.root.Close() }

func (d dir) Rename(from, to string) error {
	return d.step("rename", to, func() error { return d.root.Rename(from, to) })
}

// link gives a file a second name, which nothing may have.
func (d dir) link(from, to string) error {
	return d.step("link", to, func() error { return d.root.Link(from, to) })
}

func (d dir) Sub(name string) (Folder, error) {
	if !d.readOnly {
		err := d.step("mkdir", name, func() error { return d.root.Mkdir(name, 0o700) })
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
	return dir{store: d.store, root: root, readOnly: d.readOnly}, nil
}

func (d dir) Sync() error {
	err := d.step("syncdir", "", func() error {
		f, err := d.root.Open(".")
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsynced, err)
	}
	return nil
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
	f, err := d.openFile(name, true, false)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if d.readOnly {
		how = syscall.LOCK_SH
	}
	err = d.step("lock", name, func() error { return syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB) })
	if errors.Is(err, syscall.EWOULDBLOCK) {
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
	dir      dir
	name     string
	readOnly bool // what is written fails with that as the cause, not with what the handle makes of it
}

func (f file) write(op string, do func() error) error {
	if f.readOnly {
		return &fs.PathError{Op: op, Path: f.Name(), Err: syscall.EROFS}
	}
	return f.dir.step(op, f.name, do)
}

func (f file) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.write("write", func() (err error) { n, err = f.File.WriteAt(p, off); return err })
	return n, err
}

func (f file) Truncate(size int64) error {
	return f.write("truncate", func() error { return f.File.Truncate(size) })
}

func (f file) Sync() error { return f.dir.step("sync", f.name, f.File.Sync) }

func (f file) Stat() (Stat, error) {
	info, err := f.File.Stat()
	if err != nil {
		return Stat{}, err
	}
	return statOf(info), nil
}

// give gives the file the owner, group and mode of like, as far as permitted: only root can change the owner, and
// others can only choose one of their own groups.
func (f file) give(like Stat) error {
	err := f.Chown(int(like.UID), int(like.GID))
	if errors.Is(err, fs.ErrPermission) {
		err = f.Chown(-1, int(like.GID))
	}
	if errors.Is(err, fs.ErrPermission) {
		err = nil
	}
	return errors.Join(err, f.Chmod(like.Mode.Perm()))
}
