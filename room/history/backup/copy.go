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
	"sync"

	"golang.org/x/sys/unix"
)

// Options are what [Take] and [Restore] can be told.
type Options struct {
	Program string // the version of this program, for the manifest
	// Step, if set, is told after each file how far it is; one call at a time.
	Step func(files int, bytes int64)

	fault   func(op, path string) error // in tests: fails a step on the disk
	between func()                      // in tests: between the histories and the log
}

// copiers is how many files are copied at the same time: each waits for the disk.
const copiers = 8

// copier copies files from one folder to another, and knows what it has copied.
type copier struct {
	ctx      context.Context
	opts     Options
	from, to string
	dirs     map[string]bool // made below to, and to itself; not used by copiers

	mu    sync.Mutex // guards the rest
	files []File
	bytes int64
}

func newCopier(ctx context.Context, from, to string, opts Options) *copier {
	return &copier{ctx: ctx, opts: opts, from: from, to: to, dirs: map[string]bool{".": true}}
}

func (c *copier) fault(op, path string) error {
	if c.opts.fault == nil {
		return nil
	}
	return c.opts.fault(op, path)
}

// all copies the files at these paths, several at a time.
func (c *copier) all(paths []string, one func(ctx context.Context, path string) error) error {
	for _, path := range paths {
		if err := c.mkdirs(filepath.Dir(path)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	todo := make(chan string)
	var working sync.WaitGroup
	for range copiers {
		working.Go(func() {
			for path := range todo {
				if err := one(ctx, path); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, path := range paths {
		if ctx.Err() != nil {
			break
		}
		todo <- path
	}
	close(todo)
	working.Wait()
	return context.Cause(ctx)
}

// make makes a folder with those above it, each durable in the one above.
func (c *copier) make(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	above := filepath.Dir(path)
	if above == path {
		return fmt.Errorf("%s is not a folder", path)
	}
	if err := c.make(above); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return c.syncDir(above)
}

// mkdirs makes a folder below to, with those above it.
func (c *copier) mkdirs(rel string) error {
	if c.dirs[rel] {
		return nil
	}
	if err := c.mkdirs(filepath.Dir(rel)); err != nil {
		return err
	}
	path := filepath.Join(c.to, rel)
	if err := c.fault("mkdir", path); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	c.dirs[rel] = true
	return nil
}

// syncDirs makes the names of all that was copied durable.
func (c *copier) syncDirs() error {
	for rel := range c.dirs {
		if err := c.syncDir(filepath.Join(c.to, rel)); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) syncDir(path string) error {
	if err := c.fault("syncdir", path); err != nil {
		return err
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// done notes a file that was copied.
func (c *copier) done(f File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = append(c.files, f)
	c.bytes += f.Size
	if c.opts.Step != nil {
		c.opts.Step(len(c.files), c.bytes)
	}
}

// open opens a file to be copied, and nothing else that may stand in its place. Only
// at the top may there be links.
func (c *copier) open(rel string) (*os.File, fs.FileInfo, error) {
	flags := os.O_RDONLY | unix.O_NONBLOCK
	if filepath.Dir(rel) != "." {
		flags |= unix.O_NOFOLLOW
	}
	f, err := os.OpenFile(filepath.Join(c.from, rel), flags, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", filepath.Join(c.from, rel))
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// write copies size bytes of in, or fewer if there are no more, to the file rel, which
// is on disk then, but for its name.
func (c *copier) write(ctx context.Context, rel string, in io.Reader, size int64) (File, error) {
	path := filepath.Join(c.to, rel)
	if err := c.fault("write", path); err != nil {
		return File{}, err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return File{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, sum), &interruptible{ctx, io.LimitReader(in, size)})
	if err == nil {
		err = c.fault("sync", path)
	}
	if err == nil {
		err = out.Sync()
	}
	err = errors.Join(err, out.Close())
	return File{filepath.ToSlash(rel), n, hex.EncodeToString(sum.Sum(nil))}, err
}

// interruptible ends with the context.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (r *interruptible) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// emptyOrMissing reports whether there is nothing at path, or a folder with nothing in
// it.
func emptyOrMissing(path string) (exists, empty bool, err error) {
	list, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, lerr := os.Lstat(path); lerr == nil {
			return false, false, fmt.Errorf("%s is a link to nowhere", path)
		}
		return false, true, nil
	}
	if errors.Is(err, unix.ENOTDIR) {
		if _, lerr := os.Lstat(path); lerr == nil {
			return true, false, fmt.Errorf("%s is not a folder; name another one", path)
		}
		return false, false, fmt.Errorf("%s can't be made, something above it is not a folder; name another one", path)
	}
	return true, len(slices.DeleteFunc(list, func(e fs.DirEntry) bool { return e.Name() == lostFound })) == 0, err
}

// lostFound is made by file systems in their topmost folder.
const lostFound = "lost+found"
