package invites

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

const codeLen = 16 // letters and digits, which 10 random bytes make

// alphabet is Crockford's: without i, l, o and u, so that nobody misreads a code.
var alphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newCode gives a code as it is shown: xxxx-xxxx-xxxx-xxxx.
func newCode() string {
	var raw [10]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program instead
	s := alphabet.EncodeToString(raw[:])
	return strings.Join([]string{s[:4], s[4:8], s[8:12], s[12:]}, "-")
}

// readCode undoes what happens to a code that is copied by hand: capitals, other groups, o
// for 0, i and l for 1. Text that cannot be a code gives "".
func readCode(s string) string {
	if len(s) > 4*codeLen {
		return ""
	}
	s = strings.NewReplacer("-", "", " ", "", "o", "0", "i", "1", "l", "1").Replace(strings.ToLower(s))
	if _, err := alphabet.DecodeString(s); err != nil || len(s) != codeLen {
		return ""
	}
	return s
}

// hash is stored instead of a code; it is empty for text that cannot be one. It takes the
// nick in, so that a code is good for no other. The code is random enough for a hash that is fast.
func hash(nick, code string) string {
	read := readCode(code)
	if read == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("whoelse invite\x00" + nick + "\x00" + read))
	return hex.EncodeToString(sum[:])
}
