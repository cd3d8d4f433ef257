//go:build unix

package migrate

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// free is how many bytes can be written to the disk that dir is on.
func free(dir string) (uint64, bool) {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	return uint64(st.Bavail) * uint64(st.Bsize), err == nil
}

// mounted reports whether dir is on another file system than the folder above it.
func mounted(dir string) bool {
	var here, above unix.Stat_t
	return unix.Stat(dir, &here) == nil && unix.Stat(filepath.Dir(dir), &above) == nil && here.Dev != above.Dev
}
