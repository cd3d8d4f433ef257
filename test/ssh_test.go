package test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	gossh "golang.org/x/crypto/ssh"
)

// needClient finds an ssh client. Where the environment says that OpenSSH has to
// be there, as in the checks of every change, it is no reason to skip.
func needClient(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("WHOELSE_REQUIRE_SSH") != "":
		t.Fatalf("%s is needed here: %v", name, err)
	}
	t.Skipf("no %s here", name)
	return ""
}

// mustRun runs a command that makes something for the test.
func mustRun(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(needClient(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// newKey makes a key in OpenSSH's format, and returns its file; its public key lies beside it. ssh-keygen
// takes a hundred times as long; it makes the keys and certificates of the tests that are about them.
func newKey(t testing.TB) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := gossh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	authorized, err := gossh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	line := append(bytes.TrimSuffix(gossh.MarshalAuthorizedKey(authorized), []byte("\n")), " test\n"...)
	err = errors.Join(os.WriteFile(file, pem.EncodeToMemory(block), 0o600), os.WriteFile(file+".pub", line, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// openSSH makes the command of the real client, which knows the server's host key
// and offers the keys given, and no other.
func (s *server) openSSH(user string, keys, flags []string, command ...string) *exec.Cmd {
	s.t.Helper()
	args := []string{
		"-F", "none", "-p", s.port, "-o", "UserKnownHostsFile=" + s.knownHosts(), "-o", "StrictHostKeyChecking=yes",
		"-o", "IdentityAgent=none", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=INFO",
	}
	for _, k := range keys {
		args = append(args, "-i", k)
	}
	if len(keys) == 0 {
		args = append(args, "-o", "PubkeyAuthentication=no")
	}
	args = append(append(append(args, flags...), user+"@127.0.0.1"), command...)
	return clientCommand(s.t, "ssh", args...)
}

// clientCommand is a client with nothing of whoever runs the tests.
func clientCommand(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(needClient(t, name), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TERM=xterm-256color", "LC_ALL=C.UTF-8"}
	return cmd
}

// person is somebody at an ssh client, in a terminal or with pipes.
type person struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	keys io.WriteCloser // what is typed
	done chan struct{}  // closed when the client has ended and all is read
	err  error          // of its end

	mu     sync.Mutex // owns the fields below
	seen   string     // all that was shown, without colours
	from   int        // expectations look from here on
	news   chan struct{}
	screen vt10x.Terminal // nil without a terminal; only ever used under mu
}

// sitDown starts cmd in a terminal.
func sitDown(t testing.TB, name string, cmd *exec.Cmd) *person {
	t.Helper()
	p := newPerson(t, name, cmd)
	p.screen = vt10x.New(vt10x.WithSize(100, 40))
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 100, Rows: 40})
	if err != nil {
		t.Fatal(err)
	}
	p.keys = f
	p.follow(f)
	return p
}

// plug starts cmd with pipes for its input and output.
func plug(t testing.TB, name string, cmd *exec.Cmd) *person {
	t.Helper()
	p := newPerson(t, name, cmd)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w // the client's own words on stderr would get between the server's
	if p.keys, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	p.follow(r)
	return p
}

func newPerson(t testing.TB, name string, cmd *exec.Cmd) *person {
	return &person{t: t, name: name, cmd: cmd, done: make(chan struct{}), news: make(chan struct{})}
}

// follow reads what the client shows, until it ends or the test does.
func (p *person) follow(out *os.File) {
	go func() {
		defer close(p.done)
		buf := make([]byte, 32<<10)
		for {
			n, err := out.Read(buf)
			p.show(buf[:n])
			if err != nil { // a pty's end is EIO
				break
			}
		}
		p.err = p.cmd.Wait()
	}()
	p.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		out.Close()
	})
}

// sequences are what a terminal's output has beside text.
var sequences = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\x07`)

func (p *person) show(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen != nil {
		p.screen.Write(b)
	}
	p.seen += sequences.ReplaceAllString(string(bytes.ReplaceAll(b, []byte{'\r'}, nil)), "")
	close(p.news)
	p.news = make(chan struct{})
}

// types types a line.
func (p *person) types(line string) {
	p.t.Helper()
	end := "\n"
	if p.screen != nil {
		end = "\r"
	}
	if _, err := io.WriteString(p.keys, line+end); err != nil {
		p.t.Errorf("%s can't type: %v", p.name, err)
	}
}

// sees waits until each of texts has been shown, in this order, after what was
// expected before.
func (p *person) sees(texts ...string) {
	p.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for _, text := range texts {
		for found, news := p.find(text); !found; found, news = p.find(text) {
			select {
			case <-news:
			case <-late.C:
				p.t.Fatalf("%s does not see %q; all of it: %q", p.name, text, p.all())
			}
		}
	}
}

// find looks for text and goes on behind it. Where it is not, news is closed when
// there is more to look at.
func (p *person) find(text string) (found bool, news <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := strings.Index(p.seen[p.from:], text)
	if i >= 0 {
		p.from += i + len(text)
	}
	return i >= 0, p.news
}

// again has expectations look at everything again, for what comes in no order.
func (p *person) again() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from = 0
}

// all is everything that was shown until now.
func (p *person) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// rows counts the rows on the screen that contain text.
func (p *person) rows(text string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, row := range strings.Split(p.screen.String(), "\n") {
		if strings.Contains(row, text) {
			n++
		}
	}
	return n
}

// leaves waits for the client's end and returns its exit status.
func (p *person) leaves() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s's client does not end; it shows %q", p.name, p.all())
	}
	if _, failed := errors.AsType[*exec.ExitError](p.err); p.err != nil && !failed {
		p.t.Fatal(p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// vanishes kills the client without a word.
func (p *person) vanishes() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	<-p.done
}

// output runs a client that needs no terminal to its end.
func output(t testing.TB, cmd *exec.Cmd, input string) (out string, status int) {
	t.Helper()
	cmd.Stdin = strings.NewReader(input)
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	raw, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	return string(raw), cmd.ProcessState.ExitCode()
}

// On a terminal, too, a command asks that for nothing: one that does not answer would
// have it wait.
func TestCommandsAskTheTerminalNothing(t *testing.T) {
	terminal, err := pty.Start(exec.Command(binary, "version"))
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	var said []byte
	for p := make([]byte, 1<<10); err == nil; { // until the command has closed its end
		var n int
		n, err = terminal.Read(p)
		said = append(said, p[:n]...)
	}
	if !regexp.MustCompile(`^whoelse \S+\r\n$`).Match(said) {
		t.Errorf("%q", said)
	}
}
