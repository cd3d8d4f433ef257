package target

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what the server has cost so far.
func (t *Target) Usage() (Usage, error) {
	pid := t.command.Process.Pid
	cpu, err := processCPU(pid)
	if err != nil {
		return Usage{}, fmt.Errorf("%s: %w", t.Name, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("%s: memory: %w", t.Name, err)
	}
	return Usage{
		CPU:  cpu,
		RSS:  statusBytes(string(status), "VmRSS:"),
		Peak: statusBytes(string(status), "VmHWM:"),
	}, nil
}

// processCPU reads the process's own clock: user and system time of all its
// threads, to the nanosecond, where /proc/PID/stat has hundredths of a second.
func processCPU(pid int) (time.Duration, error) {
	// The kernel's encoding of a process's scheduler clock, see
	// clock_getcpuclockid(3).
	clock := int32(^pid<<3 | 2)
	var at unix.Timespec
	if err := unix.ClockGettime(clock, &at); err != nil {
		return 0, fmt.Errorf("cpu clock: %w", err)
	}
	return time.Duration(at.Nano()), nil
}

// statusBytes finds a size, given there in kB, in a /proc/PID/status.
func statusBytes(status, name string) int64 {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kilobytes, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

// Files counts the files and sockets that the server has open.
func (t *Target) Files() (n int, err error) {
	folder, err := os.Open(fmt.Sprintf("/proc/%d/fd", t.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("%s: open files: %w", t.Name, err)
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return 0, fmt.Errorf("%s: open files: %w", t.Name, err)
	}
	return len(names), nil
}

// blockSize is the unit in which the kernel counts what a file takes.
const blockSize = 512

// Disk is how many bytes the data folder takes, in whole blocks. Files that go
// while they are counted do not count.
func (t *Target) Disk() (bytes int64, err error) {
	err = filepath.WalkDir(t.data, func(_ string, entry fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = entry.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += stat.Blocks * blockSize
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("%s: data folder: %w", t.Name, err)
	}
	return bytes, nil
}

// OwnCPU is what this process, the load generator, has used itself.
func OwnCPU() (time.Duration, error) { return processCPU(os.Getpid()) }

// OwnRSS is what this process has resident now, in bytes.
func OwnRSS() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("own memory: %w", err)
	}
	return statusBytes(string(status), "VmRSS:"), nil
}

// tick is the unit of /proc/stat, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// MachineCPU is what everything on the machine has used since it was started,
// and what a hypervisor took away, on all cores together.
func MachineCPU() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("machine's cpu: %w", err)
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)
	var ticks int64
	// user, nice, system, irq, softirq, stolen. Softirq is where loopback's
	// packets are carried; processes' own clocks have it too.
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		if i < len(fields) {
			n, _ := strconv.ParseInt(fields[i], 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * tick, nil
}

// RaiseFiles lets this process and its children open at least n files.
func RaiseFiles(n uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("open files: %w", err)
	}
	if limit.Cur >= n {
		return nil
	}
	raised := unix.Rlimit{Cur: n, Max: max(limit.Max, n)}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
		return fmt.Errorf("open files: %d needed, %d allowed: %w", n, limit.Max, err)
	}
	return nil
}
