// Package test drives the built binary: from the command line, and with the
// ssh clients that people have.
package test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	gossh "golang.org/x/crypto/ssh"
)

// patience bounds every expectation, also that of a server's end. The race detector makes it longer.
var patience = 40 * time.Second

// buildFlags leave out what debuggers read, which saves a third of the linker's time, and have the race
// detector in the binary when it is in the tests.
var buildFlags = []string{"-ldflags=-s -w"}

// binary is where TestMain has built it.
var binary string

// full has the tests do all that they can, however long that takes.
var full = os.Getenv("WHOELSE_TEST") == "full"

// onlyFull is for tests that take long: those that break disks, for which they need strace, root
// and loop devices, and those that wait for long limits, which others test with less.
func onlyFull(t *testing.T) {
	t.Helper()
	if !full {
		t.Skip("takes long; runs with WHOELSE_TEST=full")
	}
}

// atOnce is how many tests run at a time, unless -parallel says otherwise. They wait
// most of the time: for clients, for disks that are away, for people who may come back.
// With the race detector it is less, since servers then need much more memory.
var atOnce = "32"

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "whoelse-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "whoelse")
	build := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", binary, "..")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	if err := flag.Set("test.parallel", atOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.init.0.func1")); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// server is a running whoelse.
type server struct {
	t       testing.TB
	cmd     *exec.Cmd
	data    string
	line    string // what it printed when it was ready
	port    string
	hostKey string // its fingerprint
	ended   chan struct{}
	err     error // of its end

	known func() string // see knownHosts; made once

	mu     sync.Mutex
	stderr strings.Builder
	news   chan struct{} // closed when there is more of it; nil while nobody waits
}

var invitation = regexp.MustCompile(`^whoelse is listening on \S*:(\d+), host key (SHA256:\S+); join with: ssh -p (\d+) nick@(\S+)$`)

// startServer runs whoelse on a free port of the loopback interface and waits
// until it says that it is ready.
func startServer(t testing.TB, data string, args ...string) *server {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"--listen", "127.0.0.1:0", "--data", data}, args...)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WHOELSE_") }) // the tests' own
	s, err := launch(t, cmd)
	if err != nil {
		t.Fatal(err)
	}
	s.data = data
	return s
}

// launch starts cmd, which is a whoelse, and has it killed at the test's end.
func launch(t testing.TB, cmd *exec.Cmd) (*server, error) {
	noteSources()
	s := &server{t: t, cmd: cmd, ended: make(chan struct{})}
	s.known = sync.OnceValue(s.writeKnownHosts)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = s
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	first := make(chan string, 1)
	go func() {
		defer close(s.ended)
		defer close(first)
		lines := bufio.NewReader(out)
		line, _ := lines.ReadString('\n')
		first <- strings.TrimSuffix(line, "\n")
		rest, _ := io.ReadAll(lines)
		if s.err = cmd.Wait(); len(rest) > 0 && s.err == nil {
			s.err = fmt.Errorf("more than one line: %q", rest)
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-s.ended
	})
	select {
	case s.line = <-first:
	case <-time.After(patience):
		return nil, errors.New("no line on stdout")
	}
	m := invitation.FindStringSubmatch(s.line)
	if m == nil || m[1] != m[3] {
		cmd.Process.Kill()
		<-s.ended
		return nil, fmt.Errorf("the first line is %q; on stderr: %s", s.line, s.log())
	}
	s.port, s.hostKey = m[1], m[2]
	return s, nil
}

// Write takes what the server logs.
func (s *server) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.news != nil {
		close(s.news)
		s.news = nil
	}
	return s.stderr.Write(p)
}

func (s *server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stderr.String()
}

// logs waits until text has been logged n times.
func (s *server) logs(n int, text string) {
	s.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		s.mu.Lock()
		if s.news == nil {
			s.news = make(chan struct{})
		}
		met, news := strings.Count(s.stderr.String(), text) >= n, s.news
		s.mu.Unlock()
		if met {
			return
		}
		select {
		case <-news:
		case <-s.ended:
			s.t.Fatalf("the server has ended (%v) without logging %q:\n%s", s.err, text, s.log())
		case <-late.C:
			s.t.Fatalf("%q was not logged %d times:\n%s", text, n, s.log())
		}
	}
}

// signal sends sig and waits for the end, which has to come within limit.
func (s *server) signal(sig syscall.Signal, limit time.Duration) error {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.ended:
		return s.err
	case <-time.After(limit):
		s.t.Fatalf("still running %v after %v", limit, sig)
		return nil
	}
}

// kill ends the server the hard way.
func (s *server) kill() {
	s.t.Helper()
	s.signal(syscall.SIGKILL, patience)
}

// knownHosts writes a file by which OpenSSH recognises the server.
func (s *server) knownHosts() string { return s.known() }

func (s *server) writeKnownHosts() string {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.data, "host_key"))
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := gossh.ParsePrivateKey(raw)
	if err != nil {
		s.t.Fatal(err)
	}
	file := filepath.Join(s.t.TempDir(), "known_hosts")
	line := fmt.Sprintf("[127.0.0.1]:%s %s", s.port, gossh.MarshalAuthorizedKey(key.PublicKey()))
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}
