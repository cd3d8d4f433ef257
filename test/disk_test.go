//go:build linux

package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mounted mounts what comes with args at a folder of its own until the test's end.
func mounted(t *testing.T, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mount(t, append(args, dir)...)
	t.Cleanup(func() { // before the folder is removed, whoever uses it still
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s stays mounted: %v", dir, err)
		}
	})
	return dir
}

// mount runs mount. Where that is not allowed is no reason to skip if the environment
// says that everything has to be tested.
func mount(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(needClient(t, "mount"), args...).CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("WHOELSE_REQUIRE_SSH") != "":
		t.Fatalf("mounting is needed here, which only root may: mount %q: %v\n%s", args, err, out)
	default:
		t.Skipf("mount %q: %v: %s", args, err, out)
	}
}

// small mounts a disk of 4 MiB.
func small(t *testing.T) string {
	t.Helper()
	return mounted(t, "-t", "tmpfs", "-o", "size=4m,mode=700", "whoelse-test")
}

// fill writes to file until nothing more fits on its disk.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
}

// The disk is full, and has room again. A server that is started meanwhile says what
// is wrong or runs, and loses nothing.
func TestFullDisk(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	disk := small(t)
	filler := filepath.Join(disk, "filler")
	h := newHousehold(t, filepath.Join(disk, "data"))
	h.livesThrough(trouble{
		begin: func(*server) { fill(t, filler) },
		end: func(s *server) {
			if hasEnded(s) {
				h.triesToStart("no space left on device")
			}
			if err := os.Remove(filler); err != nil {
				t.Error(err)
			}
		},
	})
}

// No file can be made any more. A message to somebody who has none yet is kept in the
// journal, and no second one is taken; everybody else notices nothing.
func TestNoMoreFiles(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	disk := mounted(t, "-t", "tmpfs", "-o", "size=4m,nr_inodes=64,mode=700", "whoelse-test")
	h := newHousehold(t, filepath.Join(disk, "data"), "gina", "hana")
	h.all(true)
	filler := filepath.Join(disk, "filler")
	if err := os.Mkdir(filler, 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	for n := 0; err == nil; n++ {
		err = os.Mkdir(filepath.Join(filler, fmt.Sprint(n)), 0o700)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	for _, nick := range []string{"gina", "hana"} {
		if first, second := h.send(nick), h.send(nick); !first || second {
			t.Errorf("to %s: taken: %v and %v", nick, first, second)
		}
	}
	h.all(true)
	h.reads()
	h.stop(syscall.SIGKILL)
	h.triesToStart("no space left on device")
	removeAll(t, filler)
	h.start()
	h.reads()
	if !h.send("gina", "hana") {
		t.Error("with files to be made again: refused")
	}
	h.leavesAllBehind()
}

func hasEnded(s *server) bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// triesToStart starts a server in the trouble, and kills it.
func (h *household) triesToStart(why string) {
	h.t.Helper()
	s, err := launch(h.t, exec.Command(binary, "--listen", "127.0.0.1:0", "--data", h.data))
	switch {
	case err == nil:
		s.kill()
	case !strings.Contains(err.Error(), why):
		h.t.Errorf("it does not start, and says: %v", err)
	default:
		h.t.Logf("it does not start: %v", err)
	}
}

// image makes a disk of 32 MiB with ext4 on it, and mounts it.
func image(t *testing.T) (file, disk string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 32<<20); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "mke2fs", "-q", "-F", "-t", "ext4", file)
	return file, mounted(t, "-t", "ext4", "-o", "loop", file)
}

// unmount takes the disk away. For a moment the beginning of another test's command can
// have the files open that this process has.
func unmount(t *testing.T, disk string) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Unmount(disk, 0)
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.EBUSY) {
			t.Fatalf("unmounting %s: %v", disk, err)
		}
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("unmounting %s: %v", disk, err)
		}
	}
}

// mountAgain takes the disk away and brings it back, repaired.
func mountAgain(t *testing.T, file, disk string) {
	t.Helper()
	unmount(t, disk)
	out, err := exec.Command("e2fsck", "-f", "-p", file).CombinedOutput()
	if failed, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || failed.ExitCode() > 1) {
		t.Fatalf("e2fsck: %v\n%s", err, out)
	}
	mount(t, "-t", "ext4", "-o", "loop", file, disk)
}

// The disk becomes read-only under the server, as ext4 does after an error. It stays
// so until it is mounted anew.
func TestReadOnlyDisk(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	file, disk := image(t)
	h := newHousehold(t, filepath.Join(disk, "data"))
	h.all(true)
	mount(t, "-o", "remount,abort", disk)
	h.flood()
	h.until(false)
	h.all(false)
	h.reads()
	h.readsInbox()
	h.stop(syscall.SIGKILL)
	h.triesToStart("read-only file system")
	mountAgain(t, file, disk)
	h.start()
	h.leavesAllBehind()
}

// The power is cut, as far as a file system can tell: what it was not told to bring
// to the disk never gets there.
func TestPowerCut(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	needClient(t, "ssh")
	file, disk := image(t)
	c := newCrasher(t, filepath.Join(disk, "data"))
	for c.n = range max(2, min(crashes(t)/5, 200)) {
		c.round(func(s *server) {
			s.kill()
			cutOff(t, disk)
		}, func() { mountAgain(t, file, disk) })
	}
	c.finish()
}

// cutOff has ext4 write nothing any more, its journal neither.
func cutOff(t *testing.T, disk string) {
	t.Helper()
	const shutdown, withoutLog = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	f, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), shutdown, withoutLog); err != nil {
		t.Fatalf("cutting off %s: %v", disk, err)
	}
}
