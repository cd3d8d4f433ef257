package keys

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/gliderlabs/ssh"
)

// Bounds of what ParseKeys takes.
const (
	pasteMax     = 1 << 20
	pasteMaxKeys = 1000
)

// ParseKeys reads public keys as people have them: a .pub file, several of them, the
// output of ssh-add -L, or what was pasted from these. Blank lines and comments are
// skipped. All keys have to be good, by CheckKey, or none is given; the error tells
// which line is not. Comments are not kept: who a key is for is said by whoever adds
// it. It may be called concurrently.
func ParseKeys(text []byte) ([]PublicKey, error) {
	if err := notKeys(text); err != nil {
		return nil, err
	}
	var list []PublicKey
	num := 0
	for one := range textLines(text) {
		num++
		if !hasEntry(one) {
			continue
		}
		key, err := parseKey(one)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", num, err)
		}
		if !contains(list, key) {
			list = append(list, key)
		}
		if len(list) > pasteMaxKeys {
			return nil, fmt.Errorf("there are more than %d keys", pasteMaxKeys)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return list, nil
}

// notKeys knows what people hand over by mistake.
func notKeys(text []byte) error {
	switch {
	case len(text) > pasteMax:
		return fmt.Errorf("it is %d bytes long, more than %d", len(text), pasteMax)
	case bytes.Contains(text, []byte("PRIVATE KEY")):
		return errors.New("this is a private key; keep it to yourself, and give the file that ends in .pub")
	case bytes.Contains(text, []byte("BEGIN SSH2 PUBLIC KEY")):
		return errors.New("this is a key in SSH2 format; turn it into OpenSSH's with: ssh-keygen -i -f FILE")
	case bytes.HasPrefix(bytes.TrimSpace(text), []byte("The agent has no identities")):
		return errors.New("the agent has no keys")
	}
	return nil
}

func parseKey(text []byte) (PublicKey, error) {
	if len(text) > lineMax {
		return nil, fmt.Errorf("it is %d bytes long, more than %d", len(text), lineMax)
	}
	if bytes.ContainsAny(text, "\x00\r") {
		return nil, errors.New("it has control characters")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, errors.New("it is not a public key (" + parseReason(err) + "); give the whole line of a .pub file")
	}
	if len(options) > 0 {
		return nil, fmt.Errorf("it has options (%s) before the key; give only the key", show(options[0]))
	}
	return key, CheckKey(key)
}

func contains(list []PublicKey, key PublicKey) bool {
	return slices.ContainsFunc(list, func(k PublicKey) bool { return ssh.KeysEqual(k, key) })
}
