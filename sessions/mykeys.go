package sessions

import (
	"errors"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
)

// key is what people do about their own keys.
func (a *actor) key(call parse.Call) {
	switch {
	case a.login.Key == nil:
		a.fail("guests have no keys; connect with one to have a nick of your own (ssh-keygen -t ed25519 makes one)")
	case call.Verb == "add":
		a.addKey(call.Text)
	case call.Verb == "remove":
		a.removeKey(call.Target)
	case call.Verb == "leave":
		a.leaveNick(call.Nick)
	default:
		a.listKeys()
	}
}

func (a *actor) listKeys() {
	list := a.host.cfg.Registry.Keys(a.seat.Nick())
	own := a.person().Key
	if len(list) == 0 {
		a.note("you logged in with a certificate for the key " + own + "; no key of yours is stored here")
		return
	}
	lines := render.Notice(nil, wordsCount(len(list), "key is", "keys are")+" yours:", a.style())
	for _, k := range list {
		lines = render.Notice(lines, "  "+a.wordsOfKey(k, own), a.style())
	}
	a.printAll(string(lines), nil)
}

// wordsOfKey describes one of the person's keys; own is the one in use.
func (a *actor) wordsOfKey(k keys.Entry, own string) string {
	now := time.Now()
	words := []string{k.Fingerprint + " (" + k.Type + ")"}
	if !k.Added.IsZero() {
		words = append(words, "added "+wordsDay(k.Added, now))
	}
	used := a.host.cfg.Used.Last(k.Fingerprint)
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
		words = append(words, "until "+render.Clock(k.Expires, now, a.style()))
	default:
		words = append(words, "expired "+render.Clock(k.Expires, now, a.style()))
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

func (a *actor) addKey(pasted string) {
	if _, ok := a.login.Key.(*gossh.Certificate); ok {
		a.fail("you logged in with a certificate; only its issuer can add keys")
		return
	}
	added, err := a.register(pasted)
	switch {
	case err != nil:
		a.refused("adding the key", err)
		return
	case len(added) == 0:
		a.note("that key is already yours")
		return
	}
	for _, k := range added {
		a.host.cfg.Log.Info("key added", "nick", a.seat.Nick(), "key", k.Fingerprint, "by", a.person().Key, "from", a.from)
		words := "added " + a.wordsOfKey(k, "") + "; whoever has it can join as " + a.seat.Nick()
		if a.operator() {
			words += ", but not as an operator"
		}
		a.note(words)
	}
}

// mostKeys bounds how many keys one person has by adding them: the file is read by
// everyone who logs in.
const mostKeys = 20

// register reads public keys as people paste them and binds them to the person's nick,
// durably. They are no operator's, whoever asks, and are limited as the one is that the
// person came with: who may only come from the office, or until Friday, does not get around
// that by another key.
func (a *actor) register(pasted string) ([]keys.Entry, error) {
	list, err := keys.ParseKeys([]byte(pasted))
	if err != nil {
		return nil, errors.New("not added: " + err.Error())
	}
	own := a.host.cfg.Registry.Keys(a.seat.Nick())
	limits, err := a.limits(own)
	if err != nil {
		return nil, err
	}
	if len(own)+len(list) > mostKeys {
		return nil, errors.New("not added: that would be more than 20 keys; remove some")
	}
	added, err := a.host.cfg.Registry.Add(a.seat.Nick(), list, limits)
	return added, publicError(err)
}

// limits gives the options of the one of the person's keys that lets them in.
func (a *actor) limits(own []keys.Entry) (keys.AddOptions, error) {
	for _, e := range own {
		if e.Fingerprint != keys.Fingerprint(a.login.Key) || e.Disabled != "" {
			continue
		}
		if strings.HasSuffix(e.From, "...") { // cut for being shown
			return keys.AddOptions{}, errors.New("not added: your key is limited in a way that can't be passed on from here")
		}
		return keys.AddOptions{Expires: e.Expires, From: e.From, AllowConfusable: true, LeaveRoom: true}, nil
	}
	return keys.AddOptions{}, errors.New("not added: the key you logged in with no longer holds " + a.seat.Nick())
}

func (a *actor) removeKey(fingerprint string) {
	if !strings.HasPrefix(fingerprint, "SHA256:") {
		fingerprint = "SHA256:" + fingerprint
	}
	_, err := a.host.cfg.Registry.Remove(keys.Selector{Nick: a.seat.Nick(), Fingerprint: fingerprint, KeepLast: true})
	switch {
	case errors.Is(err, keys.ErrNoSuchKey):
		a.fail("none of your keys has this fingerprint; /key lists them")
		return
	case err != nil:
		a.refused("removing the key", publicError(err))
		return
	}
	a.host.cfg.Log.Info("key removed", "nick", a.seat.Nick(), "key", fingerprint, "by", a.person().Key, "from", a.from)
	a.note("removed " + fingerprint + "; it no longer works, and its sessions end")
}

// leaveNick gives the person's nick up. Their sessions end with it, this one as if they
// had quit.
func (a *actor) leaveNick(typed string) {
	own := a.seat.Nick()
	if typed != own {
		a.fail("you are " + own + ", not " + typed + "; to give your nick up, type /key leave " + own)
		return
	}
	a.note("giving up " + own + ": your keys are removed and your messages set aside; only an operator can give them back")
	a.gaveUp.Store(true)
	if _, err := a.host.cfg.Registry.Remove(keys.Selector{Nick: own}); err != nil {
		a.gaveUp.Store(false)
		if errors.Is(err, keys.ErrNoSuchKey) {
			a.fail("no key holds " + own + " here; it is for whoever made your certificate to take it back")
		} else {
			a.refused("giving up "+own, publicError(err))
		}
		return
	}
	a.host.cfg.Log.Info("nick given up", "nick", own, "by", a.person().Key, "from", a.from)
}

// endedBy is why the person's session or command ends that somebody ends: not against
// the will of whoever has just given up the nick.
func (a *actor) endedBy(cause error) error {
	if _, sentAway := cause.(expelled); sentAway && a.gaveUp.Load() {
		return errQuit
	}
	return cause
}

// refused shows why something that touches files was not done.
func (a *actor) refused(what string, err error) {
	if errors.Is(err, room.ErrStorage) {
		a.trouble(what, err)
		return
	}
	a.fail(err.Error())
}

func (a *actor) person() bans.Who { return personOf(a.login, a.seat.Nick(), a.from) }

// motd shows the message of the day again.
func (a *actor) motd(parse.Call) {
	lines := motd(a.host.cfg.MOTD())
	if lines == nil {
		a.note("there is no message of the day")
		return
	}
	a.printAll(string(lines), nil)
}
