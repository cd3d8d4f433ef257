//go:build unix

package space

import "golang.org/x/sys/unix"

// diskOf is how many bytes of the folder's disk are free, and how many there are. It is
// replaced in tests.
var diskOf = func(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), uint64(st.Blocks) * uint64(st.Bsize), nil
}
