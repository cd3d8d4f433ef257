package history

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// syncData leaves out the times of the file, which nobody needs after a crash;
// a changed size does go to disk.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// syncFS makes the whole file system durable that f is on. It fails when anything of
// it could not be written since f was opened.
func syncFS(f *os.File) (bool, error) {
	if !syncFSTells() {
		return false, nil
	}
	for {
		err := unix.Syncfs(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return true, os.NewSyscallError("syncfs", err)
		}
	}
}

// syncFSTells reports whether the kernel is one whose syncfs tells of errors: since
// Linux 5.8, see syncfs(2).
var syncFSTells = sync.OnceValue(func() bool {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) != nil {
		return false
	}
	n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return n == 2 && (major > 5 || major == 5 && minor >= 8)
})
