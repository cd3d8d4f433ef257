package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"whoelse/room/history"
)

// stagingEnd is added to the data folder's name for the folder in which it is built.
const stagingEnd = ".restoring"

// stagingLock is held in that folder, and tells that it is one.
const stagingLock = "restore.lock"

// Restore makes the data folder of the backup in from. data must be missing or empty.
// All is copied, compared with the manifest and finished as a start does it, in a folder
// beside it, which then becomes data in one step: after an error, or when it was
// interrupted, there is no data folder yet, and it can be run again. log is told what a
// start would log.
func Restore(ctx context.Context, from, data string, log *slog.Logger, opts Options) (*Manifest, error) {
	m, err := ReadManifest(from)
	if err != nil {
		return nil, err
	}
	if data, err = target(data); err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(from); err == nil && within(real, data) {
		return nil, fmt.Errorf("%s is in the backup; name one beside it with --data", data)
	}
	r := &restoring{copier: newCopier(ctx, from, data+stagingEnd, opts), m: m, data: data}
	if err := r.stage(); err != nil {
		return nil, err
	}
	if err := errors.Join(r.run(log), r.lock.Close()); err != nil {
		return nil, err
	}
	return m, nil
}

// target is where the data folder is to be, without links, if it may.
func target(data string) (string, error) {
	exists, empty, err := emptyOrMissing(data)
	if err != nil {
		return "", err
	}
	if !empty {
		if used, err := history.InUse(filepath.Join(data, "history")); err == nil && used {
			return "", fmt.Errorf("a whoelse is running on the data folder %s; stop it and move the folder away, or name another one with --data", data)
		}
		return "", fmt.Errorf("the data folder %s is not empty; move it away, or name another one with --data", data)
	}
	if exists {
		data, err = filepath.EvalSymlinks(data)
	}
	if err == nil {
		data, err = filepath.Abs(data)
	}
	if err == nil && exists && mounted(data) {
		err = fmt.Errorf("%s is where a file system is mounted, and can't be replaced; name a folder in it with --data, and start the server with that one", data)
	}
	return data, err
}

// mounted reports whether path is on another file system than the folder above it.
func mounted(path string) bool {
	var here, above unix.Stat_t
	return unix.Stat(path, &here) == nil && unix.Stat(filepath.Dir(path), &above) == nil && here.Dev != above.Dev
}

// restoring is one restore.
type restoring struct {
	*copier
	m    *Manifest
	data string
	lock *os.File // in the folder to
}

// stage takes the folder in which all is built. What an interrupted restore has left
// there is removed, and anything else not touched.
func (r *restoring) stage() (err error) {
	if err := r.fault("mkdir", r.to); err != nil {
		return err
	}
	if err := r.make(filepath.Dir(r.to)); err != nil {
		return err
	}
	path := filepath.Join(r.to, stagingLock)
	_, lockErr := os.Lstat(path)
	if err := os.Mkdir(r.to, 0o700); errors.Is(err, fs.ErrExist) {
		if _, empty, err := emptyOrMissing(r.to); err != nil || !empty && lockErr != nil {
			return errors.Join(fmt.Errorf("%s is in the way, and not from a restore; move it away", r.to), err)
		}
	} else if err != nil {
		return err
	}
	r.lock, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	err = unix.Flock(int(r.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("another restore to %s is running", r.data)
	}
	if err == nil {
		err = r.clear()
	}
	if err != nil {
		return errors.Join(err, r.lock.Close())
	}
	return nil
}

func (r *restoring) clear() error {
	list, err := os.ReadDir(r.to)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Name() == stagingLock {
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (r *restoring) run(log *slog.Logger) error {
	var paths []string
	for _, f := range r.m.Files {
		paths = append(paths, filepath.FromSlash(f.Path))
	}
	expected := make(map[string]File, len(r.m.Files))
	for _, f := range r.m.Files {
		expected[f.Path] = f
	}
	err := r.all(paths, func(ctx context.Context, rel string) error {
		return r.one(ctx, rel, expected[filepath.ToSlash(rel)])
	})
	if err == nil {
		err = r.syncDirs()
	}
	if err == nil {
		err = r.finish(log)
	}
	if err != nil {
		return fmt.Errorf("%w; %s is incomplete: remove it, unless you run the same command again", err, r.to)
	}
	return r.arrive()
}

// one copies a file and compares it with what the manifest says of it.
func (r *restoring) one(ctx context.Context, rel string, want File) error {
	in, _, err := r.open(rel)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the backup was altered: %s is missing", filepath.Join(r.from, rel))
	}
	if err != nil {
		return err
	}
	got, err := r.write(ctx, rel, in, want.Size+1)
	if err := errors.Join(err, in.Close()); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the backup was altered: %s is not what was copied then", filepath.Join(r.from, rel))
	}
	r.done(got)
	return nil
}

// finish does what a start does about the log, so that nothing waits in it, and about an older layout.
func (r *restoring) finish(log *slog.Logger) error {
	if !r.dirs["history"] {
		return nil
	}
	if err := r.fault("finish", r.to); err != nil {
		return err
	}
	dir := filepath.Join(r.to, "history")
	h, err := history.Hold(dir, log)
	if err != nil {
		return err
	}
	return errors.Join(h.Close(), os.RemoveAll(dir+history.OldEnd)) // the backup has it
}

// arrive gives the folder its name.
func (r *restoring) arrive() error {
	if err := r.fault("rename", r.data); err != nil {
		return err
	}
	if err := unix.Rename(r.to, r.data); err != nil { // unlike os.Rename it replaces an empty folder
		return fmt.Errorf("%s is complete, but can't become %s: %w", r.to, r.data, err)
	}
	if err := r.syncDir(filepath.Dir(r.data)); err != nil {
		return err
	}
	return os.Remove(filepath.Join(r.data, stagingLock))
}

// Histories counts the nicks that have one in the backup.
func (m *Manifest) Histories() int {
	n := 0
	for _, f := range m.Files {
		if strings.HasPrefix(f.Path, "history/users/") && strings.HasSuffix(f.Path, ".jsonl") {
			n++
		}
	}
	return n
}
