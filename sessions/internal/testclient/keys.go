// Package testclient is for tests: people who come over ssh, each with a key that goes
// by a name, and what they have been shown.
package testclient

import (
	"crypto/ed25519"
	"crypto/sha256"
	"strings"

	gossh "golang.org/x/crypto/ssh"
)

// Signer makes the key that goes by a name: the same in every run, so that its
// fingerprint can stand in a file. The server's own goes by "host".
func Signer(name string) gossh.Signer {
	seed := sha256.Sum256([]byte("whoelse test key of " + name))
	s, err := gossh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	return s
}

// Public is the public half of it, as it stands in authorized_keys.
func Public(name string) string {
	return strings.TrimSpace(string(gossh.MarshalAuthorizedKey(Signer(name).PublicKey())))
}
