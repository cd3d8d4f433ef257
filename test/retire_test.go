package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// people are some with a key each, at one server after the other on the same folder.
type people struct {
	*testing.T
	s    *server
	keys map[string]string // files, by name
}

func newPeople(t *testing.T, args ...string) *people {
	t.Helper()
	needClient(t, "ssh")
	return &people{T: t, s: startServer(t, t.TempDir(), args...), keys: map[string]string{}}
}

// runs has somebody, with the key of that name ("" is none), run a command as nick.
func (p *people) runs(key, nick string, command ...string) (string, int) {
	p.Helper()
	var files []string
	if key != "" {
		if p.keys[key] == "" {
			p.keys[key] = newKey(p)
		}
		files = []string{p.keys[key]}
	}
	return p.s.runs(nick, files, "", command...)
}

// does is runs for what has to show something.
func (p *people) does(key, nick, command string, status int, shows string) {
	p.Helper()
	if out, got := p.runs(key, nick, command); got != status || !strings.Contains(out, shows) {
		p.Errorf("%s as %s, %s: exit status %d, want %d and %q:\n%s", key, nick, command, got, status, shows, out)
	}
}

func (p *people) stop() {
	p.Helper()
	if err := p.s.signal(syscall.SIGTERM, patience); err != nil {
		p.Fatal(err)
	}
}

func (p *people) restart(args ...string) {
	p.Helper()
	p.stop()
	p.s = startServer(p, p.s.data, args...)
}

// manages runs whoelse keys.
func (p *people) manages(status int, shows string, args ...string) {
	p.Helper()
	if out, got := p.s.tryManage(args...); got != status || !strings.Contains(out, shows) {
		p.Errorf("keys %q: exit status %d, want %d and %q:\n%s", args, got, status, shows, out)
	}
}

func (p *people) aside(folder string) []string {
	p.Helper()
	all, err := filepath.Glob(filepath.Join(p.s.data, folder, ".retired", "*"))
	if err != nil {
		p.Fatal(err)
	}
	return all
}

// What belongs to a nick belongs to who held it: when its last key goes, nobody who
// comes next reads it; the senders are told, and operators can give it back.
func TestRemovedNick(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.does("carol", "carol", "say hello", 0, "")
	bob := sitDown(t, "bob", p.s.openSSH("bob", []string{newKey(t)}, nil))
	bob.sees("you are bob", "> ")
	bob.types("@carol a secret")
	bob.sees("kept for carol (offline)")
	p.does("carol", "carol", "block mallory2", 67, "")
	p.does("dave", "dave", "say hi", 0, "")
	p.does("carol", "carol", "block dave", 0, "dave's messages are hidden")

	p.manages(0, "whoelse keys restore carol --key FILE", "remove", "carol")
	p.s.logs(1, `msg="nick retired" nick=carol`)
	bob.sees("carol's nick was removed; your message of ", " was not read")
	for range 2 {
		p.does("mallory", "carol", "inbox all", 255, "carol is reserved until")
		p.does("", "carol", "say hello", 255, "ask an operator to give it back")
		p.manages(1, "whoelse keys restore carol", "add", "carol", "--key", p.keys["carol"]+".pub")
		p.manages(1, "carol is reserved until", "invite", "carol")
		p.restart()
	}
	if got := append(p.aside("history/users"), p.aside("settings")...); len(got) != 2 {
		t.Errorf("set aside are %q", got)
	}
	audit := readFile(t, filepath.Join(p.s.data, "audit.jsonl"))
	if record := `"who":"server","what":"retire","whom":"carol","why":"its last key is gone","for":"90d"`; strings.Count(audit, record) != 1 {
		t.Errorf("the audit log lacks %s, or has it twice:\n%s", record, audit)
	}

	p.manages(1, "stop it, restore, and start it again", "restore", "carol", "--key", p.keys["carol"]+".pub")
	p.stop()
	p.manages(0, "restored carol, with the history", "restore", "carol", "--key", p.keys["carol"]+".pub")
	p.manages(1, "carol is held by a key", "restore", "carol", "--key", p.keys["carol"]+".pub")
	p.manages(1, "nothing of zebra was set aside", "restore", "zebra", "--key", newKey(t)+".pub")
	p.s = startServer(t, p.s.data)
	p.does("carol", "carol", "inbox", 0, "\tbob\tcarol\ta secret")
	p.does("carol", "carol", "blocked", 0, "dave\n")
}

// An operator who takes a nick out of reserved.json frees it with SIGHUP. A file that can't
// be read frees nobody.
func TestReservationsAreReloaded(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.does("carol", "carol", "say hello", 0, "")
	p.manages(0, "removed", "remove", "carol")
	p.s.logs(1, `msg="nick retired" nick=carol`)
	file := filepath.Join(p.s.data, "reserved.json")
	writeFile(t, file, "[{")
	p.s.hangUp()
	p.s.logs(1, "reload failed")
	p.does("mallory", "carol", "nick", 255, "carol is reserved until")
	writeFile(t, file, "[]")
	p.s.hangUp()
	p.s.logs(1, "files reloaded")
	p.does("dave", "carol", "nick", 0, "you are carol")
}

// With --nick-reserve 0 the nick is free at once, without what was there.
func TestNickIsFreeWithoutMail(t *testing.T) {
	t.Parallel()
	p := newPeople(t, "--nick-reserve", "0")
	p.does("carol", "carol", "say hello", 0, "")
	p.does("bob", "bob", "send carol a secret", 0, "kept for carol")
	p.manages(0, "removed", "remove", "carol")
	p.s.logs(1, `msg="key removed" nick=carol`)
	const retired = `msg="nick retired" nick=carol`
	out, status := p.runs("mallory", "carol", "inbox all")
	if status != 0 && !strings.Contains(out, "carol has just lost its last key") { // or the server is done already
		t.Errorf("%d: %s", status, out)
	}
	p.s.logs(1, retired)
	if out, status := p.runs("mallory", "carol", "inbox all"); status != 0 || strings.Contains(out, "secret") {
		t.Errorf("%d: %s", status, out)
	}
	p.does("bob", "bob", "send carol hello carol", 0, "kept for carol")
	p.does("mallory", "carol", "inbox", 0, "hello carol")
}

// A line that an editor takes out and puts back at once leaves everything where it is.
func TestLineRemovedForAMoment(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.does("carol", "carol", "say hello", 0, "")
	p.does("bob", "bob", "send carol a secret", 0, "kept for carol")
	file := filepath.Join(p.s.data, "authorized_keys")
	all := readFile(t, file)
	carols, bobs, _ := strings.Cut(all, "\n")
	writeFile(t, file, bobs)
	p.s.logs(1, `msg="key removed" nick=carol`)
	added := strings.Count(p.s.log(), "added=1 removed=0") // by the claims
	writeFile(t, file, carols+"\n"+bobs)
	p.s.logs(added+1, "added=1 removed=0")
	p.does("mallory", "carol", "inbox all", 255, "carol is held by another key")

	writeFile(t, file, "") // while somebody repairs it
	p.s.logs(1, "added=0 removed=2")
	writeFile(t, file, all)
	p.s.logs(1, "added=2 removed=0")
	p.does("carol", "carol", "inbox", 0, "a secret")
	if got := p.aside("history/users"); len(got) > 0 {
		t.Errorf("set aside are %q", got)
	}
}

// Keys that went while no server ran are found at the start.
func TestKeysRemovedWhileStopped(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.does("carol", "carol", "say hello", 0, "")
	p.does("bob", "bob", "send carol a secret", 0, "kept for carol")
	p.stop()
	p.manages(0, "removed", "remove", "carol")
	p.s = startServer(t, p.s.data)
	p.does("mallory", "carol", "inbox all", 255, "carol is reserved until")
	p.does("bob", "bob", "nick", 0, "you are bob")
	if got := p.aside("history/users"); len(got) != 1 {
		t.Errorf("set aside are %q", got)
	}
	p.stop()
	if err := os.WriteFile(filepath.Join(p.s.data, "reserved.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status := output(t, exec.Command(binary, "--listen", "127.0.0.1:0", "--data", p.s.data), ""); status == 0 || !strings.Contains(out, "reserved.json cannot be read") {
		t.Errorf("a broken reserved.json: %d: %s", status, out)
	}
}

// People give their nick up themselves, after typing it once more.
func TestLeaveNick(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	p.does("bob", "bob", "say hi", 0, "")
	p.does("carol", "carol", "say hello", 0, "")
	p.does("bob", "bob", "send carol a secret", 0, "kept for carol")
	p.does("carol", "carol", "key leave", 2, "type it once more")
	p.does("carol", "carol", "key leave bob", 1, "you are carol, not bob")
	p.does("", "guest1", "key leave bob", 4, "guests have no keys")
	p.does("carol", "carol", "key leave carol", 0, "giving up carol")
	p.s.logs(1, `msg="nick retired" nick=carol`)
	p.does("carol", "carol", "inbox", 255, "carol is reserved until")

	bob := sitDown(t, "bob", p.s.openSSH("bob", []string{p.keys["bob"]}, nil))
	bob.sees("carol's nick was removed; your message of ", "> ")
	bob.types("/key leave bob")
	bob.sees("giving up bob", "bye")
	if status := bob.leaves(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// Who is given a certificate in place of a key keeps everything.
func TestCertificateInPlaceOfAKey(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh-keygen")
	p := newPeople(t)
	p.does("carol", "carol", "say hello", 0, "")
	p.does("bob", "bob", "send carol a secret", 0, "kept for carol")
	authority := newKey(t)
	sign := exec.Command("ssh-keygen", "-q", "-s", authority, "-I", "carol", "-n", "carol", p.keys["carol"]+".pub")
	if out, err := sign.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file := filepath.Join(p.s.data, "authorized_keys")
	_, bobs, _ := strings.Cut(readFile(t, file), "\n")
	writeFile(t, file, bobs+"cert-authority "+readFile(t, authority+".pub"))
	p.s.logs(1, `msg="a nick has no key any more; its history stays`)
	p.does("mallory", "carol", "inbox all", 255, "carol is for whoever has a certificate for it")
	out, status := output(t, p.s.openSSH("carol", []string{p.keys["carol"]}, nil, "inbox"), "") // finds the certificate
	if status != 0 || !strings.Contains(out, "\tbob\tcarol\ta secret") {
		t.Errorf("with the certificate: exit status %d: %s", status, out)
	}
}
