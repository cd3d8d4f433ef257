package sshd

import (
	"errors"
	"net/netip"

	"github.com/charmbracelet/ssh"

	"whoelse/sessions/text"
)

// identify derives who the connection belongs to, once, from what was proven.
func (c *conn) identify(sess ssh.Session) (*Login, error) {
	c.knowing.Lock()
	defer c.knowing.Unlock()
	if c.identity == nil && c.denied == nil {
		c.identity, c.denied = c.proven(sess)
	}
	return c.identity, c.denied
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
		return login, c.server.enrol(login, ext[extCode], addrOf(c.RemoteAddr()))
	default:
		return nil, errors.New("nothing was proven")
	}
	return login, nil
}

// enrol binds a nick to the key that has signed, for somebody who comes from there.
func (s *Server) enrol(login *Login, code string, from netip.Addr) error {
	if code == "" {
		return s.cfg.Keys.Claim(login.Nick, login.Key, from)
	}
	login.Asked = login.Nick // and not the code
	return s.cfg.Keys.(Inviter).Redeem(login.Nick, code, login.Key)
}
