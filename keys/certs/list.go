package certs

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"whoelse/keys/internal/sanitize"

	gossh "golang.org/x/crypto/ssh"
)

// parseList reads the text form. Each line is a public key, its fingerprint, or one of
//
//	serial: 17
//	id: alice's old laptop
//
// One line that is none of these spoils the file. Serials and ids count for every authority;
// what needs more is a KRL.
func parseList(data []byte) (*set, error) {
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, errors.New("it is neither text nor a KRL")
	}
	s := newSet()
	num := 0
	for raw := range bytes.Lines(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))) {
		num++
		text := strings.TrimSpace(string(raw))
		if text == "" || text[0] == '#' {
			continue
		}
		if err := s.addLine(text); err != nil {
			return nil, fmt.Errorf("line %d: %w", num, err)
		}
	}
	return s, nil
}

func (s *set) addLine(text string) error {
	name, value, _ := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	switch name {
	case "SHA256":
		digest, _, _ := strings.Cut(value, " ") // a comment may follow
		sum, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(digest, "="))
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("%s is not a fingerprint; one is SHA256: and 43 characters", sanitize.Quote(text))
		}
		s.keys[string(sum)] = true
		return nil
	case "serial":
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil || n == 0 {
			return fmt.Errorf("%s is not a serial; for a range make a KRL (ssh-keygen -k)", sanitize.Quote(value))
		}
		s.of("").serials[n] = true
		return nil
	case "id":
		if value == "" {
			return errors.New("id: names no certificate")
		}
		s.of("").ids[value] = true
		return nil
	}
	key, _, options, _, err := gossh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(options) > 0 {
		return fmt.Errorf("%s is not a key, fingerprint, serial or id", sanitize.Quote(text))
	}
	s.keys[string(key.Marshal())] = true
	return nil
}
