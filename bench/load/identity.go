package load

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
)

// Auth says how the clients show who they are.
type Auth string

// The ways to log in.
const (
	AuthKnown Auth = "known" // by a key that the server's authorized_keys names
	AuthNew   Auth = "new"   // by a key never seen, which claims the nick
	AuthGuest Auth = "guest" // without a key
)

// ParseAuth checks a way to log in.
func ParseAuth(s string) (Auth, error) {
	switch a := Auth(s); a {
	case AuthKnown, AuthNew, AuthGuest:
		return a, nil
	}
	return "", fmt.Errorf("auth %q: known, new or guest", s)
}

// Identity is one client's name and key. The key follows from the number, so
// that every run, and every server in it, meets the same people.
type Identity struct {
	Number int
	Auth   Auth
	Cipher string
}

// Kind says what a client's session and socket are like.
type Kind struct {
	Columns int    // of its pty; none is asked for at 0
	Gated   bool   // its reading can be stopped
	Small   bool   // its socket has small buffers, as over a long line
	From    net.IP // the address that it comes from; the kernel's choice if nil
}

// Nick is the client's name on the server.
func (i Identity) Nick() string { return fmt.Sprintf("u%04d", i.Number) }

func (i Identity) signer() (ssh.Signer, error) {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, "load generator")
	binary.BigEndian.PutUint64(seed[ed25519.SeedSize-8:], uint64(i.Number))
	signer, err := ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return signer, nil
}

// AuthorizedKey is the identity as a line of an authorized_keys file.
func (i Identity) AuthorizedKey() ([]byte, error) {
	signer, err := i.signer()
	if err != nil {
		return nil, err
	}
	line := ssh.MarshalAuthorizedKey(signer.PublicKey())
	return fmt.Appendf(nil, "%s %s@bench\n", line[:len(line)-1], i.Nick()), nil
}

// config offers the same algorithms to every server, in the order in which
// OpenSSH does, so that a comparison compares servers and not ciphers.
func (i Identity) config() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{
		User: i.Nick(),
		// The server is a child of this process on the loopback interface.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		ClientVersion:   "SSH-2.0-whoelse_bench",
	}
	config.KeyExchanges = []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519}
	config.Ciphers = []string{i.Cipher}
	if i.Auth == AuthGuest {
		config.Auth = []ssh.AuthMethod{ssh.KeyboardInteractive(noAnswers)}
		return config, nil
	}
	signer, err := i.signer()
	if err != nil {
		return nil, err
	}
	config.Auth = []ssh.AuthMethod{ssh.PublicKeys(signer)}
	return config, nil
}

func noAnswers(_, _ string, questions []string, _ []bool) ([]string, error) {
	return make([]string, len(questions)), nil
}
