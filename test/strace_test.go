//go:build linux

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// injection is strace, which has system calls of a running server fail.
type injection struct {
	t     testing.TB
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// inject has the named system calls of s fail in this way, such as "error=EIO:when=3",
// which counts in each thread.
func inject(t testing.TB, s *server, calls, how string) *injection {
	t.Helper()
	in := &injection{t: t, log: filepath.Join(t.TempDir(), "strace"), ended: make(chan struct{})}
	in.cmd = exec.Command(needClient(t, "strace"), "-f", "-p", fmt.Sprint(s.cmd.Process.Pid), "-o", in.log,
		"-e", "trace="+calls, "-e", "inject="+calls+":"+how)
	words, err := in.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := in.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	attached := make(chan string, 1)
	go func() {
		defer close(in.ended)
		b := make([]byte, 1<<10)
		n, _ := words.Read(b)
		attached <- string(b[:n])
		for n > 0 {
			n, _ = words.Read(b)
		}
		in.cmd.Wait()
	}()
	t.Cleanup(in.stop)
	select {
	case first := <-attached:
		if !strings.Contains(first, "attached") {
			t.Fatalf("strace: %s", first)
		}
	case <-time.After(patience):
		t.Fatal("strace does not attach")
	}
	return in
}

// stop lets the server go on by itself.
func (in *injection) stop() {
	in.cmd.Process.Signal(syscall.SIGINT)
	<-in.ended
}

// count is how many calls have failed.
func (in *injection) count() int {
	b, err := os.ReadFile(in.log)
	if err != nil {
		in.t.Fatal(err)
	}
	return strings.Count(string(b), "(INJECTED)")
}

func init() {
	slowDisk = func(t testing.TB, s *server) (stop func()) {
		needClient(t, "strace")
		return inject(t, s, "pwrite64", "delay_enter=10000").stop
	}
}

// The disk refuses for a while, in several ways.
func TestFailingDisk(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	for name, failing := range map[string]struct{ calls, how string }{
		"sync":      {"fsync,fdatasync", "error=EIO"},
		"write":     {"pwrite64", "error=EIO"},
		"full":      {"pwrite64", "error=ENOSPC"},
		"read-only": {"pwrite64,fsync,fdatasync,ftruncate,mkdirat,unlinkat,renameat,renameat2", "error=EROFS"},
		"broken":    {"pwrite64,fsync,fdatasync,ftruncate", "error=EIO"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needClient(t, "strace")
			h := newHousehold(t, t.TempDir())
			var in *injection
			h.livesThrough(trouble{
				begin: func(s *server) { in = inject(t, s, failing.calls, failing.how) },
				end:   func(*server) { in.stop() },
			})
		})
	}
}

// What was refused can't even be cut off again. It is disowned by the next segment of the log,
// which comes back together with the one before it, since nothing is released meanwhile.
func TestDiskKeepsWhatWasRefused(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	needClient(t, "strace")
	h := newHousehold(t, t.TempDir(), "hana")
	h.all(true)
	backup, err := os.OpenFile(filepath.Join(h.data, "history", "backup.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer backup.Close()
	if err := syscall.Flock(int(backup.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	in := inject(t, h.s, "fsync,fdatasync,ftruncate", "error=EIO")
	if h.send("hana") { // who gets nothing else, which would take its place
		t.Error("a message is taken by a disk that does not work")
	}
	h.all(false)
	in.stop()
	h.until(true)
	h.all(true)
	h.stop(syscall.SIGKILL)
	h.start()
	h.leavesAllBehind()
}

// Single calls fail, the Nth of each thread.
func TestDiskFailsOnce(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	for _, calls := range []string{"fsync,fdatasync", "pwrite64"} {
		for _, errno := range []string{"EIO", "ENOSPC"} {
			t.Run(calls+" "+errno, func(t *testing.T) {
				t.Parallel()
				needClient(t, "strace")
				h := newHousehold(t, t.TempDir())
				last := 2
				if full {
					last = 5
				}
				for n := 1; n <= last; n++ {
					h.failsOnce(calls, fmt.Sprintf("error=%s:when=%d", errno, n), n%2 == 0)
				}
				h.leavesAllBehind()
			})
		}
	}
}

// failsOnce has calls fail until at least one has, and sees that the server is right
// about what it kept, also after it was killed, at once or when it has recovered.
func (h *household) failsOnce(calls, how string, recovers bool) {
	h.t.Helper()
	in := inject(h.t, h.s, calls, how)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for late := time.After(patience); in.count() == 0; {
		h.flood()
		h.say()
		h.send("carol", "dave")
		select {
		case <-again.C:
		case <-late:
			h.t.Fatal("no call fails")
		}
	}
	h.reads()
	if recovers {
		h.until(true)
	}
	h.stop(syscall.SIGKILL)
	in.stop()
	h.start()
	h.reads()
	h.until(true)
}

// The disk fails while the server stops: what was acknowledged is there afterwards.
func TestDiskFailsAtTheEnd(t *testing.T) {
	onlyFull(t)
	t.Parallel()
	needClient(t, "strace")
	h := newHousehold(t, t.TempDir())
	h.all(true)
	in := inject(t, h.s, "fsync,fdatasync", "error=EIO")
	h.s.signal(syscall.SIGTERM, patience)
	h.bob.leaves()
	h.carol.leaves()
	if in.stop(); in.count() == 0 {
		t.Error("no call has failed")
	}
	h.start()
	h.leavesAllBehind()
}
