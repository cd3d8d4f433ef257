package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Replace puts data in the place of the file that Read gave, keeping its mode, and
// returns the new file's stamp. ErrChanged means that the file is no longer what
// was read, and that nothing was done: read it and decide again.
//
// Editors do not know our lock. So the new file is exchanged with the old one,
// where the system can, and what came out is looked at: if it is not what was read,
// somebody saved in between, and it is put back. Nothing is unlinked unseen. What
// remains is a few microseconds in which an editor that had already opened the old
// file writes into it after that look.
func (s Store) Replace(old File, data []byte) (Stamp, error) {
	perm := os.FileMode(0o600)
	if old.Stamp.Exists() {
		perm = old.Stamp.Perm()
	}
	tmp, err := s.temp(old.Path, data, perm)
	if err != nil {
		return Stamp{}, err
	}
	defer os.Remove(tmp)
	fresh, err := Stat(tmp)
	if err != nil {
		return Stamp{}, err
	}
	if err := s.fault("rename", old.Path); err != nil {
		return Stamp{}, err
	}
	if err := s.swapIn(tmp, old, fresh); err != nil {
		return Stamp{}, err
	}
	return fresh, s.SyncDir(filepath.Dir(old.Path))
}

func (s Store) swapIn(tmp string, old File, fresh Stamp) error {
	if now, err := Stat(old.Path); err != nil || now != old.Stamp {
		return errors.Join(err, ErrChanged)
	}
	if err := s.fault("swap", old.Path); err != nil {
		return err
	}
	if !old.Stamp.Exists() {
		if err := appear(tmp, old.Path); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return ErrChanged
	}
	err := s.fault("exchange", old.Path)
	if err == nil {
		err = exchange(tmp, old.Path)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return os.Rename(tmp, old.Path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return ErrChanged
	}
	if err != nil {
		return fmt.Errorf("replacing %s: %w", old.Path, err)
	}
	if out, err := Stat(tmp); err == nil && out == old.Stamp {
		return nil
	}
	return s.putBack(tmp, old.Path, fresh)
}

// putBack returns what somebody saved, now at tmp, to path. If what comes out then
// is not ours either, it is a still newer save, and takes the place for good.
func (s Store) putBack(tmp, path string, fresh Stamp) error {
	if err := s.fault("putback", path); err != nil {
		return err
	}
	if err := exchange(tmp, path); err != nil {
		return errors.Join(ErrChanged, os.Rename(tmp, path))
	}
	if out, err := Stat(tmp); err == nil && out == fresh {
		return ErrChanged
	}
	return errors.Join(ErrChanged, os.Rename(tmp, path))
}

// Sweep removes what a process that was killed in the middle of a Replace left
// beside path. Its caller holds the lock, so that nobody is in the middle of one.
func (s Store) Sweep(path string) {
	dir, base := filepath.Split(path)
	left, err := filepath.Glob(filepath.Join(dir, "."+escape(base)+"[0-9]*"))
	if err != nil {
		return
	}
	for _, name := range left {
		if digits := strings.TrimPrefix(filepath.Base(name), "."+base); strings.Trim(digits, "0123456789") == "" {
			_ = os.Remove(name)
		}
	}
}

// escape keeps Glob from reading a name as a pattern.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
