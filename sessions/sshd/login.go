package sshd

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/charmbracelet/ssh"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys/nick"
	"whoelse/sessions/text"
)

// ErrUnknownKey is what Keys.Holder returns for a key that no nick is bound to.
var ErrUnknownKey = errors.New("key is not known")

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
	// Claim binds nick to key, durably.
	Claim(nick string, key gossh.PublicKey) error
}

// Inviter is a Keys that also enrols people who come with a one-time code, as
// NICK+CODE. A code is used up by Redeem alone, once the key has signed.
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

// login is what a connection remembers of its attempts, to find words for a
// person whom none of them lets in. Nothing here decides anything.
type login struct {
	pre     gossh.ServerPreAuthConn
	tried   bool  // anything but "none"
	refused int   // keys
	unfit   error // why the last key that can't be used at all was refused
	told    bool
}

// offerKey decides whether a key may prove itself. It runs for every key that the
// client has, before any signature.
func (s *Server) offerKey(ctx ssh.Context, key ssh.PublicKey) bool {
	c := connOf(ctx)
	c.login.tried = true
	ext, err := s.grant(c, ctx.User(), key)
	if err == nil {
		err = s.welcome(cmp.Or(ext[extKnown], ext[extClaim]), key, c)
	}
	if err != nil {
		c.refuse(err)
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
		return nil, unfitError{err}
	}
	if invited, code, ok := strings.Cut(user, "+"); ok {
		return s.invited(invited, code, from)
	}
	if s.cfg.Closed {
		return nil, unfitError{errors.New("only known keys are let in here; ask an operator for an invitation")}
	}
	return s.claimable(user)
}

// claimable says whether an unknown key may have the nick that it asks for.
func (s *Server) claimable(user string) (map[string]string, error) {
	if nick.IsGuest(user) {
		return nil, errors.New("a name that starts with '~' is a guest's, and guests come without a key")
	}
	asked, err := nick.Parse(user)
	if err != nil {
		return nil, err
	}
	return map[string]string{extClaim: asked}, s.free(asked)
}

// invited says whether a key may be enrolled by an invitation.
func (s *Server) invited(asked, code string, from netip.Addr) (map[string]string, error) {
	inviter, ok := s.cfg.Keys.(Inviter)
	if !ok {
		return nil, errors.New("there are no invitations here")
	}
	name, err := nick.Parse(asked)
	if err != nil {
		return nil, err
	}
	if err := inviter.Invited(name, code, from); err != nil {
		return nil, unfitError{err}
	}
	return map[string]string{extClaim: name, extCode: code}, nil
}

// welcome refuses who is banned.
func (s *Server) welcome(name string, key ssh.PublicKey, c *conn) error {
	if s.cfg.Banned == nil {
		return nil
	}
	if words, banned := s.cfg.Banned(name, key, addrOf(c.RemoteAddr())); banned {
		return unfitError{errors.New(words)}
	}
	return nil
}

// free refuses names that are, or could be taken for, somebody's.
func (s *Server) free(name string) error {
	if s.cfg.Keys.Held(name) {
		return fmt.Errorf("%s is held by another key; connect as another name, or with %s's key (ssh -i FILE)", name, name)
	}
	if like, ok := s.cfg.Keys.Alike(name); ok {
		return fmt.Errorf("%s could be taken for %s; connect as another name", name, like)
	}
	return nil
}

// enterAsGuest lets people without a key in, without asking them anything. It is
// the last thing a client tries, so here is where a refusal gets its words.
func (s *Server) enterAsGuest(ctx ssh.Context, challenge gossh.KeyboardInteractiveChallenge) bool {
	c := connOf(ctx)
	c.login.tried = true
	name, err := s.guest(c, ctx.User())
	if err == nil {
		err = c.loggedIn()
	}
	if err != nil {
		c.explain(challenge, err)
		return false
	}
	if _, err := challenge("", "", nil, nil); err != nil {
		return false
	}
	ctx.Permissions().Extensions = map[string]string{extGuest: name}
	return true
}

// guest gives the name of somebody without a key.
func (s *Server) guest(c *conn, user string) (string, error) {
	switch {
	case strings.Contains(user, "+") && c.login.unfit != nil:
		return "", errors.New("this invitation lets nobody in with the key that came with it")
	case strings.Contains(user, "+"):
		return "", errors.New("an invitation needs a key of your own; make one with ssh-keygen -t ed25519")
	}
	name, err := nick.Guest(user)
	switch {
	case err != nil:
		return "", err
	case s.cfg.NoGuests && c.login.unfit != nil:
		return "", errors.New("nobody is let in here without a key that is known")
	case s.cfg.NoGuests:
		return "", errors.New("nobody is let in here without a key (ssh -i FILE)")
	}
	return name, cmp.Or(s.free(name[1:]), s.welcome(name, nil, c))
}

// refuse counts a refused key. A client that has as many keys as it may try never
// gets to the end of its list: it gets the words now, because the library hangs up
// next.
func (c *conn) refuse(why error) {
	c.login.refused++
	if _, ok := errors.AsType[unfitError](why); ok {
		c.login.unfit = why
	}
	if c.login.refused < maxAuthTries || c.login.told || c.login.pre == nil {
		return
	}
	c.login.told = true
	c.login.pre.SendAuthBanner(fmt.Sprintf("whoelse: %v\r\nwhoelse: %d keys were tried; name the right one with ssh -o IdentitiesOnly=yes -i FILE\r\n",
		why, maxAuthTries)) // a lost banner changes nothing
}

// unfitError marks a key that could not be used by any name.
type unfitError struct{ error }

// explain tells the person, once, why nothing let them in: as the instruction of a
// challenge without questions, which is shown right where a password would be
// asked for.
func (c *conn) explain(challenge gossh.KeyboardInteractiveChallenge, why error) {
	if c.login.told {
		return
	}
	c.login.told = true
	words := "whoelse: " + why.Error()
	if c.login.unfit != nil {
		words += "\r\nwhoelse: a key was not accepted: " + c.login.unfit.Error()
	}
	challenge("", words, nil, nil) // the answer is a refusal anyway
}

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
		return login, c.server.enrol(login, ext[extCode])
	default:
		return nil, errors.New("nothing was proven")
	}
	return login, nil
}

// enrol binds a nick to the key that has signed.
func (s *Server) enrol(login *Login, code string) error {
	if code == "" {
		return s.cfg.Keys.Claim(login.Nick, login.Key)
	}
	login.Asked = login.Nick // and not the code
	return s.cfg.Keys.(Inviter).Redeem(login.Nick, code, login.Key)
}

// addrOf returns the address of a, without port; the zero Addr where it has none.
func addrOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
