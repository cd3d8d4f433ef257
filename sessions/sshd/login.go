package sshd

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"strings"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/nick"
)

// Login is who a session belongs to.
type Login struct {
	Nick    string          // canonical; a guest's starts with '~'
	Asked   string          // the username, cleaned
	Key     gossh.PublicKey // nil for a guest
	Role    string          // "operator", or empty
	Claimed bool            // the nick was bound to the key just now
	Unused  string          // why a key that was offered did not count; "" for none
}

// What authentication found out, kept with the attempt that it belongs to. The
// library hands on the permissions of the attempt that succeeded, so nothing that
// was merely offered can get here.
const (
	extKnown = "whoelse-nick"  // the key is this nick's
	extClaim = "whoelse-claim" // the key asks for this nick
	extGuest = "whoelse-guest" // no key: this guest name
	extCode  = "whoelse-code"  // the key came with this invitation for extClaim
	extRole  = "whoelse-role"  // of extKnown

	// extNoTouch is read by the ssh library.
	extNoTouch = "no-touch-required"
)

// login is what a connection remembers of its attempts: to find words for a person
// whom none of them lets in, and not to ask twice about an invitation. Nothing here
// lets anybody in.
type login struct {
	pre     gossh.ServerPreAuthConn
	tried   bool  // anything but "none"
	refused int   // keys
	unfit   error // why the last key that can't be used at all was refused
	why     error // the best reason for the log
	user    string
	told    []string // what the person was shown, cleaned
}

// offerKey decides whether a key may prove itself. It runs for every key that the
// client has, before any signature.
func (s *Server) offerKey(ctx ssh.Context, key ssh.PublicKey) (ok bool) {
	c := connOf(ctx)
	defer s.recoverPanic("login", c)
	c.login.tried, c.login.user = true, ctx.User()
	ext, err := s.grant(c, ctx.User(), key)
	if err == nil {
		err = s.welcome(cmp.Or(ext[extKnown], ext[extClaim]), key, c)
	}
	if err != nil {
		c.refuse(key, err)
		return false
	}
	ctx.Permissions().Extensions = ext
	return true
}

// grant says what the key would make its owner once it has signed.
func (s *Server) grant(c *conn, user string, key ssh.PublicKey) (map[string]string, error) {
	from := addrOf(c.RemoteAddr())
	holder, err := s.holder(key, user, from)
	switch {
	case err == nil:
		ext := map[string]string{extKnown: holder.Nick, extRole: holder.Role}
		if holder.NoTouch {
			ext[extNoTouch] = ""
		}
		return ext, nil
	case !errors.Is(err, keys.ErrUnknownKey):
		return nil, unfit("key-refused", err)
	}
	if invited, code, ok := strings.Cut(user, "+"); ok {
		return s.invited(invited, code)
	}
	if s.cfg.Closed {
		return nil, unfit("unknown-key", errors.New("this room is closed: registered keys only; ask an operator for an invitation"))
	}
	return s.claimable(user)
}

// claimable says whether an unknown key may have the nick that it asks for.
func (s *Server) claimable(user string) (map[string]string, error) {
	if nick.IsGuest(user) {
		return nil, refused("bad-name", "names that begin with '~' are for guests, who join without a key")
	}
	asked, err := nick.Parse(user)
	if err != nil {
		return nil, refused("bad-name", err.Error())
	}
	return map[string]string{extClaim: asked}, s.checkAvailable(asked)
}

// invited says whether a key may be enrolled by an invitation.
func (s *Server) invited(asked, code string) (map[string]string, error) {
	name, err := nick.Parse(asked)
	if err != nil {
		return nil, refused("bad-name", err.Error())
	}
	if err := publicError(s.cfg.Invites.Check(name, code)); err != nil {
		s.logHidden(&Login{Nick: name}, err)
		return nil, unfit("wrong-invite", err)
	}
	return map[string]string{extClaim: name, extCode: code}, nil
}

// welcome refuses who is banned.
func (s *Server) welcome(name string, key ssh.PublicKey, c *conn) error {
	if s.cfg.Bans == nil {
		return nil
	}
	who := bans.Who{Nick: name, Key: fingerprint(key), Addr: addrOf(c.RemoteAddr())}
	if ban, banned := s.cfg.Bans.Find(who); banned {
		return unfit("banned", errors.New(ban.Words()))
	}
	return nil
}

// addrOf returns the address of a, without port; the zero Addr where it has none.
func addrOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
