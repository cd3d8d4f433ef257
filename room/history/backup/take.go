package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"whoelse/room/history"
)

// Taken is a backup that was made.
type Taken struct {
	Manifest
	LeftOut []string // what is no file, and was not copied
}

// Take copies the data folder to the folder to, which it makes, or which is empty. A
// server may be running. When it returns without an error all is on disk; after an
// error to has no manifest. [history.ErrBackup]: another one is running.
func Take(ctx context.Context, data, to string, opts Options) (*Taken, error) {
	data, err := filepath.EvalSymlinks(data)
	if err != nil {
		return nil, err
	}
	if to, err = filepath.Abs(to); err != nil {
		return nil, err
	}
	if err := mayGoTo(data, to); err != nil {
		return nil, err
	}
	t := &taking{copier: newCopier(ctx, data, to, opts)}
	if err := t.holdSegments(); err != nil {
		return nil, err
	}
	err = t.make(to)
	if err == nil {
		if err = t.copy(); err != nil {
			err = fmt.Errorf("%w; what is in %s is incomplete, remove it", err, to)
		}
	}
	if err := errors.Join(err, t.release()); err != nil {
		return nil, err
	}
	return &t.taken, nil
}

// mayGoTo refuses a folder that has something, and one that would be copied into
// itself.
func mayGoTo(data, to string) error {
	_, empty, err := emptyOrMissing(to)
	if err != nil {
		return err
	}
	if !empty {
		return fmt.Errorf("%s is not empty; name a new folder", to)
	}
	if within(data, to) {
		return fmt.Errorf("%s is in the data folder; name one beside it, better on another disk", to)
	}
	return nil
}

// within reports whether path, which need not be there, is dir or in it. dir is without
// links, path absolute.
func within(dir, path string) bool {
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			path = real
			break
		}
		path = filepath.Dir(path)
	}
	rel, err := filepath.Rel(absolute(dir), path)
	return err == nil && filepath.IsLocal(rel)
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// taking is one backup.
type taking struct {
	*copier
	taken Taken
	lock  io.Closer // holds the log; nil without histories
}

// holdSegments begins the time in which no segment of the log is removed.
func (t *taking) holdSegments() (err error) {
	t.taken.Format, t.taken.When, t.taken.Program = format, time.Now().UTC().Truncate(time.Millisecond), t.opts.Program
	dir := filepath.Join(t.from, "history")
	if t.taken.Layout, err = history.LayoutVersion(dir); errors.Is(err, fs.ErrNotExist) {
		return nil // no server has run here yet
	}
	if err == nil {
		t.lock, err = history.HoldSegments(t.ctx, dir)
	}
	return err
}

func (t *taking) release() error {
	if t.lock == nil {
		return nil
	}
	lock := t.lock
	t.lock = nil
	return lock.Close()
}

// copy is the backup; the order is what makes it consistent.
func (t *taking) copy() error {
	if t.lock != nil { // else no server has run here
		if err := t.copyHistories(); err != nil {
			return err
		}
	}
	if err := t.release(); err != nil {
		return err
	}
	if err := t.copyOthers(); err != nil {
		return err
	}
	return t.finish()
}

// copyOthers copies who holds which nick before the open invitations: one that was
// redeemed meanwhile is used up then, rather than good for another key.
func (t *taking) copyOthers() error {
	var others []string
	if err := t.list(".", func(rel string) { others = append(others, rel) }); err != nil {
		return err
	}
	last := slices.DeleteFunc(slices.Clone(others), func(rel string) bool { return rel != "invites.json" })
	others = slices.DeleteFunc(others, func(rel string) bool { return rel == "invites.json" })
	if err := t.all(others, t.settled); err != nil {
		return err
	}
	return t.all(last, t.settled)
}

// copyHistories copies what says how far the histories are on disk, then them, and then the log.
func (t *taking) copyHistories() error {
	const point = "history/checkpoint.json"
	if err := t.all([]string{point}, t.one); err != nil {
		return err
	}
	var files, logs []string
	if err := t.list("history", func(rel string) {
		if !isLog(rel) && rel != point {
			files = append(files, rel)
		}
	}); err != nil {
		return err
	}
	if err := t.all(files, t.one); err != nil {
		return err
	}
	if t.opts.between != nil {
		t.opts.between()
	}
	for _, dir := range logFolders {
		if err := t.list(dir, func(rel string) { logs = append(logs, rel) }); err != nil {
			return err
		}
	}
	return t.all(logs, t.one)
}

// logFolders have the log; in older layouts it was journals.
var logFolders = []string{"history/log", "history/journal"}

func isLog(rel string) bool { return slices.Contains(logFolders, filepath.Dir(rel)) }

// finish makes a backup of what was copied.
func (t *taking) finish() error {
	if err := t.syncDirs(); err != nil {
		return err
	}
	t.taken.Files = t.files
	t.taken.fill()
	text, err := json.MarshalIndent(t.taken.Manifest, "", " ")
	if err != nil {
		return err
	}
	tmp := ManifestName + ".tmp"
	if _, err := t.write(t.ctx, tmp, strings.NewReader(string(text)+"\n"), int64(len(text))+1); err != nil {
		return err
	}
	path := filepath.Join(t.to, ManifestName)
	if err := t.fault("rename", path); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(t.to, tmp), path); err != nil {
		return err
	}
	return t.syncDir(t.to)
}
