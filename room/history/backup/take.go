// Package backup copies a whole data folder, also of a running server, and back.
//
//	m, err := backup.Take(ctx, "data", "/backups/monday", backup.Options{Program: version})
//	m, err = backup.Restore(ctx, "/backups/monday", "data", log, backup.Options{})
//
// A message to several people is in several histories, which are copied at different moments. But
// whatever is in a history was in the log before. So while the copy is made no segment of it is
// removed ([history.HoldSegments]), and the log is copied after the histories: it then has all that
// any copied history has beyond the checkpoint, which is copied first. Restoring applies it, as a
// start after a crash does, and so brings every history up to the moment at which the log was copied.
//
// All else, such as who holds which nick, is copied after that: a nick that was claimed meanwhile
// must not come back without its key, or whoever asks for it next would get its messages.
//
// backup.json, the [Manifest], is written last, when all else is on disk. A folder without it is no
// backup, or an incomplete one.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"whoelse/internal/disk"
	"whoelse/room/history"
)

// ManifestName is the file that makes a folder a backup.
const ManifestName = "backup.json"

// format is that of the manifest.
const format = 1

// Manifest says what is in a backup.
type Manifest struct {
	Format  int       `json:"format"`
	When    time.Time `json:"when"`    // when it was begun, UTC
	Program string    `json:"program"` // the version that took it
	Layout  int       `json:"layout"`  // of the histories, see [history.Version]
	Count   int       `json:"count"`   // of files
	Bytes   int64     `json:"bytes"`   // in all of them
	Files   []File    `json:"files"`   // in the order of their paths

	LeftOut []string `json:"-"` // what is not a file, and was not copied
}

// File is one file in a backup.
type File struct {
	Path   string `json:"path"` // below the folder, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Take copies the data folder to the folder to, which it makes, or which is empty. A
// server may be running. When it returns without an error all is on disk; after an
// error to has no manifest. [room.ErrBackup]: another one is running.
func Take(ctx context.Context, data, to string, opts Options) (*Manifest, error) {
	data, err := real(data)
	if err == nil {
		to, err = filepath.Abs(to)
	}
	if err != nil {
		return nil, err
	}
	if _, err := vacant(to); errors.Is(err, errNotEmpty) {
		return nil, fmt.Errorf("%s is not empty; name a new folder", to)
	} else if err != nil {
		return nil, err
	}
	if within(data, to) {
		return nil, fmt.Errorf("%s is in the data folder; name one beside it, better on another disk", to)
	}
	m := &Manifest{Format: format, When: time.Now().UTC().Truncate(time.Millisecond), Program: opts.Program}
	if m.Layout, err = history.LayoutVersion(filepath.Join(data, "history")); err != nil {
		return nil, err
	}
	held, err := history.HoldSegments(ctx, filepath.Join(data, "history"))
	if err != nil {
		return nil, err
	}
	root, err := opts.disk.OpenDir(to)
	if err == nil {
		c := &copier{ctx: ctx, opts: opts, from: data, to: to, root: root}
		if err = errors.Join(c.take(m), root.Close()); err != nil {
			err = fmt.Errorf("%w; what is in %s is incomplete, remove it", err, to)
		}
	}
	if err := errors.Join(err, held.Close()); err != nil {
		return nil, err
	}
	return m, nil
}

const (
	checkpoint = "history/checkpoint.json"
	segments   = "history/log"
	journals   = "history/journal" // the log of an older layout
	invites    = "invites.json"
)

// phases are what is copied one after the other. The log comes after all that it makes consistent; who
// holds which nick, before the open invitations: one that was redeemed meanwhile is used up then,
// rather than good for another key. What rooms are comes after what was said in them: who was removed meanwhile
// stays out.
var phases = []struct {
	dir          string
	only, except []string
}{
	{dir: "history", only: []string{checkpoint}},
	{dir: "history", except: []string{checkpoint, segments, journals}},
	{dir: segments},
	{dir: journals},
	{dir: ".", except: []string{invites, "history", "history" + history.OldEnd, "history" + history.NewEnd}},
	{dir: ".", only: []string{invites}},
}

// take copies all, and makes a backup of it.
func (c *copier) take(m *Manifest) error {
	for _, p := range phases {
		if p.dir == segments && c.opts.between != nil {
			c.opts.between()
		}
		files, err := c.list(p.dir, func(path string) bool {
			return slices.Contains(p.except, path) || slices.Contains(c.opts.Except, path) || len(p.only) > 0 && !slices.Contains(p.only, path)
		})
		if err != nil {
			return err
		}
		for _, path := range files {
			if err := c.copy(path); err != nil {
				return err
			}
		}
	}
	if err := c.syncDirs(); err != nil {
		return err
	}
	m.Files, m.Count, m.Bytes, m.LeftOut = c.files, len(c.files), c.bytes, c.leftOut
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	return disk.WriteFile(c.root, ManifestName, append(text, '\n'))
}

// list returns the files below rel that are to be copied, in order. Only at the top may there be links.
func (c *copier) list(rel string, skip func(path string) bool) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(c.from, rel))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		at := filepath.Join(rel, e.Name())
		if temporary(at) || skip(at) {
			continue
		}
		mode := e.Type()
		if info, err := os.Stat(filepath.Join(c.from, at)); rel == "." && err == nil {
			mode = info.Mode()
		}
		switch {
		case mode.IsDir():
			below, err := c.list(at, skip)
			if err != nil {
				return nil, err
			}
			files = append(files, below...)
		case mode.IsRegular() && utf8.ValidString(at):
			files = append(files, at)
		default:
			c.leftOut = append(c.leftOut, at)
		}
	}
	return files, nil
}

// temporary reports whether a file is nothing to keep: locks, what is being written
// and will be renamed, and what is the file system's or a backup's own.
func temporary(rel string) bool {
	name := filepath.Base(rel)
	return strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".lock") ||
		rel == "history/lock" || rel == lostFound || rel == ManifestName
}
