package sshd

import (
	"errors"
	"slices"
	"strings"

	"whoelse/sessions/admission"
	"whoelse/sessions/text"
)

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
	if _, ok := errors.AsType[*StorageError](err); ok {
		return "storage"
	}
	return "other"
}

// note keeps why an attempt was refused. What a key can't be used for at all says more
// than what a name can't be.
func (l *login) note(why error) {
	if l.unfit == nil {
		l.why = why
	}
	if r, ok := errors.AsType[refusal](why); ok && r.unfit {
		l.unfit, l.why = why, why
	}
}

// fresh is what of words the person was not shown yet, as lines.
func (l *login) fresh(words ...string) string {
	var lines strings.Builder
	for _, w := range words {
		if w = text.CleanLine(w); w != "" && !slices.Contains(l.told, w) {
			l.told = append(l.told, w)
			lines.WriteString("whoelse: " + w + "\r\n")
		}
	}
	return lines.String()
}

// Messages of the log about who is not let in. Their names and attributes are for
// fail2ban and the like: docs/operations.md.
const (
	logRefusedConnection = "connection refused" // before the login: reason, why
	logRefusedLogin      = "login refused"      // it was tried: user, reason, why, keys (how many were refused)
	logNoLogin           = "no login"           // it was not, or not in time: how
	logClaimed           = "nick claimed"       // nick, key, invited
)

// logRefusal tells the log how a connection ended that nobody logged in on.
func (c *conn) logRefusal(how admission.Failure) {
	log := c.server.refusals.With("from", c.RemoteAddr().String())
	switch {
	case c.login.why != nil:
	case how == admission.AuthFailed:
		c.login.why = refused("not-proven", "the key did not sign")
	default:
		log.Info(logNoLogin, "how", how)
		return
	}
	log.Info(logRefusedLogin, "user", loggedUser(c.login.user), "reason", reasonOf(c.login.why),
		"why", text.CleanLine(c.login.why.Error()), "keys", c.login.refused)
}

// logDoor is for who was turned away before the login.
func (c *conn) logDoor(why error) {
	c.server.refusals.With("from", c.RemoteAddr().String()).Info(logRefusedConnection,
		"reason", reasonOf(why), "why", text.CleanLine(why.Error()))
}

// loggedUser is a username for the log: without the code of an invitation, which may
// be a good one.
func loggedUser(user string) string {
	name, _, coded := strings.Cut(user, "+")
	if coded {
		name += "+..."
	}
	return text.Cut(text.CleanLine(name), 64)
}

// enrol binds a nick to the key that has signed.
func (c *conn) enrol(login *Login, code string) error {
	var err error
	if code == "" {
		err = c.server.claim(login.Nick, login.Key, addrOf(c.RemoteAddr()))
	} else {
		login.Asked = login.Nick // and not the code
		err = c.server.redeem(login.Nick, code, login.Key)
	}
	log := c.server.refusals.With("from", c.RemoteAddr().String())
	if err != nil {
		log.Info(logRefusedLogin, "user", login.Nick, "reason", "claim", "why", text.CleanLine(err.Error()), "keys", 0)
		return err
	}
	log.Info(logClaimed, "nick", login.Nick, "key", fingerprint(login.Key), "invited", code != "")
	return nil
}
