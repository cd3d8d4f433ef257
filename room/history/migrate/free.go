//go:build unix

package migrate

import "golang.org/x/sys/unix"

// free is how many bytes can be written to the disk that dir is on.
func free(dir string) (uint64, bool) {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	return uint64(st.Bavail) * uint64(st.Bsize), err == nil
}
