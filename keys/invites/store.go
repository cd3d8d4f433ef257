// Package invites keeps one-time codes with which a newcomer enrols a key: `ssh NICK+CODE@host`.
//
//	store := invites.Open(filepath.Join(data, "invites.json"))
//	code, err := store.Create("carol", "alice", 24*time.Hour) // shown once, to give to carol
//
//	err := store.Check("carol", code)                // may this login go on? uses nothing up
//	err = store.Redeem("carol", code, func() error { // once its key has signed
//		_, err := reg.Add("carol", []keys.PublicKey{key}, keys.AddOptions{How: "invited"})
//		return err
//	})
//
// A key that was only offered must not use a code up: offering is free. Codes have 80
// random bits, so that guessing is hopeless, and are stored as hashes.
package invites

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"whoelse/internal/jsonfile"
	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"
)

var (
	// ErrWrong: no invitation fits. Whether there is one for that nick is not said.
	ErrWrong = errors.New("invalid, used or expired invitation")
	// ErrTooMany: the list is full.
	ErrTooMany = fmt.Errorf("there are %d invitations open; revoke some", maxOpen)
)

const maxOpen = 1000

// Invite is one that is open. Its text is safe to show.
type Invite struct {
	Nick    string    `json:"nick"`
	By      string    `json:"by"`
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
	Hash    string    `json:"hash"` // of nick and code, see hash
}

// Key finds an invitation. How long that takes depends on hashes, not on codes.
func (i Invite) Key() string { return i.Hash }

// Expired reports whether it is over.
func (i Invite) Expired(now time.Time) bool { return !now.Before(i.Expires) }

// check is for one that was read.
func (i *Invite) check() error {
	i.Nick, i.By = sanitize.Text(i.Nick), sanitize.Text(i.By)
	return nil
}

// Store is the open invitations by hash, see jsonfile.List. The file is read for every question, since the command
// line changes it, too. Its methods may be called concurrently, in several processes.
type Store struct{ *jsonfile.List[string, Invite] }

// Open gives the store at path, which need not exist yet. It reads nothing.
func Open(path string) *Store {
	return &Store{jsonfile.New[string](path, "invitations", (*Invite).check)}
}

// Create makes an invitation for a nick, in the name of by, and gives its code, which
// is nowhere else. Once it returns, the invitation is on disk. A nick may have several.
func (s *Store) Create(wanted, by string, lasts time.Duration) (code string, err error) {
	n, err := nick.Parse(wanted)
	if err != nil {
		return "", err
	}
	code = newCode()
	made := time.Now().UTC().Truncate(time.Second)
	one := Invite{Nick: n, By: by, Made: made, Expires: made.Add(lasts), Hash: hash(n, code)}
	if err := s.Set(one, maxOpen, ErrTooMany); err != nil {
		return "", err
	}
	return code, nil
}

// Check reports whether a code is good for a nick now, and uses nothing up. The error
// is ErrWrong, or the disk's.
func (s *Store) Check(n, code string) error {
	sum := hash(n, code)
	if err := s.Reload(); err != nil {
		return err
	}
	if _, ok := s.Find(sum); !ok || sum == "" { // which an edited file can have
		return ErrWrong
	}
	return nil
}

// Redeem uses a code up and then calls enrol. If that fails, the invitation is open
// again. If the server dies in between, it is gone and nobody was enrolled: a code never
// enrols two. The error is ErrWrong, enrol's, or the disk's.
func (s *Store) Redeem(n, code string, enrol func() error) error {
	sum := hash(n, code)
	var used Invite
	err := s.Change(func(open []Invite) ([]Invite, error) {
		i := slices.IndexFunc(open, func(one Invite) bool { return one.Hash == sum })
		if i < 0 || sum == "" {
			return nil, ErrWrong
		}
		used = open[i]
		return slices.Delete(open, i, i+1), nil
	})
	if err != nil {
		return err
	}
	if err := enrol(); err != nil {
		if again := s.Set(used, maxOpen+1, ErrTooMany); again != nil {
			return fmt.Errorf("%w; and the code is used up: %w", err, again)
		}
		return err
	}
	return nil
}

// Revoke closes all open invitations of a nick and reports how many there were.
func (s *Store) Revoke(n string) (closed int, err error) {
	err = s.Change(func(open []Invite) ([]Invite, error) {
		kept := slices.DeleteFunc(slices.Clone(open), func(one Invite) bool { return one.Nick == n })
		closed = len(open) - len(kept)
		return kept, nil
	})
	return closed, err
}

// Invited reports whether there is an open invitation for a nick.
func (s *Store) Invited(n string) (bool, error) {
	err := s.Reload()
	return slices.ContainsFunc(s.All(), func(one Invite) bool { return one.Nick == n }), err
}
