package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/certs"
	"whoelse/keys/invites"
	"whoelse/sessions/sshd"
)

// people is what sshd asks of keys, in its words.
type people struct {
	*keys.Registry
	certs   *certs.Checker
	invites *invites.Store
	guard   invites.Guard
}

var (
	_ sshd.Keys    = (*people)(nil)
	_ sshd.Inviter = (*people)(nil)
)

// Holder implements sshd.Keys: a plain key is looked up, a certificate checked.
func (p *people) Holder(key gossh.PublicKey, user string, from netip.Addr) (sshd.Holder, error) {
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

// Claim implements sshd.Keys.
func (p *people) Claim(nick string, key gossh.PublicKey) error { return p.Registry.Claim(nick, key) }

// Invited implements sshd.Inviter. Who guesses has to wait.
func (p *people) Invited(nick, code string, from netip.Addr) error {
	if wait := p.guard.Wait(from); wait > 0 {
		return fmt.Errorf("too many wrong invitations came from your address; try again in %s", wait.Round(time.Second))
	}
	err := p.invites.Check(nick, code)
	if errors.Is(err, invites.ErrWrong) {
		p.guard.Wrong(from)
	}
	return err
}

// Redeem implements sshd.Inviter.
func (p *people) Redeem(nick, code string, key gossh.PublicKey) error {
	return p.invites.Redeem(nick, code, func() error {
		_, err := p.Add(nick, []keys.PublicKey{key}, keys.AddOptions{How: "invited", AllowAlike: true, OnlyNew: true})
		return err
	})
}

// banned is what the doors ask of the list of bans, in their words.
type banned struct{ list *bans.List }

// Banned implements door.Bans.
func (b banned) Banned(a netip.Addr) (reason string, until time.Time, ok bool) {
	ban, ok := b.list.Address(a)
	return ban.Reason, ban.Until, ok
}

// who is sshd's question about a nick and a key.
func (b banned) who(nick string, key gossh.PublicKey, from netip.Addr) (words string, ok bool) {
	who := bans.Who{Nick: nick, Addr: from}
	if cert, ok := key.(*gossh.Certificate); ok {
		key = cert.Key
	}
	if key != nil {
		who.Key = keys.Fingerprint(key)
	}
	ban, ok := b.list.Find(who)
	if !ok {
		return "", false
	}
	return banWords(ban), true
}

func banWords(ban bans.Ban) string {
	words := "you are banned"
	if !ban.Until.IsZero() {
		words += " until " + ban.Until.UTC().Format("2 Jan 2006 15:04 UTC")
	}
	if ban.Reason != "" {
		words += ": " + ban.Reason
	}
	return words
}
