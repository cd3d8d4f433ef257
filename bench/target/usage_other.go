//go:build !linux

package target

import (
	"errors"
	"fmt"
	"time"
)

// errNotLinux: what a process costs is read in the ways of Linux.
var errNotLinux = fmt.Errorf("measuring another process: %w", errors.ErrUnsupported)

// Usage is what the server has cost so far.
func (t *Target) Usage() (Usage, error) { return Usage{}, errNotLinux }

// Files counts the files and sockets that the server has open.
func (t *Target) Files() (int, error) { return 0, errNotLinux }

// Disk is how many bytes the data folder takes.
func (t *Target) Disk() (int64, error) { return 0, errNotLinux }

// OwnCPU is what this process, the load generator, has used itself.
func OwnCPU() (time.Duration, error) { return 0, errNotLinux }

// OwnRSS is what this process has resident now.
func OwnRSS() (int64, error) { return 0, errNotLinux }

// MachineCPU is what everything on the machine has used.
func MachineCPU() (time.Duration, error) { return 0, errNotLinux }

// RaiseFiles lets this process and its children open at least n files.
func RaiseFiles(uint64) error { return errNotLinux }
