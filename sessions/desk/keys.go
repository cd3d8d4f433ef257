package desk

import (
	"errors"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/nick"
	"whoelse/sessions"
)

// Keys implements sessions.Keyring.
func (d *Desk) Keys(nick string) []sessions.Key {
	var list []sessions.Key
	for _, e := range d.registry.Keys(nick) {
		list = append(list, d.key(e))
	}
	return list
}

func (d *Desk) key(e keys.Entry) sessions.Key {
	return sessions.Key{
		Fingerprint: e.Fingerprint, Type: e.Type, Added: e.Added, Used: d.used.Last(e.Fingerprint),
		Expires: e.Expires, From: e.From, Off: e.Disabled,
	}
}

// mostKeys bounds how many keys one person has by adding them: the file is read by
// everyone who logs in.
const mostKeys = 20

// AddKeys implements sessions.Keyring. The new keys are no operator's, whoever asks,
// and are limited as the one is that the person came with: who may only come from
// the office, or until Friday, does not get around that by another key.
func (d *Desk) AddKeys(n string, own gossh.PublicKey, pasted string) ([]sessions.Key, error) {
	list, err := keys.ParseKeys([]byte(pasted))
	if err != nil {
		return nil, errors.New("not added: " + err.Error())
	}
	opt, err := d.limits(n, own)
	if err != nil {
		return nil, err
	}
	if len(d.registry.Keys(n))+len(list) > mostKeys {
		return nil, errors.New("not added: that would be more than 20 keys; remove some")
	}
	added, err := d.registry.Add(n, list, opt)
	if err != nil {
		return nil, shown(err, keys.ErrKeyKnown, keys.ErrAlike, keys.ErrHeld, keys.ErrKeyRefused, keys.ErrFull, nick.ErrBad)
	}
	var fresh []sessions.Key
	for _, e := range added {
		fresh = append(fresh, d.key(e))
	}
	return fresh, nil
}

// limits gives the options of the line that lets own in.
func (d *Desk) limits(n string, own gossh.PublicKey) (keys.AddOptions, error) {
	fingerprint := keys.Fingerprint(own)
	for _, e := range d.registry.Keys(n) {
		if e.Fingerprint != fingerprint || e.Disabled != "" {
			continue
		}
		if strings.HasSuffix(e.From, "...") { // cut for being shown
			return keys.AddOptions{}, errors.New("not added: your key is limited in a way that can't be passed on from here")
		}
		return keys.AddOptions{Expires: e.Expires, From: e.From, AllowAlike: true, LeaveRoom: true}, nil
	}
	return keys.AddOptions{}, errors.New("not added: the key you logged in with no longer holds " + n)
}

// Leave implements sessions.Keyring.
func (d *Desk) Leave(n string) error {
	_, err := d.registry.Remove(keys.Selector{Nick: n})
	if errors.Is(err, keys.ErrNoSuchKey) {
		return errors.New("no key holds " + n + " here; it is for whoever made your certificate to take it back")
	}
	return shown(err)
}

// RemoveKey implements sessions.Keyring.
func (d *Desk) RemoveKey(n, fingerprint string) error {
	_, err := d.registry.Remove(keys.Selector{Nick: n, Fingerprint: fingerprint, KeepLast: true})
	if errors.Is(err, keys.ErrNoSuchKey) {
		return errors.New("none of your keys has this fingerprint; /key lists them")
	}
	return shown(err, keys.ErrLastKey)
}
