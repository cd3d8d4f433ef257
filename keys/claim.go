package keys

import (
	"strings"

	"whoelse/keys/nick"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// claim is one caller of Claim, and what came of it. Who holds Registry.writing
// settles it.
type claim struct {
	nick    string
	key     PublicKey
	settled bool
	err     error
}

// Claim makes nick, as Parse gave it, the key's: a line is added to the file. When
// it returns nil that line is on the disk to stay; it also returns nil if the key
// held that nick already.
//
// Errors: CheckKey's and Parse's; *NotValidError if the key is revoked; *HeldError (ErrHeld) if another key holds the
// nick; *ReservedError (ErrReserved) if it was somebody's and is kept for them;
// *ConfusableError (ErrConfusable) if it reads like a held or reserved one;
// *KeyKnownError (ErrKeyKnown) if the file has the key already, for another nick or
// not in force; ErrFull; otherwise the disk's, and then nothing was claimed.
//
// Claims that come at the same time share one rewriting of the file.
func (r *Registry) Claim(wanted string, key PublicKey) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if r.isRevoked(key) {
		return &NotValidError{Reason: "it is revoked"}
	}
	n, err := nick.Parse(wanted)
	if err != nil {
		return err
	}
	c := &claim{nick: n, key: key}
	r.waitingMu.Lock()
	r.waiting = append(r.waiting, c)
	r.waitingMu.Unlock()

	defer r.deliver()
	r.writing.Lock()
	defer r.writing.Unlock()
	if !c.settled {
		r.settleWaiting()
	}
	return c.err
}

// settleWaiting writes all claims that wait, the caller's among them.
func (r *Registry) settleWaiting() {
	r.waitingMu.Lock()
	group := r.waiting
	r.waiting = nil
	r.waitingMu.Unlock()
	err := r.edit(func(t *table, raw []byte) ([]byte, error) {
		return appendLines(raw, r.decide(t, group, r.room(raw))), nil
	})
	for _, c := range group {
		c.settled = true
		if c.err == nil {
			c.err = err
		}
	}
}

// room is how many bytes of lines people may add to the file by themselves. A tenth of
// what can be read is left to operators: a file that is full could not even be mended.
func (r *Registry) room(raw []byte) int {
	return int(r.store.Max()/10*9) - len(raw) - len("\n")
}

// decide settles those that cannot be had, and gives the lines for the others, which
// are no longer than room.
func (r *Registry) decide(t *table, group []*claim, room int) string {
	var text strings.Builder
	taken := parseTable(nil) // what the earlier ones of the group get
	for _, c := range group {
		c.err = nil // of an earlier attempt
		if had, err := c.against(t, r); had || err != nil {
			c.err = err
			continue
		}
		if had, err := c.against(taken, r); had || err != nil {
			c.err = err
			continue
		}
		one := claimLine(c.key, commentFor(c.nick, "claimed", r.now()))
		if text.Len()+len(one)+len("\n") > room {
			c.err = ErrFull
			r.full.Do(func() {
				r.log.Error("authorized_keys is full: no more nicks can be claimed", "room", room, "nick", c.nick)
			})
			continue
		}
		taken.add(parseLine(0, []byte(one)))
		text.WriteString(one + "\n")
	}
	return text.String()
}

// against tells whether the key has the nick by t already, or why it cannot.
func (c *claim) against(t *table, r *Registry) (had bool, err error) {
	for _, l := range t.find(c.key) {
		why := l.refusal(r.now())
		if why == "" && l.nick == c.nick && l.opts.from == nil && ssh.KeysEqual(l.key, c.key) {
			return true, nil
		}
		if why == "" && l.nick == c.nick {
			why = "only for some addresses"
		}
		if err == nil {
			err = &KeyKnownError{Nick: l.nick, Line: l.num, Reason: why}
		}
	}
	if err != nil {
		return false, err
	}
	return false, r.available(t, c.nick)
}

func claimLine(key PublicKey, comment string) string {
	return strings.TrimSuffix(string(gossh.MarshalAuthorizedKey(key)), "\n") + " " + comment
}
