package invites

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"whoelse/internal/jsonfile"
	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"
)

var (
	// ErrWrong: no invite fits. Whether there is one for that nick is not said.
	ErrWrong = errors.New("invalid, used or expired invitation")
	// ErrTooMany: there are more invites open than anybody means to have.
	ErrTooMany = fmt.Errorf("there are %d invitations open; revoke some", maxOpen)
)

const maxOpen = 1000

// Invite is one that is open. Its text is safe to show.
type Invite struct {
	Nick    string    `json:"nick"`
	By      string    `json:"by"`
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
	Hash    string    `json:"hash"`
}

func (i Invite) expired(now time.Time) bool { return !now.Before(i.Expires) }

// check is for one that was read.
func (i *Invite) check() error {
	i.Nick, i.By = sanitize.Text(i.Nick), sanitize.Text(i.By)
	return nil
}

// Store is the file of open invites. It keeps nothing in memory, since the server
// and the command line share the file; its methods may be called concurrently, in
// several processes.
type Store struct{ file jsonfile.Shared[Invite] }

// Open gives the store at path, which need not exist yet. It reads nothing.
func Open(path string) *Store {
	return &Store{file: jsonfile.Shared[Invite]{File: jsonfile.File[Invite]{
		Path: path, What: "invitations", Check: (*Invite).check, Expired: Invite.expired, Now: time.Now,
	}}}
}

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
	made := s.file.Now().UTC().Truncate(time.Second)
	one := Invite{Nick: n, By: by, Made: made, Expires: made.Add(lasts), Hash: hex.EncodeToString(sum[:])}
	err = s.file.Change(func(open []Invite) ([]Invite, error) {
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
	open, err := s.file.Read()
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
	err := s.file.Change(func(open []Invite) ([]Invite, error) {
		i := find(open, n, code)
		if i < 0 {
			return nil, ErrWrong
		}
		used = open[i]
		return slices.Delete(open, i, i+1), nil
	})
	if err != nil {
		return err
	}
	if err := enrol(); err != nil {
		if again := s.file.Change(func(open []Invite) ([]Invite, error) { return append(open, used), nil }); again != nil {
			return fmt.Errorf("%w; and the code is used up: %w", err, again)
		}
		return err
	}
	return nil
}

// Revoke closes all open invites of a nick and tells how many there were.
func (s *Store) Revoke(n string) (closed int, err error) {
	err = s.file.Change(func(open []Invite) ([]Invite, error) {
		kept := slices.DeleteFunc(slices.Clone(open), func(one Invite) bool { return one.Nick == n })
		closed = len(open) - len(kept)
		return kept, nil
	})
	return closed, err
}

// List gives the open invites, oldest first. There are no codes in it.
func (s *Store) List() ([]Invite, error) { return s.file.Read() }

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
