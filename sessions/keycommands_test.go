package sessions_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
)

// public is a name's public key as people paste it.
func public(name string) string {
	return strings.TrimSpace(string(gossh.MarshalAuthorizedKey(signer(name).PublicKey())))
}

func fingerprint(name string) string { return keys.Fingerprint(signer(name).PublicKey()) }

// People see, add and remove their own keys; a removed key's sessions end at once,
// and the last key stays.
func TestOwnKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := connect(t, r.addr, dial{user: "bob", key: "bob", width: 200, height: 50, term: "xterm"})
	bob.enters("/key", "you have 1 key:", fingerprint("bob")+" (ssh-ed25519), added today, in use here")
	bob.enters("/key remove "+fingerprint("bob"), "this is the last key of bob, and cannot be removed")
	bob.enters("/key add "+public("laptop")+" bob@laptop", "added "+fingerprint("laptop"), "it logs in as bob")
	bob.enters("/key add "+public("laptop"), "that key is already yours")
	bob.enters("/key", "you have 2 keys:", fingerprint("laptop")+` (ssh-ed25519) "laptop", added today`)
	laptop := connect(t, r.addr, dial{user: "anything", key: "laptop", width: 200, height: 50, term: "xterm"})
	laptop.sees("your key's nick is bob")
	laptop.enters("/key", fingerprint("laptop")+` (ssh-ed25519) "laptop", added today, in use here`, fingerprint("bob")+" (ssh-ed25519), added today, last used ")
	laptop.enters("/key remove "+strings.TrimPrefix(fingerprint("bob"), "SHA256:"), "removed "+fingerprint("bob"))
	bob.sees("your key was removed", "(exit status 1)")
	laptop.enters("/key remove "+fingerprint("laptop"), "this is the last key of bob")
	connect(t, r.addr, dial{user: "bob", key: "bob", command: "say hello"}).sees("bob is held by another key")
}

// A key that somebody pastes as a command's input.
func TestKeyFromInput(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	run := connect(t, r.addr, dial{user: "bob", key: "bob", command: "key add -"})
	run.typed(public("laptop") + " bob@my laptop\n")
	run.ch.CloseWrite()
	run.sees(fingerprint("laptop")+"\tssh-ed25519\t", "\tvalid\tmy-laptop", "(exit status 0)")
}

// What is no key, or somebody else's, is refused in words that move no cursor.
func TestKeyRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.pipe("carol")
	bob := connect(t, r.addr, dial{user: "bob", key: "bob", width: 200, height: 60, term: "xterm"})
	for _, c := range [][2]string{
		{"/key add", "missing key; paste"},
		{"/key remove", "missing fingerprint"},
		{"/key steal", `"steal" is not add, remove or leave`},
		{"/key add nonsense", "not added: line 1: it is not a public key (type, base64 and comment are expected); give the whole line of a .pub file"},
		{"/key add " + public("carol"), "this key already holds carol"},
		{"/key add -----BEGIN OPENSSH PRIVATE KEY-----", "this is a private key; keep it to yourself"},
		{`/key add environment="ROLE=operator" ` + public("laptop"), "it has options"},
		{"/key add ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQ", "not added: line 1: it is not a public key (its base64"},
		{"/key remove " + fingerprint("carol"), "none of your keys has this fingerprint"},
		{"/key remove SHA256:\u202e\u200bx", "none of your keys has this fingerprint"},
		{"/key add \x9b2J\u202e\u2066evil", "not added: line 1: it is not a public key ("},
	} {
		bob.enters(c[0], c[1])
	}
	if strange := bob.strange(); len(strange) > 0 {
		t.Errorf("bob got %q", strange)
	}
	guest := connect(t, r.addr, dial{user: "eve", command: "key"})
	guest.sees("guests have no keys", "(exit status 4)")
	connect(t, r.addr, dial{user: "eve", command: "key add " + public("x")}).sees("guests have no keys")
	if raw, _ := os.ReadFile(filepath.Join(r.dir, "authorized_keys")); strings.Count(string(raw), "\n") != 2 || strings.Contains(string(raw), "ROLE") {
		t.Errorf("the file is now:\n%s", raw)
	}
}

// Nobody gets around the limits of a key by adding another one, and no new key is
// an operator's.
func TestAddedKeysAreLimitedAlike(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	line := `from="127.0.0.0/8",expiry-time="20990101Z",environment="ROLE=operator" ` + public("olivia") + " olivia\n"
	r.must(os.WriteFile(filepath.Join(r.dir, "authorized_keys"), []byte(line), 0o600))
	r.must(r.registry.Reload())
	olivia := connect(t, r.addr, dial{user: "olivia", key: "olivia", width: 200, height: 50, term: "xterm"})
	olivia.enters("/key add "+public("spare"), "added "+fingerprint("spare"), "but not as an operator")
	for _, e := range r.registry.Keys("olivia") {
		if e.From != "127.0.0.0/8" || e.Expires.Year() != 2099 && e.Expires.Year() != 2098 {
			t.Errorf("%+v", e)
		}
	}
	connect(t, r.addr, dial{user: "olivia", key: "spare", command: "bans"}).sees("only operators can do that")
	olivia.enters("/key remove "+fingerprint("spare"), "cannot be removed")
}
