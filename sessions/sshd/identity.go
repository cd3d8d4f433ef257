package sshd

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"charm.land/ssh"

	"whoelse/keys"
	"whoelse/sessions/text"
)

// identify derives who the connection belongs to, once, from what was proven, and
// asks for each channel whether that still holds.
func (c *conn) identify(sess ssh.Session) (*Login, error) {
	c.knowing.Lock()
	defer c.knowing.Unlock()
	if c.identity == nil && c.denied == nil {
		c.identity, c.denied = c.proven(sess)
		c.knows(c.identity)
	}
	if c.denied == nil {
		if why, stale := c.server.Stale(c.identity, c.RemoteAddr().String()); stale {
			c.denied = errors.New(why)
			time.AfterFunc(closeWithin, c.abort) // its other sessions have until then
		}
	}
	return c.identity, c.denied
}

// knows notes whose connection it is, for EndStale.
func (c *conn) knows(l *Login) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = l
}

// Stale reports whether the key of somebody who has logged in from address would not
// let them in any more as who they are, and why, in words for them. It is as cheap
// as a look at the file of keys.
func (s *Server) Stale(l *Login, address string) (why string, stale bool) {
	if l == nil || l.Key == nil {
		return "", false
	}
	from, _ := netip.ParseAddrPort(address) // none: then only the key counts
	holder, err := s.holder(l.Key, l.Asked, from.Addr().Unmap())
	switch {
	case errors.Is(err, keys.ErrUnknownKey):
		return "your key was removed", true
	case err != nil:
		return "your key is not accepted any more: " + err.Error(), true
	case holder.Nick != l.Nick:
		return "your key is " + holder.Nick + "'s now; connect again", true
	case holder.Role != l.Role:
		return "your key's role has changed; connect again", true
	}
	return "", false
}

// EndStale ends the connections that are Stale: those without a session or command
// at once, the others when these had the time to say why.
func (s *Server) EndStale() {
	for _, c := range s.connections() {
		c.mu.Lock()
		known, running := c.known, c.running
		c.mu.Unlock()
		switch _, stale := s.Stale(known, c.RemoteAddr().String()); {
		case !stale:
		case running == 0:
			c.Close()
		default:
			time.AfterFunc(closeWithin, c.abort)
		}
	}
}

// connections lists those that are open.
func (s *Server) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns))
}

func (c *conn) proven(sess ssh.Session) (*Login, error) {
	if sess.User() != sess.Context().User() {
		return nil, errors.New("the username changed while logging in")
	}
	perms := sess.Permissions()
	if perms.Permissions == nil {
		return nil, errors.New("nothing was proven")
	}
	ext := perms.Extensions
	login := &Login{Asked: text.CleanLine(sess.User()), Key: sess.PublicKey()}
	switch {
	case login.Key == nil && ext[extGuest] != "":
		login.Nick = ext[extGuest]
		if c.login.unfit != nil {
			login.Unused = c.login.unfit.Error()
		}
	case login.Key != nil && ext[extKnown] != "":
		login.Nick, login.Role = ext[extKnown], ext[extRole]
	case login.Key != nil && ext[extClaim] != "":
		login.Nick, login.Claimed = ext[extClaim], true
		return login, c.enrol(login, ext[extCode])
	default:
		return nil, errors.New("nothing was proven")
	}
	return login, nil
}
