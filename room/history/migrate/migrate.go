// Package migrate brings a folder of histories that an earlier program has left up to
// date. It knows the old layout, so that nothing else has to.
package migrate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"whoelse/room/internal/disk"
)

// Ends of the names of the folders beside the one of the histories.
const (
	OldEnd = ".v2"  // the histories as they were
	NewEnd = ".new" // the ones that are being made
)

// ErrBackup is wrapped by [FromVersion2] while a backup of the old folder is made.
var ErrBackup = errors.New("a backup of the histories is running")

// Options are for [FromVersion2]. The zero value is good.
type Options struct {
	Log      *slog.Logger          // where damage is reported; nil: nowhere
	Progress func(files, of int)   // called after each file; may be nil
	free     func() (uint64, bool) // bytes on the disk
	fixed    bool                  // the folder can't be renamed
}

// FromVersion2 makes layout 3 of the histories in the folder dir, if that has layout 1
// or 2, and reports whether it had. The old folder may be one that a crash has left; it
// is kept, with the name [OldEnd] after its own. The new one is built beside it and takes
// its place when it is complete and durable. It can be interrupted anywhere and
// called again. While another server has the folder the error is [disk.ErrInUse].
//
// It needs as much free space as the histories take, and a quarter more. It holds one
// line in memory, the numbers of what is unread in one history, and the journals.
func FromVersion2(dir string, opts Options) (bool, error) {
	dir, err := followed(dir)
	if err != nil {
		return false, err
	}
	above := filepath.Dir(dir)
	if _, err := os.Stat(above); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	parent, err := disk.OpenDir(above)
	if err != nil {
		return false, err
	}
	opts.fixed = mounted(dir)
	opts.free = func() (uint64, bool) { return free(above) }
	done, err := fromVersion2(parent, filepath.Base(dir), opts)
	if err != nil {
		err = fmt.Errorf("bringing %s to layout 3: %w", dir, err)
	}
	return done, errors.Join(err, parent.Close())
}

// followed is where a link at dir leads to, which may be missing.
func followed(dir string) (string, error) {
	for range 40 {
		to, err := os.Readlink(dir)
		if err != nil { // no link
			return filepath.Abs(dir)
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(dir), to)
		}
		dir = to
	}
	return "", fmt.Errorf("%s: too many links", dir)
}

// fromVersion2 is FromVersion2 for the folder called name in parent.
func fromVersion2(parent disk.Folder, name string, opts Options) (done bool, err error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	there, err := has(parent, name)
	if err != nil {
		return false, err
	}
	at := name
	if !there { // perhaps it was interrupted between the two renames
		at = name + OldEnd
		if kept, err := has(parent, at); err != nil || !kept {
			return false, err
		}
		if made, err := isMade(parent, name+NewEnd); err != nil || !made {
			return false, err
		}
	}
	old, err := parent.Sub(at)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	if is, err := isOld(old); err != nil || !is {
		return false, err
	}
	if opts.fixed {
		return false, fmt.Errorf("%s is where a file system is mounted, and can't be replaced; move all that is in it to a plain folder, and that to its place", name)
	}
	locks, err := lockAll(old)
	defer func() { err = errors.Join(err, locks()) }()
	if err != nil {
		return false, err
	}
	if there {
		if kept, err := has(parent, name+OldEnd); err != nil || kept {
			return false, errors.Join(err, fmt.Errorf("%s is in the way: it has histories from before; move it away", name+OldEnd))
		}
		if err := build(parent, name+NewEnd, old, opts); err != nil {
			return false, err
		}
		if err := parent.Rename(name, name+OldEnd); err != nil {
			return false, err
		}
	}
	if err := parent.Sync(); err != nil { // the old one is kept before the new one takes its place
		return false, err
	}
	if err := parent.Rename(name+NewEnd, name); err != nil {
		return false, err
	}
	return true, parent.Sync()
}

// lockAll keeps servers and backups off, until the function it returns is called.
func lockAll(old disk.Folder) (release func() error, err error) {
	var locks []io.Closer
	release = func() error {
		var errs []error
		for _, l := range locks {
			errs = append(errs, l.Close())
		}
		return errors.Join(errs...)
	}
	for _, name := range []string{"lock", "backup.lock"} {
		l, err := old.Lock(name)
		if name == "backup.lock" && errors.Is(err, disk.ErrInUse) {
			err = ErrBackup
		}
		if err != nil {
			return release, err
		}
		locks = append(locks, l)
	}
	return release, nil
}

// isOld reports whether a folder has layout 1 or 2. The first programs wrote no version.
// What can't be understood is for who opens it to refuse.
func isOld(in disk.Folder) (bool, error) {
	text, err := disk.ReadFile(in, "version", 100)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
		return has(in, "journal")
	}
	if err != nil {
		return false, err
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return err == nil && (v == 1 || v == 2), nil
}

// isMade reports whether a folder has all of the new layout.
func isMade(parent disk.Folder, name string) (bool, error) {
	if there, err := has(parent, name); err != nil || !there {
		return false, err
	}
	in, err := parent.Sub(name)
	if err != nil {
		return false, err
	}
	made, err := has(in, "version")
	return made, errors.Join(err, in.Close())
}

func has(in disk.Folder, name string) (bool, error) {
	_, err := in.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// removeAll removes what an interrupted call has left.
func removeAll(in disk.Folder, name string) error {
	err := in.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
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
