// Package atomicfile reads and replaces the small files that keys and its sub-packages
// own: whole files, atomically, durably, and without losing what somebody else
// wrote in between.
//
//	unlock, err := store.Lock(path + ".lock") // shared with other processes
//	before, err := store.Read(path)
//	err = store.Replace(before, newBytes)     // ErrChanged: read again
//
// A Store has no state; its methods may be called concurrently. Callers that
// replace the same file hold its lock.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// MaxSize bounds what Read takes into memory, and what is written, so that whatever
// was written can be read again.
const MaxSize = 64 << 20

var (
	// ErrChanged says that somebody else changed the file since it was read. What
	// they wrote is in place and untouched.
	ErrChanged = errors.New("the file was changed by somebody else")
	// ErrUnsynced says that the new content is in place, but that its folder could
	// not be synced: after a power cut it may be gone.
	ErrUnsynced = errors.New("the folder could not be synced")
	// ErrTooLarge says that a file would become larger than what Read takes. Nothing
	// was written.
	ErrTooLarge = errors.New("the file would become too large")
)

// Store is the way to the disk. Its zero value is the real one.
type Store struct {
	// Fault, where a test sets it, is asked before each step on the disk and makes
	// that step fail with its error.
	Fault func(op, path string) error
	// Limit is for tests, too: instead of MaxSize, unless 0.
	Limit int64
}

// Max is how large a file may become.
func (s Store) Max() int64 {
	if s.Limit > 0 {
		return s.Limit
	}
	return MaxSize
}

func (s Store) fault(op, path string) error {
	if s.Fault == nil {
		return nil
	}
	return s.Fault(op, path)
}

// SyncDir makes names created, removed or replaced in dir durable.
func (s Store) SyncDir(dir string) error {
	if err := s.fault("syncdir", dir); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsynced, err)
	}
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsynced, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsynced, err)
	}
	return nil
}

// Write replaces path by data whatever was there, atomically and durably. It is for
// files that nobody edits by hand.
func (s Store) Write(path string, data []byte, perm os.FileMode) error {
	tmp, err := s.temp(path, data, perm)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := s.fault("rename", path); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return s.SyncDir(filepath.Dir(path))
}

// Create makes path with data unless it exists, in which case the error is
// os.ErrExist and the file there is left alone. Of two that race one wins, and the
// other sees the whole of the winner's file.
func (s Store) Create(path string, data []byte, perm os.FileMode) error {
	tmp, err := s.temp(path, data, perm)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := s.fault("link", path); err != nil {
		return err
	}
	if err := appear(tmp, path); err != nil {
		return err
	}
	return s.SyncDir(filepath.Dir(path))
}

// appear gives tmp the name path, unless that is taken (os.ErrExist). Where the
// file system has no links, two that do so in the same moment can both succeed, and
// the later one's file stays.
func appear(tmp, path string) error {
	err := os.Link(tmp, path)
	if err == nil || errors.Is(err, os.ErrExist) {
		return err
	}
	if _, serr := os.Lstat(path); serr == nil {
		return os.ErrExist
	}
	return os.Rename(tmp, path)
}

// temp writes data, synced, to a new file beside path and gives its name.
func (s Store) temp(path string, data []byte, perm os.FileMode) (name string, err error) {
	if size := int64(len(data)); size > s.Max() {
		return "", fmt.Errorf("%s: %w: %d bytes, and %d are allowed", path, ErrTooLarge, size, s.Max())
	}
	if err := s.fault("temp", path); err != nil {
		return "", err
	}
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(perm))
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = f.Cleanup()
		}
	}()
	if err := s.fault("write", path); err != nil {
		return "", err
	}
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	if err := s.fault("sync", path); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return f.Name(), f.File.Close()
}
