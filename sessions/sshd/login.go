package sshd

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/nick"
	"whoelse/sessions/admission"
	"whoelse/sessions/text"
)

// Login is who a session belongs to.
//
// While somebody logs in, one is made for each attempt and kept with its permissions. The
// library hands on those of the attempt that succeeded, so nothing that was merely offered
// gets to a session.
type Login struct {
	Nick    string          // canonical; a guest's starts with '~'
	Asked   string          // the username, cleaned
	Key     gossh.PublicKey // nil for a guest
	Role    string          // keys.RoleOperator, keys.RoleBot, or empty
	Claimed bool            // the nick is bound to the key with its first session
	Pending bool            // the key was added to the nick's, and counts from its first session on
	Unused  string          // why a key that was offered did not count; "" for none

	code    string // the invitation that Claimed is by
	noTouch bool   // the key may sign without being touched
}

// loginKey is where permissions have the Login.
type loginKey struct{}

// attempts are what a connection remembers of a login's: to find words for a person
// whom none of them lets in, and not to ask twice about an invitation. Nothing here
// lets anybody in.
type attempts struct {
	pre     gossh.ServerPreAuthConn
	tried   bool  // anything but "none"
	refused int   // keys
	unfit   error // why the last key that can't be used at all was refused
	why     error // the best reason for the log
	user    string
	told    []string // what the person was shown, cleaned
}

// refusal is why somebody is not let in: in words for them, and as a reason for the log,
// which docs/operations.md lists and which never changes its meaning.
type refusal struct {
	reason string
	unfit  bool // the key could not be used by any name
	error
}

func refused(reason, words string) error { return refusal{reason: reason, error: errors.New(words)} }

// unfit is a key's refusal, whatever name it comes with.
func unfit(reason string, why error) error { return refusal{reason: reason, unfit: true, error: why} }

// reasonOf names err for the log.
func reasonOf(err error) string {
	if r, ok := errors.AsType[refusal](err); ok {
		return r.reason
	}
	if r, ok := errors.AsType[*admission.Refusal](err); ok {
		return string(r.Why)
	}
	return "other"
}

// offerKey decides whether a key may prove itself. It runs for every key that the
// client has, before any signature.
func (s *Server) offerKey(ctx ssh.Context, key ssh.PublicKey) (ok bool) {
	c := connOf(ctx)
	defer s.recoverPanic("login", c)
	c.attempts.tried, c.attempts.user = true, ctx.User()
	login, err := s.grant(c, ctx.User(), key)
	if err == nil {
		err = s.checkBans(login.Nick, key, c)
	}
	if err != nil {
		c.refuse(key, err)
		return false
	}
	perms := ctx.Permissions()
	perms.ExtraData = map[any]any{loginKey{}: login}
	if login.noTouch {
		perms.Extensions = map[string]string{"no-touch-required": ""} // read by the ssh library
	}
	return true
}

// grant says who the key would make its owner once it has signed.
func (s *Server) grant(c *conn, user string, key ssh.PublicKey) (*Login, error) {
	login := &Login{Asked: text.CleanLine(user), Key: key}
	// The name before the key: another connection with the key may claim the name in between.
	name, code, taken := s.claimable(user)
	holder, err := s.holder(key, user, c.from.Addr())
	switch {
	case err == nil:
		login.Nick, login.Role, login.noTouch, login.Pending = holder.Nick, holder.Role, holder.NoTouch, holder.Pending
		return login, nil
	case !errors.Is(err, keys.ErrUnknownKey):
		return nil, unfit("key-refused", err)
	}
	login.Claimed, login.Nick, login.code = true, name, code
	return login, taken
}

// claimable says which nick, and with which invitation, a username claims for an unknown key.
func (s *Server) claimable(user string) (name, code string, err error) {
	asked, code, invited := strings.Cut(user, "+")
	switch {
	case invited:
	case s.cfg.Closed:
		return "", "", unfit("unknown-key", errors.New("this room is closed: registered keys only; ask an operator for an invitation"))
	case nick.IsGuest(user):
		return "", "", refused("bad-name", "names that begin with '~' are for guests, who join without a key")
	}
	name, err = nick.Parse(asked)
	switch {
	case err != nil:
		err = refused("bad-name", err.Error())
	case !invited:
		err = s.checkAvailable(name)
	default:
		if err = s.publicError(name, s.cfg.Invites.Check(name, code)); err != nil {
			err = unfit("wrong-invite", err)
		}
	}
	return name, code, err
}

// signed is called when a key has proven itself.
func (c *conn) signed(_ gossh.ConnMetadata, _ gossh.PublicKey, p *gossh.Permissions, _ string) (*gossh.Permissions, error) {
	if err := c.loggedIn(); err != nil {
		c.attempts.note(err)
		return nil, &gossh.BannerError{Err: err, Message: "whoelse: " + err.Error() + "\r\n"}
	}
	return p, nil
}

// enterAsGuest lets people without a key in, without asking them anything. It is
// the last thing a client tries, so here is where a refusal gets its words.
func (s *Server) enterAsGuest(ctx ssh.Context, challenge gossh.KeyboardInteractiveChallenge) (ok bool) {
	c := connOf(ctx)
	defer s.recoverPanic("login", c)
	c.attempts.tried, c.attempts.user = true, ctx.User()
	login, err := s.guest(c, ctx.User())
	if err == nil {
		err = c.loggedIn()
	}
	if err != nil {
		// The instruction of a challenge without questions is shown right where a password
		// would be asked for. The answer is a refusal anyway.
		c.attempts.note(err)
		if words := c.attempts.fresh(err.Error()); words != "" {
			challenge("", strings.TrimSuffix(words, "\r\n"), nil, nil)
		}
		return false
	}
	if _, err := challenge("", "", nil, nil); err != nil {
		return false
	}
	ctx.Permissions().ExtraData = map[any]any{loginKey{}: login}
	return true
}

// guest says who somebody without a key is.
func (s *Server) guest(c *conn, user string) (*Login, error) {
	unfit, invited := c.attempts.unfit, strings.Contains(user, "+")
	name, err := nick.Guest(user)
	switch {
	case unfit != nil && (invited || s.cfg.NoGuests):
		return nil, unfit // which says it better
	case invited:
		return nil, refused("no-key", "an invitation needs a key of your own; make one with ssh-keygen -t ed25519")
	case err != nil:
		return nil, refused("bad-name", err.Error())
	case s.cfg.NoGuests:
		return nil, refused("no-key", "guests are not allowed here; connect with a key (ssh -i FILE)")
	}
	if err := s.checkAvailable(name[1:]); err != nil {
		if unfit != nil && reasonOf(unfit) == "banned" {
			return nil, unfit // "held by another key" would sound like the reason
		}
		return nil, err
	}
	login := &Login{Nick: name, Asked: text.CleanLine(user)}
	if unfit != nil {
		login.Unused = unfit.Error()
	}
	return login, s.checkBans(name, nil, c)
}

// checkBans refuses who is banned.
func (s *Server) checkBans(name string, key ssh.PublicKey, c *conn) error {
	if s.cfg.Bans == nil {
		return nil
	}
	who := bans.Who{Nick: name, Key: Fingerprint(key), Addr: c.from.Addr()}
	if ban, banned := s.cfg.Bans.Find(who); banned {
		return unfit("banned", errors.New(ban.Words()))
	}
	return nil
}

// refuse counts a refused key, and says why at once: a client that asks nothing of
// people (ssh -o BatchMode=yes) never comes to enterAsGuest, and one that has as many
// keys as it may try is hung up on by the library.
func (c *conn) refuse(key ssh.PublicKey, why error) {
	a := &c.attempts
	a.refused++
	a.note(why)
	if a.pre == nil {
		return
	}
	early := reasonOf(why) == "unknown-key" || reasonOf(why) == "nick-reserved" && !c.server.cfg.NoGuests
	if early && a.refused < maxAuthTries && len(c.server.cfg.Registry.Authorities(nil)) > 0 {
		return // ssh offers a key before its certificate; without one, enterAsGuest says it
	}
	words := a.fresh(why.Error())
	aboutKey := []string{"nick-held", "key-refused", "unknown-key"} // another key would do
	if words != "" && slices.Contains(aboutKey, reasonOf(why)) {
		words = a.fresh("the key "+Fingerprint(key)+" does not let you in:") + words
	}
	if a.refused == maxAuthTries {
		words += a.fresh(fmt.Sprintf("%d keys were tried; name the right one with ssh -o IdentitiesOnly=yes -i FILE", maxAuthTries))
	}
	if words != "" {
		a.pre.SendAuthBanner(words) // a lost banner changes nothing
	}
}

// note keeps why an attempt was refused. What a key can't be used for at all says more
// than what a name can't be.
func (a *attempts) note(why error) {
	if a.unfit == nil {
		a.why = why
	}
	if r, ok := errors.AsType[refusal](why); ok && r.unfit {
		a.unfit, a.why = why, why
	}
}

// fresh is words as a line, unless the person was shown them.
func (a *attempts) fresh(words string) string {
	words = text.CleanLine(words)
	if words == "" || slices.Contains(a.told, words) {
		return ""
	}
	a.told = append(a.told, words)
	return "whoelse: " + words + "\r\n"
}

// prove derives who the connection belongs to from what was proven.
func (c *conn) prove() (*Login, error) {
	if c.ssh.Permissions == nil {
		return nil, errors.New("nothing was proven")
	}
	login, ok := c.ssh.Permissions.ExtraData[loginKey{}].(*Login)
	if !ok {
		return nil, errors.New("nothing was proven")
	}
	if login.Asked != text.CleanLine(c.ssh.User()) {
		return nil, errors.New("the username changed while logging in")
	}
	var err error
	switch {
	case login.Claimed:
		return login, c.enrol(login)
	case login.Pending:
		err = c.server.cfg.Registry.Confirm(login.Nick, login.Key)
	case keys.IsCertificate(login.Key) && c.server.cfg.Certify != nil:
		err = c.server.cfg.Certify(login.Nick)
	}
	return login, c.server.publicError(login.Nick, err)
}

// identify says who the connection belongs to, which is found out once, as long as that
// still holds.
func (c *conn) identify() (*Login, error) {
	login, err := c.proven()
	if err != nil {
		return nil, err
	}
	if why, stale := c.server.Stale(login, c.from); stale {
		time.AfterFunc(closeWithin, c.abort) // its other sessions have until then
		return nil, errors.New(why)
	}
	return login, nil
}

// enrol binds a nick to the key that has signed.
func (c *conn) enrol(login *Login) error {
	code := login.code
	var err error
	if code == "" {
		err = c.server.claim(login.Nick, login.Key, c.from.Addr())
	} else {
		login.Asked = login.Nick // and not the code
		err = c.server.redeem(login.Nick, code, login.Key)
	}
	if err != nil {
		c.log().Info("login refused", "user", login.Nick, "reason", "claim", "why", text.CleanLine(err.Error()), "keys", 0)
		return err
	}
	if holder, err := c.server.holder(login.Key, login.Nick, c.from.Addr()); err == nil {
		login.Role = holder.Role // an operator may have added the key so lately that the file had not settled
	}
	c.log().Info("nick claimed", "nick", login.Nick, "key", Fingerprint(login.Key), "invited", code != "")
	return nil
}

// Stale reports whether the key of somebody who has logged in from there would not
// let them in any more as who they are, and why, in words for them. It is as cheap
// as a look at the file of keys.
func (s *Server) Stale(l *Login, from netip.AddrPort) (why string, stale bool) {
	if l == nil || l.Key == nil {
		return "", false
	}
	holder, err := s.holder(l.Key, l.Asked, from.Addr())
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

// log is the bounded one about who is not let in. Its messages and attributes are for
// fail2ban and the like, and do not change: docs/operations.md.
func (c *conn) log() *slog.Logger {
	return slog.New(c.server.refusals).With("from", c.from)
}

// recordFailure tells the log and admission how a connection ended that nobody logged in on.
func (c *conn) recordFailure() {
	if c.in.Load() || c.server.isStopped() {
		return
	}
	how := admission.NoAuth
	switch {
	case c.late.Load():
		how = admission.GraceExceeded
	case c.attempts.tried:
		how = admission.AuthFailed
	}
	why := c.attempts.why
	if why == nil && how == admission.AuthFailed {
		why = refused("not-proven", "the key did not sign")
	}
	if why == nil {
		c.log().Info("no login", "how", how)
	} else {
		user, _, coded := strings.Cut(c.attempts.user, "+")
		if coded {
			user += "+..." // without the code of an invitation, which may be a good one
		}
		c.log().Info("login refused", "user", text.Cut(text.CleanLine(user), 64), "reason", reasonOf(why),
			"why", text.CleanLine(why.Error()), "keys", c.attempts.refused)
	}
	c.ticket.Failed(how)
}

// Fingerprint is what people know a key by: of a certificate, the key in it; "" for none.
func Fingerprint(key gossh.PublicKey) string {
	if key == nil {
		return ""
	}
	if cert, ok := key.(*gossh.Certificate); ok {
		key = cert.Key
	}
	return gossh.FingerprintSHA256(key)
}

// addrPort is zero where a is neither an IPv4 nor an IPv6 address.
func addrPort(a net.Addr) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
