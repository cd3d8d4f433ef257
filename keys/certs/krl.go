package certs

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	gossh "golang.org/x/crypto/ssh"
)

// krlMagic begins every binary KRL; the format is in OpenSSH's PROTOCOL.krl.
const krlMagic = "SSHKRL\n\x00"

// Kinds of a KRL's sections, and of the parts of its section on certificates.
const (
	krlCertificates = 1
	krlKeys         = 2
	krlSHA1         = 3
	krlSignature    = 4
	krlSHA256       = 5
	krlExtension    = 255

	krlSerials      = 0x20
	krlSerialRange  = 0x21
	krlSerialBitmap = 0x22
	krlKeyIDs       = 0x23
	krlCertExt      = 0x39
)

var errCut = errors.New("the KRL is cut short or damaged")

// unmarshal reads a struct of the ssh protocol's types, all of data.
func unmarshal(data []byte, v any) error {
	if gossh.Unmarshal(data, v) != nil {
		return errCut
	}
	return nil
}

// parseKRL reads a binary KRL. Anything unknown in it makes it refuse the whole file,
// except extensions that say that they may be skipped.
func parseKRL(data []byte) (*set, error) {
	var krl struct {
		Magic                 [len(krlMagic)]byte
		Format                uint32
		Version, Made, Flags  uint64
		Reserved, Description string
		Sections              []byte `ssh:"rest"`
	}
	if err := unmarshal(data, &krl); err != nil {
		return nil, err
	}
	if krl.Format != 1 {
		return nil, fmt.Errorf("KRL format %d is not known", krl.Format)
	}
	s := newSet()
	return s, eachBlock(krl.Sections, s.section)
}

// eachBlock calls f with each section, or part of one.
func eachBlock(data []byte, f func(kind byte, body []byte) error) error {
	for len(data) > 0 {
		var block struct {
			Kind byte
			Body []byte
			Rest []byte `ssh:"rest"`
		}
		if err := unmarshal(data, &block); err != nil {
			return err
		}
		if err := f(block.Kind, block.Body); err != nil {
			return err
		}
		data = block.Rest
	}
	return nil
}

// addStrings adds each of the strings in data to m; size, unless 0, is that of each.
func addStrings(m map[string]bool, data []byte, size int) error {
	for len(data) > 0 {
		var one struct {
			Text string
			Rest []byte `ssh:"rest"`
		}
		if err := unmarshal(data, &one); err != nil {
			return err
		}
		if size > 0 && len(one.Text) != size {
			return errCut
		}
		m[one.Text] = true
		data = one.Rest
	}
	return nil
}

func (s *set) section(kind byte, body []byte) error {
	switch kind {
	case krlCertificates:
		var of struct {
			Authority, Reserved string
			Parts               []byte `ssh:"rest"`
		}
		if err := unmarshal(body, &of); err != nil {
			return err
		}
		return eachBlock(of.Parts, s.of(of.Authority).part)
	case krlKeys, krlSHA1, krlSHA256:
		size := map[byte]int{krlSHA1: sha1.Size, krlSHA256: sha256.Size}[kind]
		return addStrings(s.keys, body, size)
	case krlSignature:
		return errors.New("the KRL is signed, which cannot be checked here; make one without")
	case krlExtension:
		return skipExtension(body)
	}
	return fmt.Errorf("the KRL has a section of kind %d, which is not known here", kind)
}

func (c *certSet) part(kind byte, body []byte) error {
	switch kind {
	case krlSerials:
		for ; len(body) >= 8; body = body[8:] {
			c.serials[binary.BigEndian.Uint64(body)] = true
		}
		if len(body) > 0 {
			return errCut
		}
		return nil
	case krlSerialRange:
		var r struct{ From, To uint64 }
		if err := unmarshal(body, &r); err != nil || r.From > r.To {
			return errCut
		}
		c.ranges = append(c.ranges, [2]uint64{r.From, r.To})
		return nil
	case krlSerialBitmap: // bit i is the serial Offset+i
		var b struct {
			Offset uint64
			Bits   []byte
		}
		if err := unmarshal(body, &b); err != nil {
			return err
		}
		bits := new(big.Int).SetBytes(b.Bits)
		for i := range bits.BitLen() {
			if bits.Bit(i) == 1 {
				c.serials[b.Offset+uint64(i)] = true
			}
		}
		return nil
	case krlKeyIDs:
		return addStrings(c.ids, body, 0)
	case krlCertExt:
		return skipExtension(body)
	}
	return fmt.Errorf("the KRL has serials of kind %#x, which is not known here", kind)
}

func skipExtension(body []byte) error {
	var e struct {
		Name     string
		Critical bool
		Rest     []byte `ssh:"rest"`
	}
	if err := unmarshal(body, &e); err != nil {
		return err
	}
	if e.Critical {
		return errors.New("the KRL needs an extension that is not known here")
	}
	return nil
}
