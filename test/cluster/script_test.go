package cluster

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestScript: deploy/cluster.sh makes a cluster of five processes, in which alice and bob talk with the real
// ssh, each on a server of their own. Any of the five can be killed, and the script brings it back.
func TestScript(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("needs ssh")
	}
	t.Parallel()
	s := &script{t: t, folder: filepath.Join(t.TempDir(), "cluster"), chats: freePort(1), engines: freePort(1, 2, 100, 101, 102)}
	t.Cleanup(func() { s.run("stop") })
	s.must("start")
	shown := make(chan error, 1)
	go func() { // it listens for seconds, and people talk meanwhile
		out, err := s.run("status")
		if err != nil {
			err = fmt.Errorf("cluster.sh status: %w\n%s", err, out)
		}
		shown <- err
	}()
	alice, bob := newIdentity(t), newIdentity(t)
	first, second := &chatServer{host: "127.0.0.1", port: s.chats}, &chatServer{host: "127.0.0.1", port: s.chats + 1}
	s.says(first, "bob", bob, "nick")
	s.says(second, "alice", alice, "send", "bob", "lunch?")
	s.says(first, "alice", alice, "say", "hello")
	s.shows(second, "bob", bob, "hello", "history")
	s.shows(first, "bob", bob, "lunch?", "inbox")
	killed := []string{"chat1"} // an engine that leads is missed for seconds
	if full {
		killed = []string{"chat1", "chat2", "engine1", "engine2", "engine3"}
	}
	for i, name := range killed {
		s.kill(name)
		word := fmt.Sprint("without-", name)
		there, other := first, second
		if name == "chat1" {
			there = second
		}
		s.says(there, "alice", alice, "say", word)
		s.must("start")
		s.shows(other, "bob", bob, word, "history")
		if i == 0 {
			if err := <-shown; err != nil {
				t.Error(err)
			}
		}
	}
	s.must("stop")
}

type script struct {
	t              *testing.T
	folder         string
	chats, engines int // first ports
}

func (s *script) run(command string) ([]byte, error) {
	noteSources()
	cmd := exec.Command("../../deploy/cluster.sh", command, s.folder)
	cmd.Env = append(os.Environ(), "WHOELSE="+binary, "NATS_SERVER="+engineBinary,
		fmt.Sprint("CHAT_PORT=", s.chats), fmt.Sprint("ENGINE_PORT=", s.engines))
	return cmd.CombinedOutput()
}

func (s *script) must(command string) {
	s.t.Helper()
	if out, err := s.run(command); err != nil {
		s.t.Fatalf("cluster.sh %s: %v\n%s", command, err, out)
	}
}

func (s *script) kill(name string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder, name, "pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	for { // the script would take it for running
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || bytes.Contains(state, []byte(") Z ")) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

// says runs a command until it succeeds: without its leader the engine takes nothing for some seconds.
func (s *script) says(on *chatServer, nick string, id identity, command ...string) string {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		out, err := on.ssh(nick, id, command...).Output()
		if err == nil {
			return string(out)
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s %q: %v", nick, command, err)
		}
	}
}

func (s *script) shows(on *chatServer, nick string, id identity, want string, command ...string) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		out := s.says(on, nick, id, command...)
		if strings.Contains(out, want) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s %q lacks %q:\n%s", nick, command, want, out)
		}
	}
}

// TestBinaryHasNoEngine: the program has the engine's client only.
func TestBinaryHasNoEngine(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "whoelse").Output()
	if err != nil {
		t.Fatal(err)
	}
	if deps := string(out); strings.Contains(deps, "nats-server") || !strings.Contains(deps, "nats-io/nats.go") {
		t.Errorf("whoelse imports: %s", deps)
	}
}
