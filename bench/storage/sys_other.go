//go:build !linux

package storage

import (
	"errors"
	"fmt"
	"os"
)

// errNotLinux: what files and processes cost is read in the ways of Linux. Run
// refuses before any of this is reached.
var errNotLinux = fmt.Errorf("measuring storage: %w", errors.ErrUnsupported)

type disk struct {
	freeBytes, freeInodes uint64
	inodes                uint64
	memory                bool
}

func statDisk(string) (disk, error)        { return disk{}, errNotLinux }
func allocated(string) (int64, int, error) { return 0, 0, errNotLinux }
func openBelow(string) (int, error)        { return 0, errNotLinux }
func forgetContent(string) error           { return errNotLinux }
func settle()                              {}
func dropCaches() error                    { return errNotLinux }
func killSelf() error                      { return errNotLinux }
func killed(*os.ProcessState) bool         { return false }
