package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// enters runs /nick as user and wants to be told who that is.
func (s *server) enters(user, key, want string) {
	s.t.Helper()
	out, status := output(s.t, s.openSSH(user, []string{key}, nil, "nick"), "")
	if status != 0 || !strings.Contains(out, "you are "+want+",") {
		s.t.Errorf("%s: exit status %d: %q", user, status, out)
	}
}

// refused runs /nick as user and wants to be kept out, in these words.
func (s *server) refused(user, key, words string) {
	s.t.Helper()
	out, status := output(s.t, s.openSSH(user, []string{key}, nil, "nick"), "")
	if status != 255 || !strings.Contains(out, words) {
		s.t.Errorf("%s: exit status %d, without %q: %q", user, status, words, out)
	}
}

func appendLine(t *testing.T, file, line string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// certify signs key with the authority ca, as docs/certificates.md does. The
// certificate lies beside the key, where ssh finds it.
func certify(t *testing.T, ca, key string, args ...string) {
	t.Helper()
	mustRun(t, "ssh-keygen", append(append([]string{"-q", "-s", ca, "-I", "a laptop"}, args...), key+".pub")...)
}

// TestCertificates goes the way of docs/certificates.md, from making an authority to
// ending it, while one server runs.
func TestCertificates(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	needClient(t, "ssh-keygen")
	data, revoked := t.TempDir(), filepath.Join(t.TempDir(), "revoked")
	appendLine(t, revoked, "# nothing yet")
	s := startServer(t, data, "--access", "keys", "--revoked-keys", revoked)
	ca, dora, bob := newKey(t), newKey(t), newKey(t)
	s.manage("add", "bob", "--key", bob+".pub")
	s.refused("dora", dora, "this room is closed: registered keys only")

	pub, err := os.ReadFile(ca + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	registry := filepath.Join(data, "authorized_keys")
	before, err := os.ReadFile(registry)
	if err != nil {
		t.Fatal(err)
	}
	appendLine(t, registry, "cert-authority "+strings.TrimSpace(string(pub)))
	certify(t, ca, dora, "-n", "dora", "-V", "+90d", "-z", "1")
	s.logs(1, " keys=2 ")
	s.enters("dora", dora, "dora")
	if out, _ := output(t, s.openSSH("dora", []string{dora}, nil, "nick"), ""); strings.Contains(out, "does not let you in") {
		t.Errorf("of a key that was offered before its certificate: %q", out)
	}
	s.refused("erin", newKey(t), "this room is closed: registered keys only")

	for name, c := range map[string]struct {
		user, words string
		args        []string
	}{
		"without principals":     {"erin", "not accepted", nil},
		"for a nick that's held": {"bob", "bob is held by another key", []string{"-n", "bob"}},
		"expired":                {"erin", "expired", []string{"-n", "erin", "-V", "20200101:20200102"}},
		"from elsewhere":         {"erin", "not accepted", []string{"-n", "erin", "-O", "source-address=192.0.2.0/24"}},
		"with a forced command":  {"erin", "not accepted", []string{"-n", "erin", "-O", "force-command=ls"}},
	} {
		t.Log(name)
		key := newKey(t)
		certify(t, ca, key, c.args...)
		s.refused(c.user, key, c.words)
	}
	stranger, theirs := newKey(t), newKey(t)
	certify(t, stranger, theirs, "-n", "erin")
	s.refused("erin", theirs, "not accepted")

	online := sitDown(t, "dora", s.openSSH("dora", []string{dora}, nil))
	online.sees("you are dora")
	mustRun(t, "ssh-keygen", "-q", "-k", "-f", revoked, dora+"-cert.pub")
	stood := time.Now().Add(-time.Minute) // or the server waits whether more is to come
	if err := os.Chtimes(revoked, stood, stood); err != nil {
		t.Fatal(err)
	}
	s.refused("dora", dora, "revoked")

	other := newKey(t)
	certify(t, ca, other, "-n", "otto", "-z", "2")
	s.enters("otto", other, "otto")
	otto := sitDown(t, "otto", s.openSSH("otto", []string{other}, nil))
	otto.sees("you are otto")
	if err := os.WriteFile(registry, before, 0o600); err != nil {
		t.Fatal(err)
	}
	online.sees("not accepted any more")
	otto.sees("your key is not", "any more")
	s.enters("bob", bob, "bob")
}

// TestClosedRoom: a room for two people with an operator, run without a restart.
func TestClosedRoom(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	s := startServer(t, t.TempDir(), "--access", "keys")
	alice, bob, carol := newKey(t), newKey(t), newKey(t)
	s.manage("add", "alice", "--key", alice+".pub", "--operator")
	s.manage("add", "bob", "--key", bob+".pub")
	s.logs(1, " keys=2 ") // the file is read once it has settled
	s.enters("alice", alice, "alice")
	s.enters("bob", bob, "bob")
	s.refused("carol", carol, "ask an operator for an invitation")

	b := sitDown(t, "bob", s.openSSH("bob", []string{bob}, nil))
	b.sees("you are bob")
	for _, c := range []struct {
		words   string
		command []string
	}{
		{"kicked bob", []string{"kick", "bob", "spam"}},
		{"banned bob", []string{"ban", "bob", "1h", "rude"}},
	} {
		out, status := output(t, s.openSSH("alice", []string{alice}, nil, c.command...), "")
		if status != 0 || !strings.Contains(out, c.words) {
			t.Errorf("%q: exit status %d: %q", c.command, status, out)
		}
	}
	b.sees("you were kicked by alice: spam")
	s.refused("bob", bob, "you are banned until")
	if out, status := output(t, s.openSSH("alice", []string{alice}, nil, "unban", "bob"), ""); status != 0 {
		t.Errorf("unban: %d %q", status, out)
	}
	s.enters("bob", bob, "bob")
	if out, status := output(t, s.openSSH("bob", []string{bob}, nil, "kick", "alice"), ""); status != 4 || !strings.Contains(out, "only operators") {
		t.Errorf("bob kicks: %d %q", status, out)
	}
	audit, err := os.ReadFile(filepath.Join(s.data, "audit.jsonl"))
	if err != nil || strings.Count(string(audit), "\n") != 3 {
		t.Errorf("the audit log: %v\n%s", err, audit)
	}
}

// TestLimitOfAnAddress: no more connections from one address than that, and words
// for who comes too many.
func TestLimitOfAnAddress(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh")
	s := startServer(t, t.TempDir(), "--exempt", "none", "--max-per-address", "1")
	key := newKey(t)
	sitDown(t, "bob", s.openSSH("bob", []string{key}, nil)).sees("you are bob")
	out, status := output(t, s.openSSH("bob", []string{key}, nil, "nick"), "")
	if status != 255 || !strings.Contains(out, "too many connections from your address") {
		t.Errorf("exit status %d: %q", status, out)
	}
}
