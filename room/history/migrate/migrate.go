// Package migrate brings a folder of histories with layout 2 up to date. It knows that layout, so
// that nothing else has to.
package migrate

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"whoelse/internal/disk"
	"whoelse/room"
)

// Ends of the names of the folders beside the one of the histories.
const (
	OldEnd = ".v2"  // the histories as they were
	NewEnd = ".new" // the ones that are being made
)

// FromVersion2 makes layout 3 of the histories in the folder dir, if that has layout 2. The folder may
// be one that a crash has left. It is kept, with [OldEnd] after its name; the new one is built beside
// it and takes its place when it is complete and durable. It can be interrupted anywhere and called
// again. While another server has the folder the error is [disk.ErrInUse], while a backup of it
// is made [room.ErrBackup].
//
// It needs as much free space as the histories take, and a quarter more. It holds one history in
// memory, and the journals.
func FromVersion2(dir string, log *slog.Logger) error {
	if to, err := os.Readlink(dir); err == nil { // the folder is replaced, not the link to it
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(dir), to)
		}
		dir = to
	}
	parent, err := disk.OpenExisting(filepath.Dir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err = fromVersion2(parent, filepath.Base(dir), log); err != nil {
		err = fmt.Errorf("bringing %s to layout 3: %w", dir, err)
	}
	return errors.Join(err, parent.Close())
}

// fromVersion2 is FromVersion2 for the folder called name in parent.
func fromVersion2(parent disk.Folder, name string, log *slog.Logger) error {
	is, err := version(parent, name)
	if err != nil {
		return err
	}
	switch is {
	case "2":
		if err := replace(parent, name, log); err != nil {
			return err
		}
	case "": // perhaps it was interrupted between the two renames
		old, oldErr := version(parent, name+OldEnd)
		made, newErr := version(parent, name+NewEnd)
		if err := errors.Join(oldErr, newErr); err != nil || old != "2" || made != "3" {
			return err
		}
	default:
		return nil
	}
	if err := parent.Sync(); err != nil { // the old one is kept before the new one takes its place
		return err
	}
	if err := parent.Rename(name+NewEnd, name); err != nil {
		return err
	}
	log.Info("history: the layout is up to date; delete the old folder when all is well", "old", name+OldEnd)
	return parent.Sync()
}

// replace builds the new folder, and moves the old one, called name, out of its way.
func replace(parent disk.Folder, name string, log *slog.Logger) error {
	old, err := parent.Sub(name)
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }() // it was only read
	for lock, busy := range map[string]error{"lock": disk.ErrInUse, "backup.lock": room.ErrBackup} {
		held, err := old.Lock(lock)
		if errors.Is(err, disk.ErrInUse) {
			return busy
		}
		if err != nil {
			return err
		}
		defer func() { _ = held.Close() }() // nobody relies on when it ends
	}
	if _, err := parent.Lstat(name + OldEnd); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("%s is in the way: it has histories from before; move it away", name+OldEnd))
	}
	if err := build(parent, name+NewEnd, old, log); err != nil {
		return errors.Join(err, removeAll(parent, name+NewEnd))
	}
	err = parent.Rename(name, name+OldEnd)
	if errors.Is(err, syscall.EBUSY) {
		err = fmt.Errorf("%s is where a file system is mounted, and can't be replaced; "+
			"move all that is in it to a plain folder, and that to its place: %w", name, err)
	}
	return err
}

// version is what the folder called name in parent says of its layout, "" without either.
func version(parent disk.Folder, name string) (string, error) {
	if _, err := parent.Lstat(name); errors.Is(err, fs.ErrNotExist) { // Sub would make it
		return "", nil
	} else if err != nil {
		return "", err
	}
	in, err := parent.Sub(name)
	if err != nil {
		return "", err
	}
	text, err := disk.ReadFile(in, "version", 100)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return strings.TrimSpace(string(text)), errors.Join(err, in.Close())
}

// removeAll removes what an interrupted call has left.
func removeAll(in disk.Folder, name string) error {
	err := in.Remove(name)
	if err == nil {
		return nil
	}
	sub, subErr := in.Sub(name)
	if subErr != nil {
		return err
	}
	names, err := sub.Names()
	for _, n := range names {
		err = errors.Join(err, removeAll(sub, n))
	}
	if err = errors.Join(err, sub.Close()); err != nil {
		return err
	}
	return in.Remove(name)
}
