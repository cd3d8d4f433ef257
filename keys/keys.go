// Package keys knows who holds which nick.
//
// The registry is one file in OpenSSH's authorized_keys format, made to be edited
// by hand: the nick is the comment up to its first '@', or environment="NICK=bob"
// where that is given.
//
//	host, err := keys.HostKey(filepath.Join(data, "host_key"))
//	reg, err := keys.Open(filepath.Join(data, "authorized_keys"), log)
//	go reg.Watch(ctx)
//
//	err = keys.CheckKey(pub)                // weak and odd keys, before all else
//	h, err := reg.LookupAs(pub, n, addr)    // whose key is this?
//	switch {
//	case err == nil && h.Pending:           // h.Nick, which is n
//		err = reg.Confirm(n, pub)       // from now on whatever the username says
//	case err == nil:                        // h.Nick, whatever the username says
//	case errors.Is(err, keys.ErrUnknownKey) && !reg.Registered(n):
//		err = reg.Claim(n, pub)         // from now on n is this key's
//	default:                                // errors.Is(err, keys.ErrNotValid): refuse
//	}
//
// A key that was only offered is not proven: Lookup says who would hold it, not who
// is there. Ask about the key that signed.
//
// Every text of an error of this package is fit to be shown to a person and to be
// logged: what comes from the file or from a peer is quoted or cleaned, and cut.
package keys

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys/internal/sanitize"
)

// PublicKey is a key as it comes from a connection or a file. The type is
// interchangeable with that of the ssh server library's public keys.
type PublicKey = ssh.PublicKey

// Fingerprint is what ssh-keygen -l shows: "SHA256:" and unpadded base64.
func Fingerprint(key PublicKey) string { return gossh.FingerprintSHA256(key) }

// IsCertificate tells whether key is an OpenSSH certificate and not a plain key.
func IsCertificate(key PublicKey) bool {
	return key != nil && strings.Contains(key.Type(), "-cert-v")
}

const (
	// Bounds of RSA keys. Below, they can be forged; above, each look at a signature
	// costs more than a stranger should be able to make us spend.
	minRSABits = 2048
	maxRSABits = 4096

	typeDSA = "ssh-dss" // the library's name for it is deprecated

	// Bounds of what ParseKeys takes.
	pasteMax     = 1 << 20
	pasteMaxKeys = 1000
)

// CheckKey refuses what is no fit plain public key (ErrKeyRefused), in words for the
// key's owner. It costs next to nothing and is meant to be asked before anything else is
// done with a key. It may be called concurrently.
func CheckKey(key PublicKey) error {
	if key == nil {
		return refuse(ErrKeyRefused, "there is no key")
	}
	switch t := key.Type(); t {
	case gossh.KeyAlgoED25519, gossh.KeyAlgoSKED25519,
		gossh.KeyAlgoECDSA256, gossh.KeyAlgoECDSA384, gossh.KeyAlgoECDSA521, gossh.KeyAlgoSKECDSA256:
		return nil
	case gossh.KeyAlgoRSA:
		return checkRSA(key)
	case typeDSA:
		return refuse(ErrKeyRefused, "DSA keys are too weak; make a new one with: ssh-keygen -t ed25519")
	default:
		if IsCertificate(key) {
			return refuse(ErrKeyRefused, "this is a certificate, and a plain public key is expected")
		}
		return refuse(ErrKeyRefused, "keys of type %s are not known here; use an ed25519 key", sanitize.Quote(t))
	}
}

func checkRSA(key PublicKey) error {
	var k struct {
		Type string
		E, N *big.Int
	}
	if gossh.Unmarshal(key.Marshal(), &k) != nil {
		return refuse(ErrKeyRefused, "this RSA key cannot be read")
	}
	switch bits := k.N.BitLen(); {
	case bits < minRSABits:
		return refuse(ErrKeyRefused,
			"an RSA key of %d bits is too weak, %d are needed; better: ssh-keygen -t ed25519", bits, minRSABits)
	case bits > maxRSABits:
		return refuse(ErrKeyRefused,
			"an RSA key of %d bits is too long, at most %d are taken; better: ssh-keygen -t ed25519", bits, maxRSABits)
	}
	return nil
}

// ParseKeys reads public keys as people have them: a .pub file, several of them, the
// output of ssh-add -L, or what was pasted from these. Blank lines and comments are
// skipped. All keys have to be good, by CheckKey, or none is given; the error tells
// which line is not. Of comments only labels are kept, one for each key: the caller says who a key is for.
// It may be called concurrently.
func ParseKeys(text []byte) (list []PublicKey, labels []string, err error) {
	switch { // what people hand over by mistake
	case len(text) > pasteMax:
		return nil, nil, fmt.Errorf("it is %d bytes long, more than %d", len(text), pasteMax)
	case bytes.Contains(text, []byte("PRIVATE KEY")):
		return nil, nil, errors.New("this is a private key; keep it to yourself, and give the file that ends in .pub")
	case bytes.Contains(text, []byte("BEGIN SSH2 PUBLIC KEY")):
		return nil, nil, errors.New("this is a key in SSH2 format; turn it into OpenSSH's with: ssh-keygen -i -f FILE")
	case bytes.HasPrefix(bytes.TrimSpace(text), []byte("The agent has no identities")):
		return nil, nil, errors.New("the agent has no keys")
	}
	num := 0
	for one := range bytes.Lines(bytes.TrimPrefix(text, bom)) {
		num++
		one = withoutEnd(one)
		if !hasEntry(one) {
			continue
		}
		key, comment, options, err := readKey(one, "it is not a public key (%s); give the whole line of a .pub file")
		if len(options) > 0 {
			err = fmt.Errorf("it has options (%s) before the key; give only the key", sanitize.Quote(options[0]))
		}
		if err == nil {
			err = CheckKey(key)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", num, err)
		}
		if !contains(list, key) {
			list, labels = append(list, key), append(labels, label(comment))
		}
		if len(list) > pasteMaxKeys {
			return nil, nil, fmt.Errorf("there are more than %d keys", pasteMaxKeys)
		}
	}
	if len(list) == 0 {
		return nil, nil, errors.New("there is no key in it")
	}
	return list, labels, nil
}

func contains(list []PublicKey, key PublicKey) bool {
	return slices.ContainsFunc(list, func(k PublicKey) bool { return ssh.KeysEqual(k, key) })
}
