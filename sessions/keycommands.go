package sessions

import (
	"errors"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/sessions/parse"
	"whoelse/sessions/quota"
	"whoelse/sessions/result"
)

// key is what people do about their own keys.
func (s *session) key(call parse.Call) result.Result {
	switch call.Verb {
	case "add":
		return s.addKey(call.Text)
	case "remove":
		return s.removeKey(call.Target)
	case "leave":
		return s.leaveNick(call.Nick)
	}
	return result.Keys{List: s.withUse(s.manager.cfg.Registry.Keys(s.member.Nick())), In: s.person().Key}
}

// withUse adds to keys when they were last used.
func (s *session) withUse(list []keys.Entry) (all []result.Key) {
	for _, e := range list {
		all = append(all, result.Key{Entry: e, Used: s.manager.cfg.Used.Last(e.Fingerprint)})
	}
	return all
}

func (s *session) addKey(pasted string) result.Result {
	if _, ok := s.login.Key.(*gossh.Certificate); ok {
		return result.Failure{Code: result.Refused, Reason: result.CertificateOnly}
	}
	added, err := s.register(pasted)
	switch {
	case err != nil:
		return s.failed(result.Failure{Reason: result.AddingKey, Err: err})
	case len(added) == 0:
		return result.Done{What: result.KeyAlreadyYours}
	}
	for _, k := range added {
		s.logKey("key added", k.Fingerprint)
	}
	return result.KeysAdded{Nick: s.member.Nick(), List: s.withUse(added), Operator: s.operator()}
}

// changeKeys adds or removes up to n of the person's keys, unless many were changed lately: each time a file is written that
// everyone who logs in reads. What was not changed does not count.
func (s *session) changeKeys(n int, change func() ([]keys.Entry, error)) ([]keys.Entry, error) {
	changes := s.manager.cfg.KeyChanges
	if err := changes.Charge(s.payer(), int64(n)); err != nil {
		return nil, result.Failure{Code: result.Limit, Reason: result.KeyChanges, Most: quota.KeysOfNick, N: quota.KeysOfAddress, Err: err}
	}
	changed, err := change()
	changes.Refund(s.payer(), int64(n-len(changed)))
	return changed, err
}

// logKey writes a line about a key of the person's.
func (s *session) logKey(what, fingerprint string) {
	s.manager.cfg.Log.With("nick", s.member.Nick(), "from", s.from).Info(what, "key", fingerprint, "by", s.person().Key)
}

// mostKeys bounds how many keys one person has by adding them: the file is read by
// everyone who logs in.
const mostKeys = 20

// register reads public keys as people paste them and binds them to the person's nick,
// durably, once whoever has the private key confirms that. They are no operator's, whoever
// asks, and are limited as the one is that the person came with: who may only come from the
// office, or until Friday, does not get around that by another key.
func (s *session) register(pasted string) ([]keys.Entry, error) {
	list, labels, err := keys.ParseKeys([]byte(pasted))
	if err != nil {
		return nil, result.Failure{Code: result.Refused, Reason: result.BadKey, Err: err}
	}
	own := s.manager.cfg.Registry.Keys(s.member.Nick())
	limits, err := s.limits(own)
	if err != nil {
		return nil, err
	}
	if len(own)+len(list) > mostKeys {
		return nil, result.Failure{Code: result.Refused, Reason: result.TooManyKeys, Most: mostKeys}
	}
	limits.Labels = labels
	added, err := s.changeKeys(len(list), func() ([]keys.Entry, error) {
		return s.manager.cfg.Registry.Add(s.member.Nick(), list, limits)
	})
	if known, ok := errors.AsType[*keys.KeyKnownError](err); ok && known.Nick != s.member.Nick() {
		return nil, result.Failure{Code: result.Refused, Reason: result.KeyTaken} // whose it is, is not for everybody
	}
	return added, err
}

// limits gives the options of the one of the person's keys that lets them in.
func (s *session) limits(own []keys.Entry) (keys.AddOptions, error) {
	for _, e := range own {
		if e.Fingerprint != keys.Fingerprint(s.login.Key) || e.Disabled != "" {
			continue
		}
		if strings.HasSuffix(e.From, "...") { // cut for being shown
			return keys.AddOptions{}, result.Failure{Code: result.Refused, Reason: result.LimitedKey}
		}
		return keys.AddOptions{Expires: e.Expires, From: e.From, AllowConfusable: true, LeaveRoom: true, Pending: true}, nil
	}
	return keys.AddOptions{}, result.Failure{Code: result.Refused, Reason: result.KeyGone, Own: s.member.Nick()}
}

func (s *session) removeKey(fingerprint string) result.Result {
	if !strings.HasPrefix(fingerprint, "SHA256:") {
		fingerprint = "SHA256:" + fingerprint
	}
	_, err := s.changeKeys(1, func() ([]keys.Entry, error) {
		return s.manager.cfg.Registry.Remove(keys.Selector{Nick: s.member.Nick(), Fingerprint: fingerprint, KeepLast: true})
	})
	switch {
	case errors.Is(err, keys.ErrNoSuchKey):
		return result.Failure{Code: result.Refused, Reason: result.NoSuchKey}
	case err != nil:
		return s.failed(result.Failure{Reason: result.RemovingKey, Err: err})
	}
	s.logKey("key removed", fingerprint)
	return result.Done{What: result.KeyRemoved, Nick: fingerprint}
}

// leaveNick gives the person's nick up. Their sessions end with it, this one as if they
// had quit, so that they are told before.
func (s *session) leaveNick(typed string) result.Result {
	own := s.member.Nick()
	if typed != own {
		return result.Failure{Code: result.Refused, Reason: result.NotConfirmed, Nick: typed, Own: own}
	}
	what := result.GivingUp
	if len(s.manager.cfg.Registry.Authorities(nil)) > 0 {
		what = result.GivingUpKeys
	}
	s.show(result.Done{What: what, Nick: own})
	s.gaveUp.Store(true)
	_, err := s.manager.cfg.Registry.Remove(keys.Selector{Nick: own})
	if err == nil {
		s.logKey("nick given up", s.person().Key)
		return nil
	}
	s.gaveUp.Store(false)
	if errors.Is(err, keys.ErrNoSuchKey) {
		return result.Failure{Code: result.Refused, Reason: result.NoKeyHere, Own: own}
	}
	return s.failed(result.Failure{Reason: result.GivingNickUp, Nick: own, Err: err})
}

// endedBy is why the person's session or command ends that somebody ends: not against
// the will of whoever has just given up the nick.
func (s *session) endedBy(cause error) error {
	if endingOf(cause).exit == exitNotAllowed && s.gaveUp.Load() {
		return errQuit
	}
	return cause
}
