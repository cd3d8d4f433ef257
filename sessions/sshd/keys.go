package sshd

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/internal/limit"
	"whoelse/keys"
	"whoelse/keys/invites"
	"whoelse/keys/nick"
)

// holder says whom a key, or a certificate, makes somebody who comes from an address and
// asks for this username. keys.ErrUnknownKey means that the key may claim a nick that nobody
// holds. It is asked before anybody has proven anything, and is cheap.
func (s *Server) holder(key gossh.PublicKey, user string, from netip.Addr) (keys.Holder, error) {
	if keys.IsCertificate(key) {
		return s.certs.Authenticate(key, user, from)
	}
	if err := keys.CheckKey(key); err != nil {
		return keys.Holder{}, err
	}
	return s.cfg.Registry.LookupAs(key, user, from)
}

// checkAvailable refuses names that are, or could be taken for, somebody's.
func (s *Server) checkAvailable(name string) error {
	err := s.cfg.Registry.Available(name)
	if errors.Is(err, keys.ErrHeld) {
		return refused("nick-held", fmt.Sprintf("%s is held by another key; connect with %s's key (ssh -i FILE), or under another name", name, name))
	}
	if confusable, ok := errors.AsType[*keys.ConfusableError](err); ok {
		return refused("nick-alike", fmt.Sprintf("%s could be taken for %s; connect under another name", name, confusable.Like))
	}
	if errors.Is(err, keys.ErrReserved) {
		return refused("nick-reserved", err.Error())
	}
	return err
}

// claim binds a nick to the key that has signed, durably.
func (s *Server) claim(name string, key gossh.PublicKey, from netip.Addr) error {
	if s.cfg.MayClaim != nil {
		if err := s.cfg.MayClaim(); err != nil {
			return err
		}
	}
	who, counted := limit.Who{Addr: from}, false
	if h, err := s.cfg.Registry.Lookup(key, from); err != nil || h.Nick != name {
		if err := s.cfg.Claims.Charge(who, 1); err != nil {
			return s.tooManyClaims(err)
		}
		counted = true
	}
	err := s.cfg.Registry.Claim(name, key)
	if err != nil && counted {
		s.cfg.Claims.Refund(who, 1)
	}
	if errors.Is(err, keys.ErrFull) {
		return s.otherwise(err)
	}
	return s.publicError(name, err)
}

func (s *Server) tooManyClaims(err error) error {
	if r, ok := errors.AsType[*limit.Refusal](err); ok && r.Scope == limit.All {
		s.allClaimed.Do(func() { s.cfg.Log.Warn("no more nicks can be claimed for now", "until", time.Now().Add(r.Wait)) })
	}
	return s.otherwise(fmt.Errorf("too many new nicks were claimed: %w", err))
}

// otherwise says how somebody gets in who can claim no nick now.
func (s *Server) otherwise(err error) error {
	if s.cfg.NoGuests {
		return fmt.Errorf("%w; ask an operator for an invitation", err)
	}
	return fmt.Errorf("%w; you can join as a guest (ssh -o PubkeyAuthentication=no), or ask an operator for an invitation", err)
}

// redeem enrols a key that has signed, and uses the code up. It does not count as a claim.
func (s *Server) redeem(name, code string, key gossh.PublicKey) error {
	return s.publicError(name, s.cfg.Invites.Redeem(name, code, func() error {
		_, err := s.cfg.Registry.Add(name, []keys.PublicKey{key}, keys.AddOptions{How: "invited", AllowConfusable: true, OnlyNew: true})
		return err
	}))
}

// errStorage is what people are told when the disk fails while they are let in.
var errStorage = refused("storage", "storage trouble; please try again in a moment")

// publicError gives an error as it may be shown to somebody who is not in yet. What is not
// in words for people goes to the log instead.
func (s *Server) publicError(name string, err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{
		keys.ErrHeld, keys.ErrReserved, keys.ErrConfusable, keys.ErrKeyKnown, keys.ErrKeyRefused, keys.ErrNotValid, nick.ErrBad, invites.ErrWrong,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	s.cfg.Log.Error("a new user could not be let in", "nick", name, "err", err)
	return errStorage
}
