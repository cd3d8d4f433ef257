// Package atomicfile reads and replaces small files: whole, durably, and without losing
// what an editor wrote in between.
//
//	unlock, err := store.Lock(path + ".lock") // shared with other processes
//	before, err := store.Read(path)
//	stamp, err := store.Replace(before, newBytes) // ErrChanged: read again
//
// A Store has no state; its methods may be called concurrently. Callers that replace the
// same file hold its lock.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// MaxSize bounds what Read takes into memory, and what is written, so that all that was
// written can be read again.
const MaxSize = 64 << 20

var (
	// ErrChanged says that another program changed the file since it was read. Its version
	// is in place and untouched.
	ErrChanged = errors.New("the file was changed by another program")
	// ErrUnsynced says that the new content is in place, but may not outlast a power cut.
	ErrUnsynced = errors.New("the folder could not be synced")
	// ErrTooLarge says that nothing was written, since Read would refuse the result.
	ErrTooLarge = errors.New("the file would become too large")
)

// Store is the way to the disk. Its zero value is the real one.
type Store struct {
	// Fault, where a test sets it, is asked before each step on the disk and makes
	// that step fail with its error.
	Fault func(op, path string) error
	// Limit is how large a file may become, MaxSize if 0.
	Limit int64
}

// Max is Limit, or MaxSize.
func (s Store) Max() int64 {
	if s.Limit > 0 {
		return s.Limit
	}
	return MaxSize
}

// Step runs one operation on the disk, unless Fault makes it fail.
func (s Store) Step(op, path string, do func() error) error {
	if s.Fault != nil {
		if err := s.Fault(op, path); err != nil {
			return err
		}
	}
	return do()
}

// SyncDir makes names created, removed or replaced in dir durable.
func (s Store) SyncDir(dir string) error {
	err := s.Step("syncdir", dir, func() error {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer d.Close()
		return d.Sync()
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsynced, err)
	}
	return nil
}

// Write replaces path by data whatever was there, atomically and durably, with mode 0600.
// It is for files that nobody edits by hand.
func (s Store) Write(path string, data []byte) error {
	return s.install(path, data, Stamp{}, func(tmp string) error {
		return s.Step("rename", path, func() error { return os.Rename(tmp, path) })
	})
}

// Replace replaces the file that Read gave with data, and returns the new file's stamp. It keeps the mode (0600
// for a new file) and, as far as the system permits, the owner and group. ErrChanged means that the
// file has changed since Read, or exists now, and that nothing was done: read it and decide again.
//
// Editors do not know our lock. So the new file is exchanged with the old one, where the
// system can, and what came out is compared with what was read: a save in between is put
// back. There remain a few microseconds in which an editor that had already opened the
// old file can write into it after the comparison.
func (s Store) Replace(old File, data []byte) (fresh Stamp, err error) {
	err = s.install(old.Path, data, old.Stamp, func(tmp string) (err error) {
		if fresh, err = Stat(tmp); err != nil {
			return err
		}
		return s.Step("rename", old.Path, func() error { return s.swap(tmp, old, fresh) })
	})
	return fresh, err
}

func (s Store) swap(tmp string, old File, fresh Stamp) error {
	path := old.Path
	if now, err := Stat(path); err != nil || now != old.Stamp {
		return errors.Join(err, ErrChanged)
	}
	put := exchange
	if !old.Stamp.Exists() {
		put = os.Link // which fails where there is a file
	}
	err := s.Step("swap", path, func() error { return put(tmp, path) })
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return os.Rename(tmp, path)
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return ErrChanged
	case err != nil:
		return fmt.Errorf("replacing %s: %w", path, err)
	case !old.Stamp.Exists():
		return nil
	}
	if out, err := Stat(tmp); err == nil && out == old.Stamp {
		return nil
	}
	// A save in between came out, and is put back. If what comes out then is not ours
	// either, it is a still newer save, and takes the place for good.
	if err := s.Step("putback", path, func() error { return exchange(tmp, path) }); err == nil {
		if out, err := Stat(tmp); err == nil && out == fresh {
			return ErrChanged
		}
	}
	return errors.Join(ErrChanged, os.Rename(tmp, path))
}

// give gives f the owner and group of this stamp, as far as permitted: only root can change the owner, and
// others can only choose one of their own groups.
func (st Stamp) give(f *os.File) error {
	err := f.Chown(int(st.uid), int(st.gid))
	if errors.Is(err, fs.ErrPermission) {
		err = f.Chown(-1, int(st.gid))
	}
	if errors.Is(err, fs.ErrPermission) {
		err = nil
	}
	return errors.Join(err, f.Chmod(st.Perm()))
}

// install writes data to a new file beside path, with the owner and mode of old, and syncs it. Then put gives it
// its name, durably. A killed process can leave the new file behind, as .NAME and a number; nothing reads it.
func (s Store) install(path string, data []byte, old Stamp, put func(tmp string) error) error {
	if size := int64(len(data)); size > s.Max() {
		return fmt.Errorf("%s: %w: %d bytes, and %d are allowed", path, ErrTooLarge, size, s.Max())
	}
	var f *os.File
	err := s.Step("temp", path, func() (err error) {
		f, err = os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"*")
		return err
	})
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = s.Step("write", path, func() error {
		_, err := f.Write(data)
		if err == nil && old.Exists() {
			err = old.give(f)
		}
		return err
	})
	if err == nil {
		err = s.Step("sync", path, f.Sync)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := put(f.Name()); err != nil {
		return err
	}
	return s.SyncDir(filepath.Dir(path))
}
