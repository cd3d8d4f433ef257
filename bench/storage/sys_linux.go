package storage

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// disk is what is known of a file system.
type disk struct {
	freeBytes, freeInodes uint64
	inodes                uint64 // 0 where they are not counted
	memory                bool
}

func statDisk(dir string) (disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return disk{}, fmt.Errorf("statfs: %w", err)
	}
	size := uint64(st.Bsize)
	return disk{
		freeBytes: st.Bavail * size, freeInodes: st.Ffree,
		inodes: st.Files, memory: st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC,
	}, nil
}

// allocated is what the blocks of everything below dir take, as du counts, and
// how many files and folders there are.
func allocated(dir string) (bytes int64, files int, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		files++
		return nil
	})
	return bytes, files, err
}

// openBelow counts the files below dir that this process has open.
func openBelow(dir string) (int, error) {
	const fds = "/proc/self/fd"
	entries, err := os.ReadDir(fds)
	if err != nil {
		return 0, fmt.Errorf("open files: %w", err)
	}
	n := 0
	for _, entry := range entries {
		if to, err := os.Readlink(filepath.Join(fds, entry.Name())); err == nil && strings.HasPrefix(to, dir+"/") {
			n++
		}
	}
	return n, nil
}

// forgetContent drops a file's content from the kernel's cache. It has to be on
// disk already.
func forgetContent(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("%s: drop from the cache: %w", path, err)
	}
	return nil
}

// settle waits until everything written so far is on disk.
func settle() { unix.Sync() }

// dropCaches empties the kernel's caches of content, names and inodes, of the
// whole machine.
func dropCaches() error {
	settle()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3\n"), 0); err != nil {
		return fmt.Errorf("drop the kernel's caches: %w", err)
	}
	return nil
}

// killSelf ends this process as a crash would.
func killSelf() error { return unix.Kill(os.Getpid(), unix.SIGKILL) }

// killed reports whether a child ended that way.
func killed(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
