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
	bob.enters("/key add "+public("laptop")+" bob@laptop", "added "+fingerprint("laptop"), "connect with it as bob to confirm")
	bob.enters("/key add "+public("laptop"), "added "+fingerprint("laptop"), "connect with it as bob to confirm")
	bob.enters("/key", "you have 2 keys:", "not confirmed: connect with it as bob")
	bob.enters("/key remove "+fingerprint("bob"), "this is the last key of bob")
	bob.enters("/key add "+public("phone"), "added")
	bob.enters("/key remove "+fingerprint("phone"), "removed "+fingerprint("phone"))
	connect(t, r.addr, dial{user: "BOB", key: "laptop", command: "nick"}).sees("you are bob; this key is now confirmed", fingerprint("laptop"))
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

// Anybody can add a public key, and it is somebody's only once its owner comes under that nick: until then it claims
// nicks as if nobody had added it.
func TestKeyOfSomebodyElse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var adders []*client
	for _, nick := range []string{"mallory", "bob"} {
		c := connect(t, r.addr, dial{user: nick, key: nick, width: 200, height: 50, term: "xterm"})
		c.enters("/key add "+public("alice")+"\r/key add "+public("laptop"), "added "+fingerprint("alice"), "added "+fingerprint("laptop"))
		adders = append(adders, c)
	}
	connect(t, r.addr, dial{user: "alice", key: "alice", command: "nick"}).sees("you are alice; this nick is now registered to your key")
	connect(t, r.addr, dial{user: "bob", key: "laptop", command: "nick"}).sees("you are bob; this key is now confirmed")
	connect(t, r.addr, dial{user: "mallory", key: "alice", command: "nick"}).sees("your key's nick is alice")
	connect(t, r.addr, dial{user: "mallory", key: "laptop", command: "nick"}).sees("your key's nick is bob")
	for nick, want := range map[string]int{"mallory": 1, "bob": 2, "alice": 1} {
		if got := r.registry.Keys(nick); len(got) != want || got[len(got)-1].Pending {
			t.Errorf("%s has %+v", nick, got)
		}
	}
	mallory := adders[0]
	mallory.enters("/key add "+public("alice"), "not added: this key already belongs to another nick")
	mallory.neverSaw("alice")
}

// A key that somebody pastes as a command's input.
func TestKeyFromInput(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	run := connect(t, r.addr, dial{user: "bob", key: "bob", command: "key add -"})
	run.typed(public("laptop") + " bob@my laptop\n")
	run.ch.CloseWrite()
	run.sees(fingerprint("laptop")+"\tssh-ed25519\t", "\tpending\tmy-laptop", "(exit status 0)")
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
		{"/key add " + public("carol"), "not added: this key already belongs to another nick"},
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
	olivia.enters("/key add "+public("spare"), "added "+fingerprint("spare"), "connect with it as olivia to confirm (without operator rights)")
	for _, e := range r.registry.Keys("olivia") {
		if e.From != "127.0.0.0/8" || e.Expires.Year() != 2099 && e.Expires.Year() != 2098 {
			t.Errorf("%+v", e)
		}
	}
	connect(t, r.addr, dial{user: "olivia", key: "spare", command: "bans"}).sees("only operators can do that")
	olivia.enters("/key remove "+fingerprint("spare"), "cannot be removed")
}
