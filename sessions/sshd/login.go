package sshd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/charmbracelet/ssh"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys/nick"
	"whoelse/sessions/text"
)

// ErrUnknownKey is what Keys.Nick returns for a key that no nick is bound to.
var ErrUnknownKey = errors.New("key is not known")

// Keys knows which key is whose. Its methods are called concurrently, before
// anybody has proven anything, and must be cheap. Their errors are shown to people.
type Keys interface {
	// Nick returns whose key it is when it comes from this address.
	// ErrUnknownKey means that it may claim a nick that nobody holds.
	Nick(key gossh.PublicKey, from netip.Addr) (string, error)
	// Held reports whether a key holds nick.
	Held(nick string) bool
	// Alike returns a held nick that nick could be taken for.
	Alike(nick string) (string, bool)
	// Claim binds nick to key, durably.
	Claim(nick string, key gossh.PublicKey) error
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
)

// login is what a connection remembers of its attempts, to find words for a
// person whom none of them lets in. Nothing here decides anything.
type login struct {
	pre     gossh.ServerPreAuthConn
	refused int   // keys
	unfit   error // why the last key that can't be used at all was refused
	told    bool
}

// offerKey decides whether a key may prove itself. It runs for every key that the
// client has, before any signature.
func (s *Server) offerKey(ctx ssh.Context, key ssh.PublicKey) bool {
	c := connOf(ctx)
	ext, value, err := s.grant(ctx.User(), key, addrOf(c.RemoteAddr()))
	if err != nil {
		c.refuse(err)
		return false
	}
	ctx.Permissions().Extensions = map[string]string{ext: value}
	return true
}

func (s *Server) grant(user string, key ssh.PublicKey, from netip.Addr) (ext, value string, err error) {
	known, err := s.cfg.Keys.Nick(key, from)
	if err == nil {
		return extKnown, known, nil
	}
	if !errors.Is(err, ErrUnknownKey) {
		return "", "", unfitError{err}
	}
	if nick.IsGuest(user) {
		return "", "", errors.New("a name that starts with '~' is a guest's, and guests come without a key")
	}
	asked, err := nick.Parse(user)
	if err != nil {
		return "", "", err
	}
	return extClaim, asked, s.free(asked)
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
	name, err := nick.Guest(ctx.User())
	if err == nil {
		err = s.free(name[1:])
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
	c.mu.Lock()
	defer c.mu.Unlock()
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
		login.Nick = ext[extKnown]
	case login.Key != nil && ext[extClaim] != "":
		login.Nick, login.Claimed = ext[extClaim], true
		if err := c.server.cfg.Keys.Claim(login.Nick, login.Key); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("nothing was proven")
	}
	return login, nil
}

// addrOf returns the address of a, without port; the zero Addr where it has none.
func addrOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
