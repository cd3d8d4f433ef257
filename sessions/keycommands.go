package sessions

import (
	"errors"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// key is what people do about their own keys.
func (c *commandContext) key(call parse.Call) {
	switch {
	case c.host.cfg.Keyring == nil:
		c.fail("keys can't be changed from here")
	case call.Verb == "add":
		c.addKey(call.Text)
	case call.Verb == "remove":
		c.removeKey(call.Target)
	case call.Verb == "leave":
		c.leaveNick(call.Nick)
	default:
		c.listKeys()
	}
}

func (c *commandContext) listKeys() {
	list := c.host.cfg.Keyring.Keys(c.seat.Nick())
	own := c.person().Key
	if len(list) == 0 {
		c.note("you logged in with a certificate for the key " + own + "; no key of yours is stored here")
		return
	}
	lines := render.Notice(nil, render.Number(len(list), "key is", "keys are")+" yours:", c.style())
	for _, k := range list {
		lines = render.Notice(lines, "  "+c.wordsOfKey(k, own), c.style())
	}
	c.print(string(lines), nil)
}

// wordsOfKey describes one of the person's keys; own is the one in use.
func (c *commandContext) wordsOfKey(k Key, own string) string {
	now := time.Now()
	words := []string{k.Fingerprint + " (" + k.Type + ")"}
	if !k.Added.IsZero() {
		words = append(words, "added "+wordsDay(k.Added, now))
	}
	switch {
	case k.Fingerprint == own:
		words = append(words, "in use here")
	case !k.Used.IsZero():
		words = append(words, "last used "+render.Ago(now.Sub(k.Used))+" ago")
	}
	if k.From != "" {
		words = append(words, "only from "+k.From)
	}
	switch {
	case k.Expires.IsZero():
	case now.Before(k.Expires):
		words = append(words, "until "+render.Clock(k.Expires, now, c.style()))
	default:
		words = append(words, "expired "+render.Clock(k.Expires, now, c.style()))
	}
	if k.Off != "" {
		words = append(words, "not in force: "+k.Off)
	}
	return strings.Join(words, ", ")
}

// wordsDay names a day, given at its beginning in UTC.
func wordsDay(day, now time.Time) string {
	if now.UTC().Format(time.DateOnly) == day.Format(time.DateOnly) {
		return "today"
	}
	return "on " + day.Format("2 Jan 2006")
}

func (c *commandContext) addKey(pasted string) {
	if _, ok := c.login.Key.(*gossh.Certificate); ok {
		c.fail("you logged in with a certificate; only its issuer can add keys")
		return
	}
	added, err := c.host.cfg.Keyring.AddKeys(c.seat.Nick(), c.login.Key, pasted)
	switch {
	case err != nil:
		c.refused("adding the key", err)
		return
	case len(added) == 0:
		c.note("that key is already yours")
		return
	}
	for _, k := range added {
		c.host.cfg.Log.Info("key added", "nick", c.seat.Nick(), "key", k.Fingerprint, "by", c.person().Key, "from", c.from)
		words := "added " + c.wordsOfKey(k, "") + "; whoever has it can join as " + c.seat.Nick()
		if c.operator() {
			words += ", but not as an operator"
		}
		c.note(words)
	}
}

func (c *commandContext) removeKey(fingerprint string) {
	if !strings.HasPrefix(fingerprint, "SHA256:") {
		fingerprint = "SHA256:" + fingerprint
	}
	if err := c.host.cfg.Keyring.RemoveKey(c.seat.Nick(), fingerprint); err != nil {
		c.refused("removing the key", err)
		return
	}
	c.host.cfg.Log.Info("key removed", "nick", c.seat.Nick(), "key", fingerprint, "by", c.person().Key, "from", c.from)
	c.note("removed " + fingerprint + "; it no longer works, and its sessions end")
}

// leaveNick gives the person's nick up. Their sessions end with it, this one as if they
// had quit.
func (c *commandContext) leaveNick(typed string) {
	own := c.seat.Nick()
	if typed != own {
		c.fail("you are " + own + ", not " + typed + "; to give your nick up, type /key leave " + own)
		return
	}
	c.note("giving up " + own + ": your keys are removed and your messages set aside; only an operator can give them back")
	c.gaveUp.Store(true)
	if err := c.host.cfg.Keyring.Leave(own); err != nil {
		c.gaveUp.Store(false)
		c.refused("giving up "+own, err)
		return
	}
	c.host.cfg.Log.Info("nick given up", "nick", own, "by", c.person().Key, "from", c.from)
}

// endedBy is why the person's session or command ends that somebody ends: not against
// the will of whoever has just given up the nick.
func (c *commandContext) endedBy(cause error) error {
	if _, sentAway := cause.(expelled); sentAway && c.gaveUp.Load() {
		return errQuit
	}
	return cause
}

// refused shows why something that touches files was not done.
func (c *commandContext) refused(what string, err error) {
	if errors.Is(err, room.ErrStorage) {
		c.trouble(what, err)
		return
	}
	c.fail(err.Error())
}

// trouble shows an error of the storage, in words, and logs it whole.
func (c *commandContext) trouble(what string, err error) {
	c.host.complain(what+" failed", c.seat.Nick(), err)
	c.report(result.Failure{Code: result.Storage, Err: errors.New(what + " failed: " + render.Error(err))})
}
