package test

import (
	"regexp"
	"strings"
	"testing"
)

// The log begins with what runs, where and on what.
func TestLogBegins(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	mustRun(t, binary, "keys", "add", "alice", "--key", newKey(t)+".pub", "--data", data) // which is logged, too
	s := startServer(t, data, "--log-format", "json", "--access", "keys")
	s.logs(1, `"msg":"whoelse starts"`) // it comes by another pipe than what startServer waits for
	first, _, _ := strings.Cut(s.log(), "\n")
	for _, part := range []string{
		`"msg":"whoelse starts"`, `"version":"`, `"listen":"127.0.0.1:` + s.port + `"`, `"data":"` + data + `"`,
		`"host_key":"` + s.hostKey + `"`, `"access":"keys","guests":"off"`,
	} {
		if !strings.Contains(first, part) {
			t.Errorf("the log begins without %s: %s", part, first)
		}
	}
}

// The real client shows why it is refused, once, whether it may ask people or not; and the
// log has it.
func TestRefusedInWords(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir())
	bob, wrong := newKey(t), newKey(t)
	if out, status := output(t, s.openSSH("bob", []string{bob}, nil, "nick"), ""); status != 0 {
		t.Fatal(out)
	}
	const why = "bob is held by another key"
	for _, flags := range [][]string{{"-o", "BatchMode=yes"}, nil} {
		out, status := output(t, s.openSSH("bob", []string{wrong}, flags, "nick"), "")
		if n := strings.Count(out, why); status != 255 || n != 1 {
			t.Errorf("%q: %d, said %d times: %s", flags, status, n, out)
		}
	}
	s.logs(2, `msg="login refused" from=127.0.0.1:`)
	s.logs(1, `msg="nick claimed" from=127.0.0.1:`)
}

// Invitations name the server as people know it.
func TestHostname(t *testing.T) {
	t.Parallel()
	data, key := t.TempDir(), newKey(t)
	mustRun(t, binary, "keys", "add", "alice", "--key", key+".pub", "--operator", "--data", data)
	s := startServer(t, data, "--hostname", "chat.example.org")
	out, status := output(t, s.openSSH("alice", []string{key}, nil, "invite", "carol"), "")
	if line := regexp.MustCompile(`ssh -p ` + s.port + ` carol\+\S+@chat\.example\.org`); status != 0 || !line.MatchString(out) {
		t.Errorf("%d %s", status, out)
	}
}
