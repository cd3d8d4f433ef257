package hostile

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions"
)

// keyring takes no keys, and says so with what was pasted in its words, as careless
// code would.
type keyring struct{ sessions.Keyring }

func (keyring) AddKeys(_ string, _ gossh.PublicKey, pasted string) ([]sessions.Key, error) {
	return nil, errors.New("that is no key: " + pasted)
}

func (keyring) RemoveKey(_, fingerprint string) error {
	return errors.New("that is none of yours: " + fingerprint)
}

func (keyring) Keys(string) []sessions.Key { return nil }
func (keyring) KeyUsed(gossh.PublicKey)    {}

// warden lets operators do everything, keeps bans in memory only, and writes what
// it is told into the log.
type warden struct {
	sessions.Warden
	log *slog.Logger

	mu   sync.Mutex
	bans []sessions.Ban
}

func (w *warden) Record(a sessions.Action) error {
	w.log.Info("an operator acts", "who", a.Who, "what", a.What, "whom", a.Whom, "why", a.Why)
	return nil
}

func (w *warden) Aim(what string) (sessions.Aim, error) {
	return sessions.Aim{Target: what, Covers: func(p sessions.Person) bool { return p.Nick == what }}, nil
}

func (w *warden) Ban(target, by, reason string, _ time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bans = append(w.bans, sessions.Ban{Target: target, By: by, Reason: reason, Made: time.Now()})
	return nil
}

func (w *warden) Bans() []sessions.Ban {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]sessions.Ban(nil), w.bans...)
}

func (w *warden) Unban(target string) error { return errors.New("nobody is banned as " + target) }

func (w *warden) Invite(nick, _ string, _ time.Duration) (string, error) {
	return "", errors.New("nobody is invited as " + nick)
}

func (w *warden) Mute(nick, by string, _ time.Duration) (sessions.Mute, error) {
	return sessions.Mute{By: by}, nil
}

func (w *warden) Unmute(string) (bool, error) { return false, nil }

func (w *warden) Muted(string) (sessions.Mute, bool) { return sessions.Mute{}, false }
