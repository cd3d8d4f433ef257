package certs

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
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

// parseKRL reads a binary KRL. What it does not know makes it refuse the whole file,
// but for extensions that say that they may be skipped.
func parseKRL(data []byte) (*set, error) {
	w := wire{rest: data[len(krlMagic):]}
	if version := w.uint32(); w.err == nil && version != 1 {
		return nil, fmt.Errorf("KRL format %d is not known", version)
	}
	w.take(8 * 3)  // the list's own version, when it was made, flags
	w.stringsOf(2) // reserved, comment
	s := newSet()
	for w.more() {
		kind := w.byte()
		body := w.string()
		if w.err != nil {
			break
		}
		if err := s.section(kind, body); err != nil {
			return nil, err
		}
	}
	return s, w.err
}

func (s *set) section(kind byte, body []byte) error {
	w := wire{rest: body}
	switch kind {
	case krlCertificates:
		return s.certSection(&w)
	case krlKeys:
		w.each(func(blob []byte) { s.keys[string(blob)] = true })
	case krlSHA1:
		w.each(func(sum []byte) {
			if w.sized(sum, sha1.Size) {
				s.sha1[[sha1.Size]byte(sum)] = true
			}
		})
	case krlSHA256:
		w.each(func(sum []byte) {
			if w.sized(sum, sha256.Size) {
				s.sha256[[sha256.Size]byte(sum)] = true
			}
		})
	case krlSignature:
		return errors.New("the KRL is signed, which cannot be checked here; make one without")
	case krlExtension:
		return w.extension()
	default:
		return fmt.Errorf("the KRL has a section of kind %d, which is not known here", kind)
	}
	return w.err
}

func (s *set) certSection(w *wire) error {
	authority := string(w.string())
	w.stringsOf(1) // reserved
	c := s.of(authority)
	for w.more() {
		kind := w.byte()
		body := wire{rest: w.string()}
		if w.err != nil {
			break
		}
		if err := c.part(kind, &body); err != nil {
			return err
		}
	}
	return w.err
}

func (c *certSet) part(kind byte, w *wire) error {
	switch kind {
	case krlSerials:
		for w.more() {
			c.serials[w.uint64()] = true
		}
	case krlSerialRange:
		from, to := w.uint64(), w.uint64()
		if from > to {
			return errCut
		}
		c.ranges = append(c.ranges, [2]uint64{from, to})
	case krlSerialBitmap:
		c.bitmap(w.uint64(), w.string())
	case krlKeyIDs:
		w.each(func(id []byte) { c.ids[string(id)] = true })
	case krlCertExt:
		return w.extension()
	default:
		return fmt.Errorf("the KRL has serials of kind %#x, which is not known here", kind)
	}
	return w.err
}

// bitmap adds offset+i for every bit i that is set.
func (c *certSet) bitmap(offset uint64, bits []byte) {
	n := new(big.Int).SetBytes(bits)
	for i := range n.BitLen() {
		if n.Bit(i) == 1 {
			c.serials[offset+uint64(i)] = true
		}
	}
}

// wire reads the ssh protocol's types. After an error it gives zeros.
type wire struct {
	rest []byte
	err  error
}

func (w *wire) more() bool { return w.err == nil && len(w.rest) > 0 }

func (w *wire) take(n uint64) []byte {
	if w.err != nil || n > uint64(len(w.rest)) {
		w.err, w.rest = errCut, nil
		return make([]byte, min(n, 8))
	}
	b := w.rest[:n]
	w.rest = w.rest[n:]
	return b
}

func (w *wire) byte() byte     { return w.take(1)[0] }
func (w *wire) uint32() uint32 { return binary.BigEndian.Uint32(w.take(4)) }
func (w *wire) uint64() uint64 { return binary.BigEndian.Uint64(w.take(8)) }
func (w *wire) string() []byte { return w.take(uint64(w.uint32())) }

func (w *wire) stringsOf(n int) {
	for range n {
		w.string()
	}
}

func (w *wire) each(f func([]byte)) {
	for w.more() {
		if b := w.string(); w.err == nil {
			f(b)
		}
	}
}

func (w *wire) sized(b []byte, n int) bool {
	if len(b) != n {
		w.err = errCut
	}
	return len(b) == n
}

func (w *wire) extension() error {
	w.string() // its name
	if critical := w.byte(); w.err == nil && critical != 0 {
		return errors.New("the KRL needs an extension that is not known here")
	}
	return w.err
}
