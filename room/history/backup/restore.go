package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"whoelse/room/history"
)

// stagingEnd is added to the data folder's name for the folder in which it is built.
const stagingEnd = ".restoring"

// Restore makes the data folder of the backup in from. data must be missing or empty.
// All is copied, compared with the manifest and finished as a start does it, in a folder
// beside it, which then becomes data in one step; after an error there is neither. log is told what a
// start would log.
func Restore(ctx context.Context, from, data string, log *slog.Logger, opts Options) (*Manifest, error) {
	m, err := ReadManifest(from)
	if err != nil {
		return nil, err
	}
	if data, err = target(data); err != nil {
		return nil, err
	}
	above, err := opts.disk.OpenDir(filepath.Dir(data))
	if err != nil {
		return nil, err
	}
	defer func() { _ = above.Close() }() // it was synced
	staging := data + stagingEnd
	err = os.Mkdir(staging, 0o700)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%s is in the way: another restore is running, or was killed; if none is running, remove it", staging)
	}
	if err != nil {
		return nil, err
	}
	if err = restore(ctx, from, staging, m, log, opts); err == nil {
		if st, _ := above.Lstat(filepath.Base(data)); st.Mode.IsDir() {
			err = above.Remove(filepath.Base(data)) // it is empty
		}
		if err == nil {
			err = above.Rename(filepath.Base(staging), filepath.Base(data))
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(staging))
	}
	return m, above.Sync()
}

// target is where the data folder is to be, without links, if it may.
func target(data string) (string, error) {
	exists, err := vacant(data)
	if errors.Is(err, errNotEmpty) {
		if used, err := history.InUse(filepath.Join(data, "history")); err == nil && used {
			return "", fmt.Errorf("a whoelse is running on the data folder %s; stop it and move the folder away, "+
				"or name another one with --data", data)
		}
		return "", fmt.Errorf("the data folder %s is not empty; move it away, or name another one", data)
	}
	if err == nil && exists {
		data, err = real(data)
	} else if err == nil {
		data, err = filepath.Abs(data)
	}
	if err != nil {
		return "", err
	}
	var here, above syscall.Stat_t
	if syscall.Stat(data, &here) == nil && syscall.Stat(filepath.Dir(data), &above) == nil && here.Dev != above.Dev {
		return "", fmt.Errorf("%s is where a file system is mounted, and can't be replaced; "+
			"name a folder in it with --data, and start the server with that one", data)
	}
	return data, nil
}

// restore copies all to a new folder, compares it with the manifest, and does what a start does about the log, so
// that nothing waits in it, and about an older layout.
func restore(ctx context.Context, from, to string, m *Manifest, log *slog.Logger, opts Options) error {
	root, err := opts.disk.OpenDir(to)
	if err != nil {
		return err
	}
	c := &copier{ctx: ctx, opts: opts, from: from, to: to, root: root}
	if err := errors.Join(c.restore(m), root.Close()); err != nil {
		return err
	}
	dir := filepath.Join(to, "history")
	h, err := history.Hold(dir, log)
	if err != nil {
		return err
	}
	return errors.Join(h.Close(), os.RemoveAll(dir+history.OldEnd)) // the backup has it
}

func (c *copier) restore(m *Manifest) error {
	for i, f := range m.Files {
		if err := c.copy(f.Path); err != nil {
			return err
		}
		path := filepath.Join(c.from, f.Path)
		if len(c.files) == i {
			return fmt.Errorf("the backup was altered: %s is missing", path)
		}
		if c.files[i] != f {
			return fmt.Errorf("the backup was altered: %s is not what was copied then", path)
		}
	}
	return c.syncDirs()
}

// ErrNone is wrapped where a folder has no manifest.
var ErrNone = errors.New("there is no " + ManifestName + ": it is no backup, or one that was not completed")

// ReadManifest reads the manifest of the backup in dir, and refuses one that this
// program cannot restore.
func ReadManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, ManifestName)
	text, err := os.ReadFile(path)
	if _, e := os.Stat(dir); errors.Is(e, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s; name one that whoelse backup has made", dir)
	}
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return nil, fmt.Errorf("%s is not a folder; name one that whoelse backup has made", dir)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	case err != nil:
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("%s can't be understood, it was altered: %w", path, err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &m, nil
}

func (m *Manifest) check() error {
	if m.Format > format || m.Layout > history.Version {
		return fmt.Errorf("the backup is of a newer whoelse (%s); restore it with that one", history.Clean(m.Program))
	}
	bytes, last := int64(0), ""
	for _, f := range m.Files {
		if !filepath.IsLocal(f.Path) || filepath.Clean(f.Path) != f.Path || f.Path == ManifestName || f.Path <= last {
			return fmt.Errorf("it was altered: %q is not the path of a file in a backup, or not in order", f.Path)
		}
		last = f.Path
		bytes += f.Size
	}
	if m.Format < 1 || m.Count != len(m.Files) || m.Bytes != bytes {
		return errors.New("it was altered: the numbers in it do not fit")
	}
	return nil
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
