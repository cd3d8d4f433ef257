package sshd

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys/nick"
)

// enterAsGuest lets people without a key in, without asking them anything. It is
// the last thing a client tries, so here is where a refusal gets its words.
func (s *Server) enterAsGuest(ctx ssh.Context, challenge gossh.KeyboardInteractiveChallenge) (ok bool) {
	c := connOf(ctx)
	defer s.survive("login", c)
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
		return "", errors.New("this invitation does not work with the key you used")
	case strings.Contains(user, "+"):
		return "", errors.New("an invitation needs a key of your own; make one with ssh-keygen -t ed25519")
	}
	name, err := nick.Guest(user)
	switch {
	case err != nil:
		return "", err
	case s.cfg.NoGuests && c.login.unfit != nil:
		return "", errors.New("guests are not allowed here")
	case s.cfg.NoGuests:
		return "", errors.New("guests are not allowed here; connect with a key (ssh -i FILE)")
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
