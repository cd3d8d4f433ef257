package target

import (
	"fmt"
	"os"
	"strconv"
	"strings"
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

// OwnCPU is what this process, the load generator, has used itself.
func OwnCPU() (time.Duration, error) { return processCPU(os.Getpid()) }

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
