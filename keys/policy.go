package keys

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	gossh "golang.org/x/crypto/ssh"
)

// ErrKeyRefused is what every error of CheckKey is (errors.Is).
var ErrKeyRefused = errors.New("key refused")

// Bounds of RSA keys. Below, they can be forged; above, each look at a signature
// costs more than a stranger should be able to make us spend.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// typeDSA is spelt out because the library's name for it is marked as not to be used.
const typeDSA = "ssh-dss"

type keyError struct{ why string }

func (e keyError) Error() string        { return e.why }
func (e keyError) Is(target error) bool { return target == ErrKeyRefused }

// CheckKey refuses what is no fit plain public key, in words for the key's owner.
// It costs next to nothing and is meant to be asked before anything else is done
// with a key. It may be called concurrently.
func CheckKey(key PublicKey) error {
	if key == nil {
		return keyError{"there is no key"}
	}
	switch t := key.Type(); t {
	case gossh.KeyAlgoED25519, gossh.KeyAlgoSKED25519,
		gossh.KeyAlgoECDSA256, gossh.KeyAlgoECDSA384, gossh.KeyAlgoECDSA521, gossh.KeyAlgoSKECDSA256:
		return nil
	case gossh.KeyAlgoRSA:
		return checkRSA(key)
	case typeDSA:
		return keyError{"DSA keys are too weak; make a new one with: ssh-keygen -t ed25519"}
	default:
		if IsCertificate(key) {
			return keyError{"this is a certificate, and a plain public key is expected"}
		}
		return keyError{fmt.Sprintf("keys of type %s are not known here; use an ed25519 key", show(t))}
	}
}

// IsCertificate tells whether key is an OpenSSH certificate and not a plain key.
func IsCertificate(key PublicKey) bool {
	return key != nil && strings.Contains(key.Type(), "-cert-v")
}

func checkRSA(key PublicKey) error {
	bits, err := rsaBits(key)
	switch {
	case err != nil:
		return keyError{"this RSA key cannot be read"}
	case bits < minRSABits:
		return keyError{fmt.Sprintf("an RSA key of %d bits is too weak, %d are needed; better: ssh-keygen -t ed25519", bits, minRSABits)}
	case bits > maxRSABits:
		return keyError{fmt.Sprintf("an RSA key of %d bits is too long, at most %d are taken; better: ssh-keygen -t ed25519", bits, maxRSABits)}
	}
	return nil
}

func rsaBits(key PublicKey) (int, error) {
	c, ok := key.(gossh.CryptoPublicKey)
	if !ok {
		parsed, err := gossh.ParsePublicKey(key.Marshal())
		if err != nil {
			return 0, err
		}
		if c, ok = parsed.(gossh.CryptoPublicKey); !ok {
			return 0, errors.New("not a key of Go's")
		}
	}
	pub, ok := c.CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return 0, errors.New("not an RSA key")
	}
	return pub.N.BitLen(), nil
}
