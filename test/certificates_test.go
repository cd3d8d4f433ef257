package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// certified makes a key with a certificate of ca for nick, and returns the certificate's file.
func certified(t *testing.T, ca, nick string) string {
	t.Helper()
	key := newKey(t)
	certify(t, ca, key, "-n", nick)
	return key + "-cert.pub"
}

// shows has user run a command with one key or certificate, and nothing beside it.
func (s *server) shows(key, user, command string, status int, words string) {
	s.t.Helper()
	shown := &transcript{}
	if got := s.runHere(shown, user, []string{key}, "", command); got != status || !strings.Contains(shown.text.String(), words) {
		s.t.Errorf("%s, %s: exit status %d, want %d and %q:\n%s", user, command, got, status, words, shown.text.String())
	}
}

// What somebody has by a certificate, no key can claim, in an open room too, also after a restart, by a name that
// looks like it, or before the first session where the authority's line names the nick.
func TestNickOfACertificate(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	ca := newKey(t)
	public := strings.TrimSpace(readFile(t, ca+".pub"))
	file := filepath.Join(p.s.data, "authorized_keys")
	appendLine(t, file, "cert-authority "+public)
	p.s.logs(1, " keys=1 ")
	guest := sitDown(t, "guest", p.s.openSSH("dora", nil, nil))
	guest.sees("you are ~dora")
	dora, mallory := certified(t, ca, "dora"), newKey(t)
	p.s.shows(dora, "dora", "nick", 0, "you are dora")
	guest.sees("dora is now registered to a key")
	online := sitDown(t, "dora", p.s.openSSH("dora", []string{strings.TrimSuffix(dora, "-cert.pub")}, nil)) // offers the key, too
	online.sees("you are dora", "> ")
	p.s.shows(mallory, "dora", "nick", 255, "dora is for whoever has a certificate for it; connect with that")
	p.does("bob", "bob", "send dora a secret", 0, "delivered to dora")
	online.types("quit")
	if status := online.leaves(); status != 0 || strings.Contains(online.all(), "is for whoever") {
		t.Errorf("exit status %d: %s", status, online.all())
	}
	for range 2 {
		p.s.shows(mallory, "dora", "inbox all", 255, "dora is for whoever has a certificate for it; connect with that")
		p.s.shows(mallory, "d0ra", "nick", 255, "d0ra could be taken for dora")
		p.does("", "dora", "nick", 255, "dora is for whoever has a certificate for it")
		p.manages(1, "whoelse keys restore dora", "add", "dora", "--key", mallory+".pub")
		p.manages(1, "dora is for whoever has a certificate", "invite", "dora")
		p.s.shows(dora, "dora", "inbox all", 0, "a secret")
		p.restart()
	}

	p.stop()
	remove(t, filepath.Join(p.s.data, "reserved.json")) // as of a version that has noted nothing
	p.s = startServer(t, p.s.data)
	p.s.shows(mallory, "dora", "inbox all", 255, "dora is for whoever has a certificate for it")

	appendLine(t, file, `cert-authority,principals="emil" `+strings.TrimSpace(readFile(t, newKey(t)+".pub")))
	p.s.logs(1, "added=1 removed=0")
	p.s.shows(mallory, "emil", "nick", 255, "emil is for whoever has a certificate for it")
	p.s.shows(mallory, "ernil", "nick", 255, "ernil could be taken for emil")

	p.stop()
	p.manages(0, "restored dora, with the history", "restore", "dora", "--key", mallory+".pub")
	p.s = startServer(t, p.s.data)
	p.s.shows(mallory, "dora", "inbox all", 0, "a secret")
	p.s.shows(dora, "dora", "inbox all", 255, "dora is held by another key")
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

// A nick that somebody has by a certificate on one server can't be claimed on the others.
func TestClusterCertificate(t *testing.T) {
	t.Parallel()
	_, nodes := startPair(t, newKeys(t, "bob"))
	ca := newKey(t)
	appendLine(t, filepath.Join(nodes[0].data, "authorized_keys"), "cert-authority "+strings.TrimSpace(readFile(t, ca+".pub")))
	if !inTime(func() bool { return strings.Contains(keysOf(t, nodes[1].data), "cert-authority") }) {
		t.Fatal("the authority is not on the other server")
	}
	nodes[0].shows(certified(t, ca, "dora"), "dora", "say hello", 0, "")
	upToDate(nodes...)
	nodes[1].shows(newKey(t), "dora", "inbox all", 255, "dora is for whoever has a certificate for it")
}

// Where there is an authority, what belonged to a nick that lost its keys is for certificates, and no key ever gets at
// it; nor once there is no authority any more.
func TestNickGivenUpForCertificates(t *testing.T) {
	t.Parallel()
	p := newPeople(t, "--nick-reserve", "0")
	file := filepath.Join(p.s.data, "authorized_keys")
	p.does("bob", "bob", "say hello", 0, "")
	p.does("carol", "carol", "send bob a secret", 0, "kept for bob")
	authority := "cert-authority " + strings.TrimSpace(readFile(t, newKey(t)+".pub"))
	appendLine(t, file, authority)
	p.s.logs(1, " keys=3 ")
	p.does("bob", "bob", "key leave bob", 0, "your messages stay for whoever has a certificate for bob")
	p.s.logs(1, "its history stays")
	const refusal = "bob is for whoever has a certificate for it"
	p.does("mallory", "bob", "inbox all", 255, refusal)
	p.restart("--nick-reserve", "0")
	p.does("mallory", "bob", "inbox all", 255, refusal)

	p.stop()
	writeFile(t, file, strings.Replace(readFile(t, file), authority+"\n", "", 1))
	p.s = startServer(t, p.s.data, "--nick-reserve", "0")
	p.s.logs(1, `msg="nick retired" nick=bob`)
	if out, status := p.runs("mallory", "bob", "inbox all"); status != 0 || strings.Contains(out, "secret") {
		t.Errorf("%d: %s", status, out)
	}
}
