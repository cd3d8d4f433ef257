package sshd

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys/nick"
)

// ErrUnknownKey is what Keys.Holder returns for a key that no nick is bound to.
var ErrUnknownKey = errors.New("key is not known")

// Trouble is an error of the disk while somebody is let in. They are told that there
// is trouble; what it is goes to the log.
type Trouble struct{ Err error }

func (t *Trouble) Error() string { return "storage trouble; please try again in a moment" }

func (t *Trouble) Unwrap() error { return t.Err }

// Keys knows which key is whose. Its methods are called concurrently, before
// anybody has proven anything, and must be cheap. Their errors are shown to people.
type Keys interface {
	// Holder returns whose key, or certificate, it is when it comes from this
	// address and asks for this username. ErrUnknownKey means that it may claim a
	// nick that nobody holds.
	Holder(key gossh.PublicKey, user string, from netip.Addr) (Holder, error)
	// Held reports whether a key holds nick.
	Held(nick string) bool
	// Alike returns a held nick that nick could be taken for.
	Alike(nick string) (string, bool)
	// Claim binds nick to key, durably, for somebody who comes from this address.
	Claim(nick string, key gossh.PublicKey, from netip.Addr) error
}

// Reserver is a Keys that keeps nicks for who held them.
type Reserver interface {
	// Reserved says why nobody can have nick now, though nobody holds it; nil if not so.
	Reserved(nick string) error
}

// Inviter is a Keys that also enrols people who come with a one-time code, as
// NICK+CODE. A code is used up by Redeem alone, once the key has signed. What
// Invited refuses it is not asked again on the same connection, however many keys
// come with it, so that it may count what is wrong.
type Inviter interface {
	Invited(nick, code string, from netip.Addr) error
	Redeem(nick, code string, key gossh.PublicKey) error
}

// Holder is whom a key makes somebody.
type Holder struct {
	Nick    string
	Role    string // "operator", or empty
	NoTouch bool   // a hardware key may sign without being touched
}

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
	told    []string         // what the person was shown, cleaned
	wrong   map[string]error // what Inviter said against NICK+CODE; as many as tries at most
}

// offerKey decides whether a key may prove itself. It runs for every key that the
// client has, before any signature.
func (s *Server) offerKey(ctx ssh.Context, key ssh.PublicKey) (ok bool) {
	c := connOf(ctx)
	defer s.survive("login", c)
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
	holder, err := s.cfg.Keys.Holder(key, user, from)
	switch {
	case err == nil:
		ext := map[string]string{extKnown: holder.Nick, extRole: holder.Role}
		if holder.NoTouch {
			ext[extNoTouch] = ""
		}
		return ext, nil
	case !errors.Is(err, ErrUnknownKey):
		return nil, unfit("key-refused", err)
	}
	if invited, code, ok := strings.Cut(user, "+"); ok {
		return s.invited(c, invited, code)
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
	return map[string]string{extClaim: asked}, s.free(asked)
}

// invited says whether a key may be enrolled by an invitation.
func (s *Server) invited(c *conn, asked, code string) (map[string]string, error) {
	inviter, ok := s.cfg.Keys.(Inviter)
	if !ok {
		return nil, unfit("wrong-invite", errors.New("there are no invitations here"))
	}
	name, err := nick.Parse(asked)
	if err != nil {
		return nil, refused("bad-name", err.Error())
	}
	if err := c.login.ask(inviter, name, code, addrOf(c.RemoteAddr())); err != nil {
		s.untold(&Login{Nick: name}, err)
		return nil, unfit("wrong-invite", err)
	}
	return map[string]string{extClaim: name, extCode: code}, nil
}

// ask asks about an invitation, and if it is refused not again: each key that a
// client has comes with the same code, and a slip of the hand is one wrong guess.
func (l *login) ask(inviter Inviter, name, code string, from netip.Addr) error {
	if err, refused := l.wrong[name+"+"+code]; refused {
		return err
	}
	err := inviter.Invited(name, code, from)
	if err == nil {
		return nil
	}
	if l.wrong == nil {
		l.wrong = make(map[string]error)
	}
	l.wrong[name+"+"+code] = err
	return err
}

// welcome refuses who is banned.
func (s *Server) welcome(name string, key ssh.PublicKey, c *conn) error {
	if s.cfg.Banned == nil {
		return nil
	}
	if words, banned := s.cfg.Banned(name, key, addrOf(c.RemoteAddr())); banned {
		return unfit("banned", errors.New(words))
	}
	return nil
}

// free refuses names that are, or could be taken for, somebody's.
func (s *Server) free(name string) error {
	if s.cfg.Keys.Held(name) {
		return refused("nick-held", fmt.Sprintf("%s is held by another key; connect with %s's key (ssh -i FILE), or under another name", name, name))
	}
	if r, ok := s.cfg.Keys.(Reserver); ok {
		if err := r.Reserved(name); err != nil {
			return err
		}
	}
	if like, ok := s.cfg.Keys.Alike(name); ok {
		return refused("nick-alike", fmt.Sprintf("%s could be taken for %s; connect under another name", name, like))
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
