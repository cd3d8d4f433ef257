package certs

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"whoelse/internal/disk"
	"whoelse/keys"

	gossh "golang.org/x/crypto/ssh"
)

// Revoked is a file of what is accepted no more: public keys, fingerprints, and
// certificates by serial or id, one a line, or a binary KRL of OpenSSH's. Its methods
// may be called concurrently, also on nil, which revokes nothing.
//
// The file is looked at before each answer and read again when it has changed. One
// that cannot be read or understood changes nothing: a line skipped would be a key
// not revoked.
type Revoked struct {
	path string
	log  *slog.Logger
	file disk.Watched

	loading sync.Mutex // held while the file is read again

	mu  sync.RWMutex // guards set, not across I/O
	set *set
}

// OpenRevoked reads the file, which has to exist.
func OpenRevoked(path string, log *slog.Logger) (*Revoked, error) {
	r := &Revoked{path: path, log: slog.New(slog.DiscardHandler), set: newSet()}
	r.file.Path, r.file.Now = path, time.Now
	if err := r.Reload(); err != nil {
		return nil, err
	}
	if log != nil {
		r.log = log // now that there is a version that can stay in force
	}
	return r, nil
}

// Reload reads the file now. On an error, the last good version stays in force.
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
	f, err := disk.Store{}.Read(r.path)
	if err == nil && !f.Stat.Exists() {
		err = fmt.Errorf("%s is not there; if nothing is revoked, make an empty file (touch %[1]s)", r.path)
	}
	var fresh *set
	if err == nil {
		if fresh, err = parse(f.Data); err != nil {
			err = fmt.Errorf("%s: %w", r.path, err)
		}
	}
	if err != nil {
		if again := r.file.Failed(looked, err); !again {
			r.log.Error("the revoked keys can't be read; what was revoked before stays revoked, and nothing new is",
				"err", err)
		}
		return err
	}
	r.file.Read(f.Stat)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set = fresh
	return nil
}

// Key tells whether a plain key is revoked; or a certificate, by itself, by the key in it,
// or by the key that signed it. While another caller reads a newer version of the file, the
// one before answers.
func (r *Revoked) Key(key keys.PublicKey) bool {
	if r == nil || key == nil {
		return false
	}
	if r.file.Due() && r.loading.TryLock() {
		_ = r.load() // logged there
		r.loading.Unlock()
	}
	r.mu.RLock()
	s := r.set
	r.mu.RUnlock()
	if cert, ok := key.(*gossh.Certificate); ok {
		return s.certificate(cert)
	}
	return s.key(key)
}

// set is what a file says. It does not change once parsed.
type set struct {
	keys  map[string]bool     // wire forms, and SHA-256 and SHA-1 sums of them, which are shorter
	certs map[string]*certSet // by the authority's wire form; "" is any
}

// certSet is which certificates of one authority are revoked.
type certSet struct {
	serials map[uint64]bool
	ranges  [][2]uint64
	ids     map[string]bool
}

func newSet() *set { return &set{keys: make(map[string]bool), certs: make(map[string]*certSet)} }

func parse(data []byte) (*set, error) {
	if bytes.HasPrefix(data, []byte(krlMagic)) {
		return parseKRL(data)
	}
	return parseList(data)
}

func (s *set) of(authority string) *certSet {
	c := s.certs[authority]
	if c == nil {
		c = &certSet{serials: make(map[uint64]bool), ids: make(map[string]bool)}
		s.certs[authority] = c
	}
	return c
}

func (s *set) key(key gossh.PublicKey) bool {
	blob := key.Marshal()
	long, short := sha256.Sum256(blob), sha1.Sum(blob)
	return s.keys[string(blob)] || s.keys[string(long[:])] || s.keys[string(short[:])]
}

func (s *set) certificate(cert *gossh.Certificate) bool {
	return s.key(cert) || s.key(cert.Key) || s.key(cert.SignatureKey) ||
		s.certs[""].has(cert) || s.certs[string(cert.SignatureKey.Marshal())].has(cert)
}

// has never takes serial 0 for a number: a certificate that was given none has it.
func (c *certSet) has(cert *gossh.Certificate) bool {
	if c == nil {
		return false
	}
	n := cert.Serial
	return c.ids[cert.KeyId] || n != 0 && (c.serials[n] ||
		slices.ContainsFunc(c.ranges, func(r [2]uint64) bool { return r[0] <= n && n <= r[1] }))
}
