package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"whoelse/internal/disk"
)

// Options are for [Take] and [Restore].
type Options struct {
	Program string // the version of this program, for the manifest
	// Step, if set, is told after each file how far it is.
	Step func(files int, bytes int64)
	// Except names files and folders below the data folder that Take leaves out.
	Except []string

	disk    disk.Store // in tests it fails
	between func()     // in tests: between the histories and the log
}

// copier copies files from one folder to another, and knows what it has copied.
type copier struct {
	ctx      context.Context
	opts     Options
	from, to string
	root     disk.Folder // to

	files   []File
	bytes   int64
	leftOut []string // what was not copied
}

// copy copies a file as far as it was when it was opened: it is only appended to, or replaced as a
// whole. One that is gone is left out.
func (c *copier) copy(rel string) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if err := c.opts.disk.MakeDir(filepath.Dir(filepath.Join(c.to, rel))); err != nil {
		return err
	}
	in, err := disk.OpenRegular(filepath.Join(c.from, rel))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	f, err := c.write(rel, io.LimitReader(in, info.Size()))
	if err != nil {
		return err
	}
	c.files = append(c.files, f)
	c.bytes += f.Size
	if c.opts.Step != nil {
		c.opts.Step(len(c.files), c.bytes)
	}
	return nil
}

// write makes the file rel, which is on disk then, but for its name.
func (c *copier) write(rel string, in io.Reader) (File, error) {
	f, sum := File{Path: rel}, sha256.New()
	out, err := c.root.Open(rel, true)
	if err != nil {
		return f, err
	}
	if f.Size, err = io.Copy(io.MultiWriter(io.NewOffsetWriter(out, 0), sum), in); err == nil {
		err = out.Sync()
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return f, errors.Join(err, out.Close())
}

// syncDirs makes the names of all that was copied durable.
func (c *copier) syncDirs() error {
	return filepath.WalkDir(c.to, func(path string, d fs.DirEntry, err error) error {
		if path == filepath.Join(c.to, lostFound) {
			return fs.SkipDir
		}
		if err == nil && d.IsDir() {
			err = c.opts.disk.SyncDir(path)
		}
		return err
	})
}

// lostFound is made by file systems in their topmost folder.
const lostFound = "lost+found"

// vacant reports whether there is a folder at path. If it has anything, or there can't be one, that
// is an error.
func vacant(path string) (exists bool, err error) {
	list, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, syscall.ENOTDIR):
		return false, fmt.Errorf("%s is not a folder, or is below something that is not one; name another one", path)
	}
	if slices.ContainsFunc(list, func(e fs.DirEntry) bool { return e.Name() != lostFound }) {
		err = errNotEmpty
	}
	return true, err
}

var errNotEmpty = errors.New("is not empty")

// real is a path that is there, absolute and without links.
func real(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// within reports whether path, which need not be there, is dir or in it. dir is real.
func within(dir, path string) bool {
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			rel, err := filepath.Rel(dir, real)
			return err == nil && filepath.IsLocal(rel)
		}
		path = filepath.Dir(path)
	}
}
