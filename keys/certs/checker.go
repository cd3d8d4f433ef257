// Package certs lets in whoever holds an OpenSSH certificate of an authority that
// authorized_keys names, and knows which keys and certificates are revoked.
//
//	revoked, err := certs.OpenRevoked(path, log)   // --revoked-keys; optional
//	reg.Revoke(revoked.Key)
//	checker := certs.NewChecker(reg, revoked)
//
//	if keys.IsCertificate(pub) {
//		h, err := checker.Authenticate(pub, username, addr)
//	}
//
// As with plain keys, a certificate that was only offered proves nothing: ask about
// the one that signed.
package certs

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"whoelse/keys"
	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"

	gossh "golang.org/x/crypto/ssh"
)

// ErrRefused is wrapped by every error of Authenticate.
var ErrRefused = errors.New("this certificate is not accepted")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRefused, fmt.Errorf(format, args...))
}

// Checker decides about certificates. Its methods may be called concurrently.
type Checker struct {
	reg     *keys.Registry
	revoked *Revoked
}

// NewChecker makes one. revoked may be nil.
func NewChecker(reg *keys.Registry, revoked *Revoked) *Checker { return &Checker{reg, revoked} }

// Authenticate gives the nick and role that a certificate gives a client that connects as
// username from an address. The nick is the certificate's principal; of several, the one that
// is asked for by username. All errors wrap ErrRefused, in words for its owner.
func (c *Checker) Authenticate(key keys.PublicKey, username string, from netip.Addr) (keys.Holder, error) {
	cert, ok := key.(*gossh.Certificate)
	if !ok {
		return keys.Holder{}, refuse("it is a plain key")
	}
	if err := keys.CheckKey(cert.Key); err != nil {
		return keys.Holder{}, refuse("%w", err)
	}
	authority, err := c.authority(cert, from)
	if err != nil {
		return keys.Holder{}, err
	}
	principal, n, err := choose(cert, authority, username)
	if err != nil {
		return keys.Holder{}, err
	}
	if err := c.verify(cert, principal, from); err != nil {
		return keys.Holder{}, err
	}
	if c.reg.Registered(n) { // by a plain key, which may be the certificate's own
		if h, err := c.reg.Lookup(cert.Key, from); err != nil || h.Nick != n {
			return keys.Holder{}, refuse("%w", keys.Held(n))
		}
	}
	_, noTouch := cert.Extensions["no-touch-required"]
	return keys.Holder{Nick: n, Role: authority.Role, NoTouch: noTouch}, nil
}

// authority finds the signer's line, before any signature is looked at: a stranger's
// certificates cost nothing.
func (c *Checker) authority(cert *gossh.Certificate, from netip.Addr) (keys.Entry, error) {
	if err := keys.CheckKey(cert.SignatureKey); err != nil {
		return keys.Entry{}, refuse("its authority's key: %w", err)
	}
	if cert.Signature == nil || cert.Signature.Format == gossh.KeyAlgoRSA {
		return keys.Entry{}, refuse("it is signed with SHA-1; sign it again with: ssh-keygen -t rsa-sha2-512")
	}
	err := refuse("it is signed by an authority that is not known here")
	for _, a := range c.reg.Authorities(cert.SignatureKey) {
		if a.Allows(from) {
			return a, nil
		}
		err = refuse("not for the address you come from")
	}
	return keys.Entry{}, err
}

// choose picks the principal that counts and gives the nick it is.
func choose(cert *gossh.Certificate, a keys.Entry, username string) (principal, n string, err error) {
	if len(cert.ValidPrincipals) == 0 {
		return "", "", refuse("it names no principal, and would fit everybody; sign one with: ssh-keygen -n NICK")
	}
	principal = cert.ValidPrincipals[0]
	if len(cert.ValidPrincipals) > 1 {
		i := slices.IndexFunc(cert.ValidPrincipals, func(p string) bool { return same(p, username) })
		if i < 0 {
			return "", "", refuse("it is for %s; connect as one of these", names(cert.ValidPrincipals))
		}
		principal = cert.ValidPrincipals[i]
	}
	if n, err = nick.Parse(principal); err != nil {
		return "", "", refuse("its principal: %w", err)
	}
	if len(a.Principals) > 0 && !slices.ContainsFunc(a.Principals, func(p string) bool { return same(p, n) }) {
		return "", "", refuse("its authority may not name %s", n)
	}
	return principal, n, nil
}

// same compares two names as nicks are compared.
func same(a, b string) bool {
	x, errX := nick.Parse(a)
	y, errY := nick.Parse(b)
	return errX == nil && errY == nil && x == y
}

// names quotes the first five of a list.
func names(list []string) string {
	var shown []string
	for _, p := range list[:min(len(list), 5)] {
		shown = append(shown, sanitize.Quote(p))
	}
	if len(list) > 5 {
		shown = append(shown, "...")
	}
	return strings.Join(shown, ", ")
}

const askAgain = "ask its issuer for a new one"

// verify checks all that the library does, too, to say in our words what is wrong, and has
// the library check the signature. The address is left to us by it.
func (c *Checker) verify(cert *gossh.Certificate, principal string, from netip.Addr) error {
	now := time.Now().Unix()
	after, before := int64(cert.ValidAfter), int64(cert.ValidBefore)
	endless := cert.ValidBefore == gossh.CertTimeInfinity
	sources, restricted := cert.CriticalOptions[sourceAddress]
	unknown := maps.Clone(cert.CriticalOptions)
	delete(unknown, sourceAddress)
	checker := gossh.CertChecker{SupportedCriticalOptions: []string{sourceAddress}}
	switch {
	case cert.CertType != gossh.UserCert:
		return refuse("it is for hosts, not for people; sign one with: ssh-keygen, without -h")
	case c.revoked.Key(cert):
		return refuse("it was revoked; %s", askAgain)
	case len(unknown) > 0:
		return refuse("its option %s can't be enforced here; ask its issuer for one without",
			names(slices.Sorted(maps.Keys(unknown))))
	case after < 0 || before < 0 && !endless:
		return refuse("its validity is not a time; %s", askAgain)
	case now < after:
		return refuse("it is not valid before %s", minute(after))
	case !endless && now >= before:
		return refuse("it expired on %s; %s", minute(before), askAgain)
	case checker.CheckCert(principal, cert) != nil:
		return refuse("its signature does not fit it; %s", askAgain)
	case restricted && !keys.SourceAllowed(sources, from):
		return refuse("not for the address you come from")
	}
	return nil
}

func minute(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04 UTC") }

// sourceAddress is the one critical option that is understood.
const sourceAddress = "source-address"
