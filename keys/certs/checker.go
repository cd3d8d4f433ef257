package certs

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"whoelse/keys"
	"whoelse/keys/internal/sanitize"
	"whoelse/keys/nick"

	gossh "golang.org/x/crypto/ssh"
)

// ErrRefused is what every error of Authenticate is (errors.Is).
var ErrRefused = errors.New("certificate refused")

type refusal struct{ why error }

func (r refusal) Error() string        { return "this certificate is not accepted: " + r.why.Error() }
func (r refusal) Unwrap() error        { return r.why }
func (r refusal) Is(target error) bool { return target == ErrRefused }

func refuse(format string, args ...any) error { return refusal{fmt.Errorf(format, args...)} }

// Checker decides about certificates. Its methods may be called concurrently.
type Checker struct {
	reg     *keys.Registry
	revoked *Revoked // nil is none
	now     func() time.Time
}

// NewChecker makes one. revoked may be nil.
func NewChecker(reg *keys.Registry, revoked *Revoked) *Checker {
	return &Checker{reg: reg, revoked: revoked, now: time.Now}
}

// Authenticate tells who a certificate makes somebody who connects as username from
// an address. The nick is the certificate's principal; of several, the one that is
// asked for by username. All errors are ErrRefused, in words for its owner.
func (c *Checker) Authenticate(key keys.PublicKey, username string, from netip.Addr) (keys.Holder, error) {
	cert, ok := key.(*gossh.Certificate)
	if !ok {
		return keys.Holder{}, refuse("it is a plain key")
	}
	if err := keys.CheckKey(cert.Key); err != nil {
		return keys.Holder{}, refusal{err}
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
	if err := c.free(cert, n, from); err != nil {
		return keys.Holder{}, err
	}
	_, noTouch := cert.Extensions["no-touch-required"]
	return keys.Holder{Nick: n, Role: authority.Role, NoTouch: noTouch}, nil
}

// authority finds who signed, before any signature is looked at: a stranger's
// certificates cost nothing.
func (c *Checker) authority(cert *gossh.Certificate, from netip.Addr) (keys.Authority, error) {
	if err := keys.CheckKey(cert.SignatureKey); err != nil {
		return keys.Authority{}, refuse("its authority's key: %w", err)
	}
	if cert.Signature == nil || cert.Signature.Format == gossh.KeyAlgoRSA {
		return keys.Authority{}, refuse("it is signed with SHA-1; sign it again with: ssh-keygen -t rsa-sha2-512")
	}
	signer := string(cert.SignatureKey.Marshal())
	err := refuse("it is signed by an authority that is not known here")
	for _, a := range c.reg.Authorities() {
		if string(a.Key.Marshal()) != signer {
			continue
		}
		if a.Allows(from) {
			return a, nil
		}
		err = refuse("not for the address you come from")
	}
	return keys.Authority{}, err
}

// choose picks the principal that counts and gives the nick it is.
func choose(cert *gossh.Certificate, a keys.Authority, username string) (principal, n string, err error) {
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

func names(list []string) string {
	const most = 5
	var shown []string
	for _, p := range list[:min(len(list), most)] {
		shown = append(shown, sanitize.Quote(p))
	}
	s := strings.Join(shown, ", ")
	if len(list) > most {
		s += ", ..."
	}
	return s
}

// verify has the library check the certificate, after inspect has, and looks at the
// address itself: the library leaves that to who uses its result.
func (c *Checker) verify(cert *gossh.Certificate, principal string, from netip.Addr) error {
	if err := c.inspect(cert); err != nil {
		return err
	}
	checker := gossh.CertChecker{
		IsUserAuthority: func(gossh.PublicKey) bool { return true }, // found by authority
		IsRevoked:       c.revoked.Certificate,
		Clock:           c.now,
	}
	perms, err := checker.Authenticate(attempt{user: principal, from: from}, cert)
	if err != nil {
		return refuse("its signature does not fit it; %s", askAgain)
	}
	list, restricted := perms.CriticalOptions["source-address"]
	if restricted && !sourceAllowed(list, from) {
		return refuse("not for the address you come from")
	}
	return nil
}

const askAgain = "ask whoever issued it for a new one"

// inspect checks what the library does, but for the signature, to say in our words what
// is wrong.
func (c *Checker) inspect(cert *gossh.Certificate) error {
	now := c.now().Unix()
	after, before := int64(cert.ValidAfter), int64(cert.ValidBefore)
	switch option := unknownOption(cert); {
	case cert.CertType != gossh.UserCert:
		return refuse("it is for hosts, not for people; sign one with: ssh-keygen, without -h")
	case c.revoked.Certificate(cert):
		return refuse("it was revoked; %s", askAgain)
	case option != "":
		return refuse("its option %s can't be enforced here; ask whoever issued it for one without", sanitize.Quote(option))
	case after < 0 || before < 0 && cert.ValidBefore != gossh.CertTimeInfinity:
		return refuse("its validity is not a time; %s", askAgain)
	case now < after:
		return refuse("it is not valid before %s", minute(after))
	case cert.ValidBefore != gossh.CertTimeInfinity && now >= before:
		return refuse("it expired on %s; %s", minute(before), askAgain)
	}
	return nil
}

func minute(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04 UTC") }

// unknownOption gives the first critical option that is not understood, "" for none.
func unknownOption(cert *gossh.Certificate) string {
	for _, name := range slices.Sorted(maps.Keys(cert.CriticalOptions)) {
		if name != "source-address" {
			return name
		}
	}
	return ""
}

// sourceAllowed is sshd's rule for source-address: addresses and CIDR blocks only.
func sourceAllowed(list string, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	allowed := false
	for one := range strings.SplitSeq(list, ",") {
		block, err := netip.ParsePrefix(one)
		if err != nil {
			a, aerr := netip.ParseAddr(one)
			if aerr != nil {
				return false // one that cannot be read spoils them all
			}
			block = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		allowed = allowed || block.Contains(from)
	}
	return allowed
}

// free refuses a nick that is somebody else's by a plain key.
func (c *Checker) free(cert *gossh.Certificate, n string, from netip.Addr) error {
	if !c.reg.Held(n) {
		return nil
	}
	if h, err := c.reg.Lookup(cert.Key, from); err == nil && h.Nick == n {
		return nil
	}
	return refusal{&keys.HeldError{Nick: n}}
}

// attempt is what the library wants to know of a connection.
type attempt struct {
	gossh.ConnMetadata // nil: nothing else is asked for
	user               string
	from               netip.Addr
}

func (a attempt) User() string         { return a.user }
func (a attempt) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.from, 0)) }
