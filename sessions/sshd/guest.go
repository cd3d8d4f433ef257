package sshd

import (
	"cmp"
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
	defer s.recoverPanic("login", c)
	c.login.tried, c.login.user = true, ctx.User()
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
		return "", c.login.unfit
	case strings.Contains(user, "+"):
		return "", refused("no-key", "an invitation needs a key of your own; make one with ssh-keygen -t ed25519")
	}
	name, err := nick.Guest(user)
	switch {
	case err != nil:
		return "", refused("bad-name", err.Error())
	case s.cfg.NoGuests && c.login.unfit != nil:
		return "", c.login.unfit // which says it better
	case s.cfg.NoGuests:
		return "", refused("no-key", "guests are not allowed here; connect with a key (ssh -i FILE)")
	}
	return name, cmp.Or(s.checkAvailable(name[1:]), s.welcome(name, nil, c))
}

// refuse counts a refused key, and says why at once: a client that asks nothing of
// people (ssh -o BatchMode=yes) never comes to enterAsGuest, and one that has as many
// keys as it may try is hung up on by the library.
func (c *conn) refuse(key ssh.PublicKey, why error) {
	l := &c.login
	l.refused++
	l.note(why)
	if l.pre == nil {
		return
	}
	words := l.fresh(why.Error())
	if words != "" && aboutKey[reasonOf(why)] {
		words = l.fresh("the key "+fingerprint(key)+" does not let you in:") + words
	}
	if l.refused == maxAuthTries {
		words += l.fresh(fmt.Sprintf("%d keys were tried; name the right one with ssh -o IdentitiesOnly=yes -i FILE", maxAuthTries))
	}
	if words != "" {
		l.pre.SendAuthBanner(words) // a lost banner changes nothing
	}
}

// aboutKey has the reasons for which another key would do.
var aboutKey = map[string]bool{"nick-held": true, "key-refused": true, "unknown-key": true}

// fingerprint is what people know a key by: of a certificate, the key in it.
func fingerprint(key gossh.PublicKey) string {
	if key == nil {
		return ""
	}
	if cert, ok := key.(*gossh.Certificate); ok {
		key = cert.Key
	}
	return gossh.FingerprintSHA256(key)
}

// explain tells the person why nothing let them in, as far as no key's refusal has: as
// the instruction of a challenge without questions, which is shown right where a
// password would be asked for.
func (c *conn) explain(challenge gossh.KeyboardInteractiveChallenge, why error) {
	l := &c.login
	l.note(why)
	if words := l.fresh(why.Error()); words != "" {
		challenge("", strings.TrimSuffix(words, "\r\n"), nil, nil) // the answer is a refusal anyway
	}
}
