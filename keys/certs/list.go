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

const sha256Mark = "SHA256:"

// parseList reads the text form. Each line is a public key, a fingerprint, or one of
//
//	serial: 17
//	serial: 20-29
//	id: alice's old laptop
//	key: ssh-ed25519 AAAA...
//	sha256: SHA256:...
//
// which is what ssh-keygen -k reads, too. One line that is none of these spoils the
// file. Serials and ids count for every authority.
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
	if strings.HasPrefix(text, sha256Mark) {
		return s.addFingerprint(text)
	}
	name, value, _ := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "serial":
		return s.addSerials(value)
	case "id":
		if value == "" {
			return errors.New("id: names no certificate")
		}
		s.of("").ids[value] = true
		return nil
	case "sha256", "hash":
		return s.addFingerprint(value)
	case "key":
		return s.addKey(value)
	case "sha1":
		return errors.New("sha1 is not taken here; write the key itself, or its SHA256 fingerprint")
	}
	return s.addKey(text)
}

func (s *set) addKey(text string) error {
	key, _, options, _, err := gossh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(options) > 0 {
		return fmt.Errorf("%s is not a key, fingerprint, serial or id", sanitize.Quote(text))
	}
	s.keys[string(key.Marshal())] = true
	return nil
}

func (s *set) addFingerprint(text string) error {
	text, _, _ = strings.Cut(text, " ") // a comment may follow
	sum, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimPrefix(text, sha256Mark), "="))
	if err != nil || len(sum) != sha256.Size {
		return fmt.Errorf("%s is not a fingerprint; one has 43 characters after %s", sanitize.Quote(text), sha256Mark)
	}
	s.keys[string(sum)] = true
	return nil
}

func (s *set) addSerials(text string) error {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	a, errA := strconv.ParseUint(strings.TrimSpace(from), 0, 64)
	b, errB := strconv.ParseUint(strings.TrimSpace(to), 0, 64)
	if errA != nil || errB != nil || a > b || b == 0 {
		return fmt.Errorf("%s is not a serial or a range of serials", sanitize.Quote(text))
	}
	s.of("").ranges = append(s.of("").ranges, [2]uint64{a, b})
	return nil
}
