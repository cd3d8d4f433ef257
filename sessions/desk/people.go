package desk

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/certs"
	"whoelse/keys/claims"
	"whoelse/keys/invites"
	"whoelse/keys/nick"
	"whoelse/sessions/sshd"
)

// People is what sshd asks of keys, in its words: who a key makes somebody. Its
// methods may be called concurrently.
type People struct {
	*keys.Registry
	// Claims bounds them, unless nil. NoGuests says that nobody can come without a
	// key instead. They are set before the first call.
	Claims   *claims.Limiter
	NoGuests bool

	certs   *certs.Checker
	invites *invites.Store
	guard   invites.Guard
}

var (
	_ sshd.Keys     = (*People)(nil)
	_ sshd.Inviter  = (*People)(nil)
	_ sshd.Reserver = (*People)(nil)
)

// NewPeople serves sshd with what registry has, and checks certificates by it.
// revoked may be nil.
func NewPeople(registry *keys.Registry, revoked *certs.Revoked, codes *invites.Store) *People {
	return &People{Registry: registry, certs: certs.NewChecker(registry, revoked), invites: codes}
}

// Holder implements sshd.Keys: a plain key is looked up, a certificate checked.
func (p *People) Holder(key gossh.PublicKey, user string, from netip.Addr) (sshd.Holder, error) {
	if keys.IsCertificate(key) {
		h, err := p.certs.Authenticate(key, user, from)
		return sshd.Holder{Nick: h.Nick, Role: h.Role, NoTouch: h.NoTouch}, err
	}
	if err := keys.CheckKey(key); err != nil {
		return sshd.Holder{}, err
	}
	h, err := p.Lookup(key, from)
	if errors.Is(err, keys.ErrUnknownKey) {
		err = sshd.ErrUnknownKey
	}
	return sshd.Holder{Nick: h.Nick, Role: h.Role, NoTouch: h.NoTouch}, err
}

// Claim implements sshd.Keys. Invitations do not count as claims.
func (p *People) Claim(nick string, key gossh.PublicKey, from netip.Addr) error {
	giveBack := func() {}
	if h, err := p.Lookup(key, from); p.Claims != nil && (err != nil || h.Nick != nick) {
		if giveBack, err = p.Claims.Take(from); err != nil {
			return p.otherwise(err)
		}
	}
	err := p.Registry.Claim(nick, key)
	if err != nil {
		giveBack()
	}
	if errors.Is(err, keys.ErrFull) {
		return p.otherwise(err)
	}
	return letIn(err)
}

// otherwise says how somebody gets in who can claim no nick now.
func (p *People) otherwise(err error) error {
	if p.NoGuests {
		return fmt.Errorf("%w; ask an operator for an invitation", err)
	}
	return fmt.Errorf("%w; you can join as a guest (ssh -o PubkeyAuthentication=no), or ask an operator for an invitation", err)
}

// letIn gives an error as it may be shown to somebody who is not in yet.
func letIn(err error) error {
	for _, known := range []error{
		keys.ErrHeld, keys.ErrReserved, keys.ErrAlike, keys.ErrKeyKnown, keys.ErrKeyRefused, keys.ErrNotValid, nick.ErrBad, invites.ErrWrong,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	if err == nil {
		return nil
	}
	return &sshd.Trouble{Err: err}
}

// Invited implements sshd.Inviter. Who guesses has to wait; sshd asks once for a code
// that many keys come with.
func (p *People) Invited(nick, code string, from netip.Addr) error {
	if wait := p.guard.Wait(from); wait > 0 {
		return fmt.Errorf("too many wrong invitations came from your address; try again in %s", wait.Round(time.Second))
	}
	err := p.invites.Check(nick, code)
	if errors.Is(err, invites.ErrWrong) {
		p.guard.Wrong(from)
	}
	return letIn(err)
}

// Redeem implements sshd.Inviter.
func (p *People) Redeem(nick, code string, key gossh.PublicKey) error {
	return letIn(p.invites.Redeem(nick, code, func() error {
		_, err := p.Add(nick, []keys.PublicKey{key}, keys.AddOptions{How: "invited", AllowAlike: true, OnlyNew: true})
		return err
	}))
}
