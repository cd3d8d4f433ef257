package cluster

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate has cmd run in namespaces of its own. Its network has nothing but what it makes, and all of it ends with it:
// processes, namespaces, mounts.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		// Before Go makes the mounts private.
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
}

// prepare is for a process that isolate has started: it sees its own processes, and ip keeps its namespaces here.
func prepare() error {
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	return syscall.Mount("whoelse", "/run/netns", "tmpfs", 0, "")
}
