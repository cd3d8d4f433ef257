package history

import "golang.org/x/sys/unix"

// openFiles is how many histories' files stay open: a quarter of what the process may
// open, since connections need most of that.
func openFiles() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 64
	}
	return int(max(8, min(limit.Cur/4, 1024)))
}
