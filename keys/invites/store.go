package invites

import (
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"whoelse/keys/internal/disk"
	"whoelse/keys/internal/safe"
	"whoelse/keys/nick"
)

var (
	// ErrWrong: no invite fits. Whether there is one for that nick is not said.
	ErrWrong = errors.New("invalid, used or expired invitation")
	// ErrTooMany: there are more invites open than anybody means to have.
	ErrTooMany = fmt.Errorf("there are %d invitations open; revoke some", maxOpen)
)

const maxOpen = 1000

// Invite is one that is open.
type Invite struct {
	Nick    string    `json:"nick"`
	By      string    `json:"by"`
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
	Hash    string    `json:"hash"`
}

// Store is the file of open invites. It keeps nothing in memory, since the server
// and the command line share the file; its methods may be called concurrently, in
// several processes.
type Store struct {
	path string
	disk disk.Store
	now  func() time.Time
	mu   sync.Mutex // held by who changes the file, inside this process
}

// Open gives the store at path, which need not exist yet. It reads nothing.
func Open(path string) *Store { return &Store{path: path, now: time.Now} }

// Create makes an invite for a nick, in the name of by, and gives its code, which
// is nowhere else. Once it returns, the invite is on disk. A nick may have several.
func (s *Store) Create(wanted, by string, lasts time.Duration) (code string, err error) {
	n, err := nick.Parse(wanted)
	if err != nil {
		return "", err
	}
	if lasts <= 0 {
		return "", errors.New("an invitation has to last for some time")
	}
	code = newCode()
	sum := hash(n, readCode(code))
	made := s.now().UTC().Truncate(time.Second)
	one := Invite{Nick: n, By: by, Made: made, Expires: made.Add(lasts), Hash: hex.EncodeToString(sum[:])}
	err = s.change(func(open []Invite) ([]Invite, error) {
		if len(open) >= maxOpen {
			return nil, ErrTooMany
		}
		return append(open, one), nil
	})
	if err != nil {
		return "", err
	}
	return code, nil
}

// Check tells whether a code is good for a nick now, and uses nothing up. The error
// is ErrWrong, or the disk's.
func (s *Store) Check(n, code string) error {
	open, err := s.read()
	if err != nil {
		return err
	}
	if find(open, n, code) < 0 {
		return ErrWrong
	}
	return nil
}

// Redeem uses a code up and then calls enrol. If that fails, the invite is open
// again. If the server dies in between, the invite is gone and nobody was enrolled:
// a code never enrols two. The error is ErrWrong, enrol's, or the disk's.
func (s *Store) Redeem(n, code string, enrol func() error) error {
	var used Invite
	err := s.change(func(open []Invite) ([]Invite, error) {
		i := find(open, n, code)
		if i < 0 {
			return nil, ErrWrong
		}
		used = open[i]
		return append(open[:i:i], open[i+1:]...), nil
	})
	if err != nil {
		return err
	}
	if err := enrol(); err != nil {
		if again := s.change(func(open []Invite) ([]Invite, error) { return append(open, used), nil }); again != nil {
			return fmt.Errorf("%w; and the code is used up: %w", err, again)
		}
		return err
	}
	return nil
}

// Revoke closes all open invites of a nick and tells how many there were.
func (s *Store) Revoke(n string) (closed int, err error) {
	err = s.change(func(open []Invite) ([]Invite, error) {
		kept := open[:0:0]
		for _, one := range open {
			if one.Nick != n {
				kept = append(kept, one)
			}
		}
		closed = len(open) - len(kept)
		return kept, nil
	})
	return closed, err
}

// List gives the open invites, oldest first. There are no codes in it.
func (s *Store) List() ([]Invite, error) { return s.read() }

// find looks at every invite, whichever fits, so that the time it takes tells
// nothing about any.
func find(open []Invite, n, code string) int {
	sum := hash(n, readCode(code))
	want := []byte(hex.EncodeToString(sum[:]))
	found := -1
	for i, one := range open {
		if subtle.ConstantTimeCompare([]byte(one.Hash), want) == 1 {
			found = i
		}
	}
	if readCode(code) == "" {
		return -1
	}
	return found
}

// read gives those that have not expired.
func (s *Store) read() ([]Invite, error) {
	f, err := s.disk.Read(s.path)
	if err != nil {
		return nil, fmt.Errorf("invitations: %w", err)
	}
	return s.parse(f)
}

func (s *Store) parse(f disk.File) ([]Invite, error) {
	if len(f.Data) == 0 {
		return nil, nil
	}
	var all, open []Invite
	if err := json.Unmarshal(f.Data, &all); err != nil {
		return nil, fmt.Errorf("invitations: %s cannot be read, and is left alone: %w", s.path, err)
	}
	for _, one := range all {
		if s.now().Before(one.Expires) {
			one.Nick, one.By = safe.Text(one.Nick), safe.Text(one.By) // it can be edited by hand
			open = append(open, one)
		}
	}
	return open, nil
}

func (s *Store) change(f func(open []Invite) ([]Invite, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	unlock, err := s.disk.Lock(s.path + ".lock")
	if err != nil {
		return fmt.Errorf("invitations: %w", err)
	}
	defer unlock()
	open, err := s.read()
	if err != nil {
		return err
	}
	if open, err = f(open); err != nil {
		return err
	}
	if open == nil {
		open = []Invite{}
	}
	text, err := json.MarshalIndent(open, "", "  ")
	if err != nil {
		return err
	}
	if err := s.disk.Write(s.path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("invitations: %w", err)
	}
	return nil
}
