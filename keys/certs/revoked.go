package certs

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"whoelse/internal/atomicfile"
	"whoelse/keys"

	gossh "golang.org/x/crypto/ssh"
)

// Revoked is a file of what is accepted no more: public keys, fingerprints, and
// certificates by serial or id, one a line, or a binary KRL of OpenSSH's. Its methods
// may be called concurrently, also on nil, which revokes nothing.
//
// The file is looked at before each answer and read anew when it has changed. One
// that cannot be read or understood changes nothing: a line skipped would be a key
// not revoked.
type Revoked struct {
	path string
	log  *slog.Logger
	file atomicfile.Watched

	loading sync.Mutex // held while the file is read again

	mu  sync.RWMutex // guards set, not across I/O
	set *set
}

// OpenRevoked reads the file, which has to be there.
func OpenRevoked(path string, log *slog.Logger) (*Revoked, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Revoked{path: path, log: slog.New(slog.DiscardHandler), set: newSet()}
	r.file.Path, r.file.Now = path, time.Now
	if err := r.Reload(); err != nil {
		return nil, err
	}
	r.log = log // now that something was read before
	return r, nil
}

// Reload reads the file now. On an error, what was read before stays.
func (r *Revoked) Reload() error {
	if r == nil {
		return nil
	}
	r.loading.Lock()
	defer r.loading.Unlock()
	return r.load()
}

func (r *Revoked) load() error {
	looked := r.file.Look()
	stamp, fresh, err := r.read()
	if err != nil {
		if again := r.file.Failed(looked, err); !again {
			r.log.Error("the revoked keys can't be read; what was revoked before stays revoked, and nothing new is", "err", err)
		}
		return err
	}
	r.file.Read(stamp)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set = fresh
	return nil
}

func (r *Revoked) read() (atomicfile.Stamp, *set, error) {
	f, err := atomicfile.Store{}.Read(r.path)
	if err != nil {
		return f.Stamp, nil, err
	}
	if !f.Stamp.Exists() {
		return f.Stamp, nil, fmt.Errorf("%s is not there; where nothing is revoked it is an empty file (touch %[1]s)", r.path)
	}
	s, err := parse(f.Data)
	if err != nil {
		return f.Stamp, nil, fmt.Errorf("%s: %w", r.path, err)
	}
	return f.Stamp, s, nil
}

// current gives the newest version that could be read, or, while somebody is reading a
// newer one, the one before.
func (r *Revoked) current() *set {
	if r.file.Due() && r.loading.TryLock() {
		_ = r.load() // logged there
		r.loading.Unlock()
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.set
}

// Key tells whether a plain key is revoked, or the key in a certificate, or the one
// that signed it.
func (r *Revoked) Key(key keys.PublicKey) bool {
	if r == nil || key == nil {
		return false
	}
	s := r.current()
	if cert, ok := key.(*gossh.Certificate); ok {
		return s.certificate(cert)
	}
	return s.key(key)
}

// Certificate tells whether a certificate is revoked, by itself, by its key, or by
// its authority's.
func (r *Revoked) Certificate(cert *gossh.Certificate) bool { return r.Key(cert) }

// set is what a file says. It does not change once parsed.
type set struct {
	keys   map[string]bool // by wire form
	sha256 map[[sha256.Size]byte]bool
	sha1   map[[sha1.Size]byte]bool
	certs  map[string]*certSet // by the authority's wire form; "" is any
}

// certSet is which certificates of one authority are revoked.
type certSet struct {
	serials map[uint64]bool
	ranges  [][2]uint64
	ids     map[string]bool
}

func newSet() *set {
	return &set{
		keys: make(map[string]bool), sha256: make(map[[sha256.Size]byte]bool),
		sha1: make(map[[sha1.Size]byte]bool), certs: make(map[string]*certSet),
	}
}

func (s *set) of(authority string) *certSet {
	c := s.certs[authority]
	if c == nil {
		c = &certSet{serials: make(map[uint64]bool), ids: make(map[string]bool)}
		s.certs[authority] = c
	}
	return c
}

func (s *set) key(key gossh.PublicKey) bool { return s.blob(key.Marshal()) }

func (s *set) blob(blob []byte) bool {
	return s.keys[string(blob)] || s.sha256[sha256.Sum256(blob)] || s.sha1[sha1.Sum(blob)]
}

func (s *set) certificate(cert *gossh.Certificate) bool {
	if s.blob(cert.Marshal()) || s.key(cert.Key) || s.key(cert.SignatureKey) {
		return true
	}
	for _, authority := range []string{"", string(cert.SignatureKey.Marshal())} {
		if c := s.certs[authority]; c != nil && c.has(cert) {
			return true
		}
	}
	return false
}

// has never takes serial 0 for a number: it is what a certificate has that was
// given none.
func (c *certSet) has(cert *gossh.Certificate) bool {
	if c.ids[cert.KeyId] {
		return true
	}
	if cert.Serial == 0 {
		return false
	}
	if c.serials[cert.Serial] {
		return true
	}
	for _, r := range c.ranges {
		if r[0] <= cert.Serial && cert.Serial <= r[1] {
			return true
		}
	}
	return false
}

func parse(data []byte) (*set, error) {
	if bytes.HasPrefix(data, []byte(krlMagic)) {
		return parseKRL(data)
	}
	return parseList(data)
}
