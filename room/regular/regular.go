// Package regular opens files that somebody else may have put something else in place of:
// opening a named pipe waits for ever, and a device does what it does.
package regular

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// ErrNot is wrapped where something is not a regular file.
var ErrNot = errors.New("is not a regular file")

// Opener is [os.OpenFile], or the method of an [os.Root].
type Opener func(name string, flag int, mode os.FileMode) (*os.File, error)

// Open opens a file for reading. It never waits.
func Open(open Opener, name string) (*os.File, error) {
	f, err := open(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s %w", name, ErrNot)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Read returns the first limit bytes of a file. There is no error where there is more.
func Read(open Opener, name string, limit int64) ([]byte, error) {
	f, err := Open(open, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
