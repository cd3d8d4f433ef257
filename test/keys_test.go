package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
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

// hangUp has the files read anew.
func (s *server) hangUp() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) tryManage(args ...string) (out string, status int) {
	s.t.Helper()
	return output(s.t, exec.Command(binary, append([]string{"keys", "--data", s.data}, args...)...), "")
}

// What is done to the keys counts for the server that runs.
func TestKeysWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	s := startServer(t, t.TempDir())
	key := newKey(t)
	s.manage("add", "bob", "--key", key+".pub")
	s.logs(1, "added=1 removed=0")
	s.enters("somebody", key, "bob")
	bob := sitDown(t, "bob", s.openSSH("bob", []string{key}, nil))
	bob.sees("you are bob", "> ")
	s.manage("remove", "bob")
	bob.sees("your key was removed")
	s.manage("add", "carol", "--key", key+".pub", "--from", "192.0.2.0/24")
	s.logs(2, "added=1 removed=0")
	s.refused("carol", key, "not for the address you come from")
	s.manage("remove", "carol")
	s.logs(2, "added=0 removed=1")
	s.enters("dave", key, "dave")
}

// What the server owns and a person has edited counts from SIGHUP on; what can't be
// read changes nothing.
func TestHangup(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	s := startServer(t, t.TempDir(), "--guests", "off")
	bobKey, carolKey := newKey(t), newKey(t)
	s.enters("bob", bobKey, "bob")
	bob := sitDown(t, "bob", s.openSSH("bob", []string{bobKey}, nil))
	bob.sees("you are bob", "> ")
	edit := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.data, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit("mutes.json", `[{"nick":"bob","by":"the file"}]`)
	edit("bans.json", `[{"target":"carol","by":"the file","reason":"noise"}]`)
	bob.types("not muted yet")
	bob.sees("bob: not muted yet")
	s.hangUp()
	s.logs(1, "files reloaded")
	bob.types("is anybody there?")
	bob.sees("the file muted you")
	s.refused("carol", carolKey, "you are banned: noise")

	edit("mutes.json", "nonsense")
	s.hangUp()
	s.logs(1, "reload failed")
	bob.types("still?")
	bob.sees("the file muted you")
	edit("mutes.json", "")
	edit("bans.json", "")
	s.hangUp()
	s.logs(2, "files reloaded")
	bob.types("and now?")
	bob.sees("bob: and now?")
	s.enters("carol", carolKey, "carol")
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

// A mistyped code is one failed login, however many keys the client has to offer; after more
// of them the address has to wait.
func TestMistypedInvitation(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	s := startServer(t, t.TempDir(), "--access", "keys", "--exempt", "none")
	code := regexp.MustCompile(`(?m)^code (\S+)$`).FindStringSubmatch(s.manage("invite", "carol"))
	if code == nil {
		t.Fatal("no code")
	}
	var many []string
	for range 5 {
		many = append(many, newKey(t))
	}
	try := func(code string, keys ...string) (string, int) {
		t.Helper()
		return output(t, s.openSSH("carol+"+code, keys, nil, "nick"), "")
	}
	if out, status := try("0000-0000-0000-0000", many...); status != 255 || !strings.Contains(out, "invalid, used or expired invitation") {
		t.Errorf("mistyped: %d %q", status, out)
	}
	if out, status := try(code[1], many[0]); status != 0 || !strings.Contains(out, "you are carol,") {
		t.Errorf("typed right then: %d %q", status, out)
	}
	for i := range 20 {
		if out, _ := try(fmt.Sprintf("0000-0000-0000-%04d", i), many[1]); strings.Contains(out, "failed logins") {
			return
		}
	}
	t.Error("one may go on guessing")
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
		out, status := s.runs(user, keys, "", command...)
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
	s.signal(syscall.SIGTERM, patience)
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
