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
	disk atomicfile.Store

	loading sync.Mutex // held while the file is read anew

	mu       sync.RWMutex // guards what follows, not across I/O
	set      *set
	seen     atomicfile.Stamp // what was last read, or could not be
	failed   string           // why it could not, or empty
	failedAt time.Time
	unreadAt time.Time // when a change was first seen that has not been read; zero is none
}

// settleTime is how long a change has to stand before it is read, since editors
// empty a file before they write it; quietTime is enough once changes that never stop
// for so long have not been read for settleMost. retryTime is how long a file that could not be
// read is left alone, unless it changes.
const (
	settleTime = 100 * time.Millisecond
	settleMost = time.Second
	quietTime  = 10 * time.Millisecond
	retryTime  = time.Second
)

// OpenRevoked reads the file, which has to be there.
func OpenRevoked(path string, log *slog.Logger) (*Revoked, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Revoked{path: path, log: slog.New(slog.DiscardHandler), set: newSet()}
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
	looked, _ := atomicfile.Stat(r.path)
	fresh, err := r.read()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen, r.unreadAt = looked, time.Time{}
	if err == nil {
		r.set, r.failed = fresh, ""
		return nil
	}
	if r.failed != err.Error() {
		r.log.Error("the revoked keys can't be read; what was revoked before stays revoked, and nothing new is", "err", err)
	}
	r.failed, r.failedAt = err.Error(), time.Now()
	return err
}

func (r *Revoked) read() (*set, error) {
	f, err := r.disk.Read(r.path)
	if err != nil {
		return nil, err
	}
	if !f.Stamp.Exists() {
		return nil, fmt.Errorf("%s is not there; where nothing is revoked it is an empty file (touch %[1]s)", r.path)
	}
	s, err := parse(f.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.path, err)
	}
	return s, nil
}

// current gives the newest version that could be read.
func (r *Revoked) current() *set {
	now, err := atomicfile.Stat(r.path)
	r.mu.RLock()
	s, same := r.set, now == r.seen && r.failed == ""
	r.mu.RUnlock()
	if same || err != nil {
		return s
	}
	r.mu.Lock()
	due := r.due(now)
	r.mu.Unlock()
	if !due || !r.loading.TryLock() {
		return s // or somebody is reading it just now
	}
	defer r.loading.Unlock()
	_ = r.load() // logged there
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.set
}

// due tells whether a file that looks so ought to be read. r.mu is held.
func (r *Revoked) due(now atomicfile.Stamp) bool {
	if now == r.seen {
		return r.failed != "" && time.Since(r.failedAt) >= retryTime
	}
	if r.unreadAt.IsZero() {
		r.unreadAt = time.Now()
	}
	age := time.Since(time.Unix(0, now.MTime()))
	return age < 0 || age >= settleTime || age >= quietTime && time.Since(r.unreadAt) >= settleMost
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
