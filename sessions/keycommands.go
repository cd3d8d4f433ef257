package sessions

import (
	"errors"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/sessions/parse"
	"whoelse/sessions/result"
)

// key is what people do about their own keys.
func (c *commandContext) key(call parse.Call) result.Result {
	switch call.Verb {
	case "add":
		return c.addKey(call.Text)
	case "remove":
		return c.removeKey(call.Target)
	case "leave":
		return c.leaveNick(call.Nick)
	}
	return result.Keys{List: c.withUse(c.manager.cfg.Registry.Keys(c.seat.Nick())), In: c.person().Key}
}

// withUse adds to keys when they were last used.
func (c *commandContext) withUse(list []keys.Entry) (all []result.Key) {
	for _, e := range list {
		all = append(all, result.Key{Entry: e, Used: c.manager.cfg.Used.Last(e.Fingerprint)})
	}
	return all
}

func (c *commandContext) addKey(pasted string) result.Result {
	if _, ok := c.login.Key.(*gossh.Certificate); ok {
		return result.Failure{Code: result.Refused, Reason: result.CertificateOnly}
	}
	added, err := c.register(pasted)
	switch {
	case err != nil:
		return c.failed(result.Failure{Reason: result.AddingKey, Err: err})
	case len(added) == 0:
		return result.Done{What: result.KeyAlreadyYours}
	}
	for _, k := range added {
		c.manager.cfg.Log.Info("key added", "nick", c.seat.Nick(), "key", k.Fingerprint, "by", c.person().Key, "from", c.from)
	}
	return result.KeysAdded{Nick: c.seat.Nick(), List: c.withUse(added), Operator: c.operator()}
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
		return nil, result.Failure{Code: result.Refused, Reason: result.BadKey, Err: err}
	}
	own := c.manager.cfg.Registry.Keys(c.seat.Nick())
	limits, err := c.limits(own)
	if err != nil {
		return nil, err
	}
	if len(own)+len(list) > mostKeys {
		return nil, result.Failure{Code: result.Refused, Reason: result.TooManyKeys, Most: mostKeys}
	}
	added, err := c.manager.cfg.Registry.Add(c.seat.Nick(), list, limits)
	return added, err
}

// limits gives the options of the one of the person's keys that lets them in.
func (c *commandContext) limits(own []keys.Entry) (keys.AddOptions, error) {
	for _, e := range own {
		if e.Fingerprint != keys.Fingerprint(c.login.Key) || e.Disabled != "" {
			continue
		}
		if strings.HasSuffix(e.From, "...") { // cut for being shown
			return keys.AddOptions{}, result.Failure{Code: result.Refused, Reason: result.LimitedKey}
		}
		return keys.AddOptions{Expires: e.Expires, From: e.From, AllowConfusable: true, LeaveRoom: true}, nil
	}
	return keys.AddOptions{}, result.Failure{Code: result.Refused, Reason: result.KeyGone, Own: c.seat.Nick()}
}

func (c *commandContext) removeKey(fingerprint string) result.Result {
	if !strings.HasPrefix(fingerprint, "SHA256:") {
		fingerprint = "SHA256:" + fingerprint
	}
	_, err := c.manager.cfg.Registry.Remove(keys.Selector{Nick: c.seat.Nick(), Fingerprint: fingerprint, KeepLast: true})
	switch {
	case errors.Is(err, keys.ErrNoSuchKey):
		return result.Failure{Code: result.Refused, Reason: result.NoSuchKey}
	case err != nil:
		return c.failed(result.Failure{Reason: result.RemovingKey, Err: err})
	}
	c.manager.cfg.Log.Info("key removed", "nick", c.seat.Nick(), "key", fingerprint, "by", c.person().Key, "from", c.from)
	return result.Done{What: result.KeyRemoved, Nick: fingerprint}
}

// leaveNick gives the person's nick up. Their sessions end with it, this one as if they
// had quit, so that they are told before.
func (c *commandContext) leaveNick(typed string) result.Result {
	own := c.seat.Nick()
	if typed != own {
		return result.Failure{Code: result.Refused, Reason: result.NotConfirmed, Nick: typed, Own: own}
	}
	c.show(result.Done{What: result.GivingUp, Nick: own})
	c.gaveUp.Store(true)
	_, err := c.manager.cfg.Registry.Remove(keys.Selector{Nick: own})
	if err == nil {
		c.manager.cfg.Log.Info("nick given up", "nick", own, "by", c.person().Key, "from", c.from)
		return nil
	}
	c.gaveUp.Store(false)
	if errors.Is(err, keys.ErrNoSuchKey) {
		return result.Failure{Code: result.Refused, Reason: result.NoKeyHere, Own: own}
	}
	return c.failed(result.Failure{Reason: result.GivingNickUp, Nick: own, Err: err})
}

// endedBy is why the person's session or command ends that somebody ends: not against
// the will of whoever has just given up the nick.
func (c *commandContext) endedBy(cause error) error {
	if _, sentAway := cause.(expelled); sentAway && c.gaveUp.Load() {
		return errQuit
	}
	return cause
}
