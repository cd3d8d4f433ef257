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

// Read returns the first limit bytes of the file that open opens for reading, such as
// [os.OpenFile] or the method of an [os.Root]. It never waits. There is no error where
// there is more.
func Read(open func(name string, flag int, mode os.FileMode) (*os.File, error), name string, limit int64) ([]byte, error) {
	f, err := open(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s %w", name, ErrNot)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}
