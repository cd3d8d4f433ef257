package disk

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
	var st unix.Statfs_t
	if !syncFSTells() || unix.Fstatfs(int(f.Fd()), &st) != nil || !syncsWhole[int64(st.Type)] {
		return false, nil
	}
	for {
		err := unix.Syncfs(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return true, os.NewSyscallError("syncfs", err)
		}
	}
}

// syncsWhole has the file systems of which syncfs is known to do and tell what fsync
// does. It is not that of all: overlayfs does not tell of what its upper layer could not
// write, and FUSE does not ask its server to make anything durable.
var syncsWhole = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, // ext2 and ext3 too
	unix.XFS_SUPER_MAGIC:  true, unix.BTRFS_SUPER_MAGIC: true, unix.F2FS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true,
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
