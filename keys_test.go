package main_test

import (
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manage runs whoelse keys on the server's folder and wants it done.
func (s *server) manage(args ...string) string {
	s.t.Helper()
	out, status := s.tryManage(args...)
	if status != 0 {
		s.t.Fatalf("whoelse keys %q: exit status %d: %s", args, status, out)
	}
	return out
}

func (s *server) tryManage(args ...string) (out string, status int) {
	s.t.Helper()
	return output(s.t, exec.Command(binary, append([]string{"keys", "--data", s.data}, args...)...), "")
}

// eventually runs the command until it shows text, for as long as the server may
// take to notice a change.
func eventually(t *testing.T, text string, cmd func() *exec.Cmd) string {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out, _ := output(t, cmd(), "")
		if strings.Contains(out, text) {
			return out
		}
		if time.Now().After(until) {
			t.Fatalf("%q is not in %q", text, out)
		}
	}
}

// What is done to the keys counts for the server that runs.
func TestKeysWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	s := startServer(t, t.TempDir())
	key := newKey(t)
	s.manage("add", "bob", "--key", key+".pub")
	whoami := func(user string) func() *exec.Cmd {
		return func() *exec.Cmd { return s.openSSH(user, []string{key}, nil, "nick") }
	}
	eventually(t, "you are bob,", whoami("somebody"))
	bob := sitDown(t, "bob", s.openSSH("bob", []string{key}, nil))
	bob.sees("you are bob", "> ")
	s.manage("remove", "bob")
	bob.sees("your key is not known here any more")
	s.manage("add", "carol", "--key", key+".pub", "--from", "192.0.2.0/24")
	eventually(t, "not for the address you come from", whoami("carol"))
	s.manage("remove", "carol")
	eventually(t, "you are dave,", whoami("dave"))
}

func TestInvitation(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	s := startServer(t, t.TempDir(), "--access", "keys")
	out := s.manage("invite", "carol", "--port", s.port)
	code := regexp.MustCompile(`(?m)^code (\S+)$`).FindStringSubmatch(out)
	if code == nil {
		t.Fatalf("%q", out)
	}
	key, late := newKey(t), newKey(t)
	for _, user := range []string{"carol+" + code[1], "carol"} {
		if out, status := output(t, s.openSSH(user, []string{key}, nil, "nick"), ""); status != 0 || !strings.Contains(out, "you are carol,") {
			t.Errorf("%s: %d %q", user, status, out)
		}
	}
	if out, status := output(t, s.openSSH("carol+"+code[1], []string{late}, nil, "nick"), ""); status != 255 || strings.Contains(out, "you are carol") {
		t.Errorf("a second time: %d %q", status, out)
	}
	if list := s.manage("list"); strings.Count(list, "\n") != 1 || !strings.HasPrefix(list, "carol ") {
		t.Errorf("%q", list)
	}
}

// Whoever is renamed keeps the inbox, and what they have read.
func TestRenameKeepsTheInbox(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	data := t.TempDir()
	s := startServer(t, data)
	bobKey, carolKey := []string{newKey(t)}, []string{newKey(t)}
	as := func(user string, keys []string, command ...string) string {
		t.Helper()
		out, status := output(t, s.openSSH(user, keys, nil, command...), "")
		if status != 0 {
			t.Fatalf("%s: %q: exit status %d: %s", user, command, status, out)
		}
		return out
	}
	as("bob", bobKey, "nick")
	as("carol", carolKey, "send", "bob", "the first")
	as("bob", bobKey, "inbox")
	as("carol", carolKey, "send", "bob", "the second")
	if out, status := s.tryManage("rename", "bob", "robert"); status != 1 || !strings.Contains(out, "a whoelse is running") {
		t.Errorf("%d %q", status, out)
	}
	s.signal(syscall.SIGTERM, 5*time.Second)
	s.manage("rename", "bob", "robert")

	s = startServer(t, data)
	if out := as("bob", bobKey, "nick"); !strings.Contains(out, "you are robert,") {
		t.Errorf("%q", out)
	}
	out := as("robert", bobKey, "inbox")
	if !strings.Contains(out, "the second") || strings.Contains(out, "the first") {
		t.Errorf("the inbox: %q", out)
	}
	if out := as("robert", bobKey, "inbox"); strings.Contains(out, "the second") {
		t.Errorf("the inbox again: %q", out)
	}
	if out := as("robert", bobKey, "inbox", "all"); !strings.Contains(out, "the first") || !strings.Contains(out, "the second") {
		t.Errorf("everything: %q", out)
	}
	if out := as("carol", carolKey, "send", "robert", "hi"); !strings.Contains(out, "kept for robert") {
		t.Errorf("%q", out)
	}
}
