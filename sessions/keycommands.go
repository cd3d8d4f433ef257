package sessions

import (
	"errors"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// key is what people do about their own keys.
func (c *commandContext) key(call parse.Call) {
	switch {
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
	list := c.host.cfg.Registry.Keys(c.seat.Nick())
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
func (c *commandContext) wordsOfKey(k keys.Entry, own string) string {
	now := time.Now()
	words := []string{k.Fingerprint + " (" + k.Type + ")"}
	if !k.Added.IsZero() {
		words = append(words, "added "+wordsDay(k.Added, now))
	}
	used := c.host.cfg.Used.Last(k.Fingerprint)
	switch {
	case k.Fingerprint == own:
		words = append(words, "in use here")
	case !used.IsZero():
		words = append(words, "last used "+render.Ago(now.Sub(used))+" ago")
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
	if k.Disabled != "" {
		words = append(words, "not in force: "+k.Disabled)
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
	added, err := c.register(pasted)
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

// mostKeys bounds how many keys one person has by adding them: the file is read by
// everyone who logs in.
const mostKeys = 20

// register reads public keys as people paste them and binds them to the person's nick,
// durably. They are no operator's, whoever asks, and are limited as the one is that the
// person came with: who may only come from the office, or until Friday, does not get around
// that by another key.
func (c *commandContext) register(pasted string) ([]keys.Entry, error) {
	list, err := keys.ParseKeys([]byte(pasted))
	if err != nil {
		return nil, errors.New("not added: " + err.Error())
	}
	own := c.host.cfg.Registry.Keys(c.seat.Nick())
	limits, err := c.limits(own)
	if err != nil {
		return nil, err
	}
	if len(own)+len(list) > mostKeys {
		return nil, errors.New("not added: that would be more than 20 keys; remove some")
	}
	added, err := c.host.cfg.Registry.Add(c.seat.Nick(), list, limits)
	return added, publicError(err)
}

// limits gives the options of the one of the person's keys that lets them in.
func (c *commandContext) limits(own []keys.Entry) (keys.AddOptions, error) {
	for _, e := range own {
		if e.Fingerprint != keys.Fingerprint(c.login.Key) || e.Disabled != "" {
			continue
		}
		if strings.HasSuffix(e.From, "...") { // cut for being shown
			return keys.AddOptions{}, errors.New("not added: your key is limited in a way that can't be passed on from here")
		}
		return keys.AddOptions{Expires: e.Expires, From: e.From, AllowConfusable: true, LeaveRoom: true}, nil
	}
	return keys.AddOptions{}, errors.New("not added: the key you logged in with no longer holds " + c.seat.Nick())
}

func (c *commandContext) removeKey(fingerprint string) {
	if !strings.HasPrefix(fingerprint, "SHA256:") {
		fingerprint = "SHA256:" + fingerprint
	}
	_, err := c.host.cfg.Registry.Remove(keys.Selector{Nick: c.seat.Nick(), Fingerprint: fingerprint, KeepLast: true})
	switch {
	case errors.Is(err, keys.ErrNoSuchKey):
		c.fail("none of your keys has this fingerprint; /key lists them")
		return
	case err != nil:
		c.refused("removing the key", publicError(err))
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
	if _, err := c.host.cfg.Registry.Remove(keys.Selector{Nick: own}); err != nil {
		c.gaveUp.Store(false)
		if errors.Is(err, keys.ErrNoSuchKey) {
			c.fail("no key holds " + own + " here; it is for whoever made your certificate to take it back")
		} else {
			c.refused("giving up "+own, publicError(err))
		}
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
