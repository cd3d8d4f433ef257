package storage

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
)

// layout is where files lie: in one folder, or by a hash of their names in many.
// The folders stay open, as a store would have them.
type layout struct {
	dir   string
	roots []*os.Root
	next  int // of the file that is created next
}

func newLayout(dir string, folders int) (_ *layout, err error) {
	l := &layout{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	for n := range folders {
		path := filepath.Join(dir, fmt.Sprintf("%02x", n))
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, err
		}
		l.roots = append(l.roots, root)
	}
	return l, nil
}

func (l *layout) close() error {
	var errs []error
	for _, root := range l.roots {
		errs = append(errs, root.Close())
	}
	return errors.Join(errs...)
}

// fileName is the n-th name. Names that follow each other do not sort so.
func fileName(n int) string {
	return strconv.FormatUint(uint64(uint32(n)*2654435761), 36) + ".jsonl"
}

func (l *layout) of(name string) *os.Root {
	if len(l.roots) == 1 {
		return l.roots[0]
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return l.roots[h.Sum32()%uint32(len(l.roots))]
}

// create makes the next file, with a record in it if line is not empty.
func (l *layout) create(line []byte) error {
	name := fileName(l.next)
	f, err := l.of(name).OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	l.next++
	if len(line) > 0 {
		_, err = f.WriteAt(line, 0)
	}
	return errors.Join(err, f.Close())
}

// grow creates empty files until there are so many.
func (l *layout) grow(ctx context.Context, files int) error {
	for l.next < files {
		if err := errors.Join(l.create(nil), context.Cause(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// appendTo opens an existing file as the store does, and appends.
func (l *layout) appendTo(name string, line []byte) error {
	f, err := l.of(name).OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(line, info.Size())
	}
	return errors.Join(err, f.Close())
}

// sync makes all names durable.
func (l *layout) sync() error {
	for _, root := range l.roots {
		f, err := root.Open(".")
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
