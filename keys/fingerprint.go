package keys

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/gliderlabs/ssh"
)

// PublicKey is a key as it comes from a connection or a file. The type is
// interchangeable with that of the ssh server library's public keys.
type PublicKey = ssh.PublicKey

// Fingerprint is what ssh-keygen -l shows: "SHA256:" and unpadded base64.
func Fingerprint(key PublicKey) string {
	sum := sha256.Sum256(key.Marshal())
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
