// Package desk is where what people and operators ask for, at the login and from
// inside a session, meets what keys has for it: the registry, certificates, bans,
// mutes, invitations and the audit log. It fits the one to the other and decides
// little by itself.
//
//	d, err := desk.Open(data, registry, bans, invites, log)
//	cfg := sessions.Config{Keyring: d, Warden: d, Admit: d.Admit, ...}
//	defer d.Close()
//	ssh := sshd.Config{Keys: desk.NewPeople(registry, revoked, invites), ...}
package desk

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/invites"
	"whoelse/keys/mutes"
	"whoelse/keys/nick"
	"whoelse/keys/span"
	"whoelse/keys/used"
	"whoelse/room"
	"whoelse/sessions"
)

// Desk serves sessions. Its methods may be called concurrently.
type Desk struct {
	registry *keys.Registry
	bans     *bans.List
	invites  *invites.Store
	mutes    *mutes.List
	used     *used.Times
	audit    *audit.Log
}

var (
	_ sessions.Keyring = (*Desk)(nil)
	_ sessions.Warden  = (*Desk)(nil)
)

// Open opens what only the desk uses, in the folder data: mutes.json, used.json and
// audit.jsonl. The rest it shares with whoever gives it.
func Open(data string, registry *keys.Registry, list *bans.List, store *invites.Store, log *slog.Logger) (*Desk, error) {
	d := &Desk{registry: registry, bans: list, invites: store}
	var err error
	if d.mutes, err = mutes.Open(filepath.Join(data, "mutes.json")); err != nil {
		return nil, err
	}
	if d.audit, err = audit.Open(filepath.Join(data, "audit.jsonl")); err != nil {
		return nil, err
	}
	d.used = used.Open(filepath.Join(data, "used.json"), log)
	if d.used.Lost() { // or Expire would free the nicks of people who were here yesterday
		for _, e := range registry.List() {
			d.used.Note(e.Fingerprint)
		}
	}
	return d, nil
}

// Close writes what is not written yet. Sessions are to be ended before.
func (d *Desk) Close() error {
	d.used.Close()
	return d.audit.Close()
}

// Reload reads mutes.json anew, after it was edited by hand. If it cannot be read,
// the mutes stay as they were.
func (d *Desk) Reload() error { return d.mutes.Reload() }

// Admit refuses who is banned. It is asked for each session.
func (d *Desk) Admit(who sessions.Person) error {
	b, banned := d.bans.Find(bansWho(who))
	if !banned {
		return nil
	}
	return errors.New(sessions.BanWords(b.Until, b.Reason))
}

func bansWho(p sessions.Person) bans.Who { return bans.Who{Nick: p.Nick, Key: p.Key, Addr: p.Addr} }

// shown gives err as it may be shown: itself if it is one of those known to be in
// words for people, else as storage trouble, with the rest for the log.
func shown(err error, known ...error) error {
	if err == nil {
		return nil
	}
	for _, k := range known {
		if errors.Is(err, k) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", room.ErrStorage, err)
}

// Invite implements sessions.Inviter. A nick that somebody holds is not given to
// somebody else by it: an operator does not become bob that way.
func (d *Desk) Invite(n, by string, lasts time.Duration) (string, error) {
	if d.registry.Held(n) {
		return "", errors.New(n + " is held by a key already; whoever has that key can /key add another one")
	}
	if err := d.registry.Reserved(n); err != nil {
		return "", err
	}
	if like, ok := d.registry.Alike(n); ok {
		return "", &keys.AlikeError{Nick: n, Like: like}
	}
	code, err := d.invites.Create(n, by, lasts)
	return code, shown(err, invites.ErrTooMany, nick.ErrBad)
}

// Mute implements sessions.Mutes.
func (d *Desk) Mute(n, by string, lasts time.Duration) (sessions.Mute, error) {
	m, err := d.mutes.Add(n, by, lasts)
	return sessions.Mute{By: m.By, Until: m.Until}, shown(err, mutes.ErrTooMany, nick.ErrBad)
}

// Unmute implements sessions.Mutes.
func (d *Desk) Unmute(n string) (bool, error) {
	was, err := d.mutes.Lift(n)
	return was, shown(err)
}

// Muted implements sessions.Mutes.
func (d *Desk) Muted(n string) (sessions.Mute, bool) {
	m, muted := d.mutes.Find(n)
	return sessions.Mute{By: m.By, Until: m.Until}, muted
}

// Record implements sessions.Audit.
func (d *Desk) Record(a sessions.Action) error {
	e := audit.Entry{Who: a.Who, What: a.What, Whom: a.Whom, Why: a.Why, Failed: a.Failed}
	if a.For > 0 {
		e.For = span.Format(a.For)
	}
	return shown(d.audit.Append(e))
}

// whomMost is how many nicks the audit log has on a line: it cuts long ones.
const whomMost = 25

// Expire frees nicks that were claimed, and not used for so long, and puts that on
// record. inUse is asked about each of them, before and after.
func (d *Desk) Expire(unused time.Duration, inUse func(nick string) bool) error {
	before := time.Now().Add(-unused)
	busy := make(map[string]bool) // a nick that is in use is asked about once
	asked := func(n string) bool {
		busy[n] = busy[n] || inUse(n)
		return busy[n]
	}
	for {
		freed, err := d.registry.Expire(before, d.used.Last, asked)
		if err != nil || len(freed) == 0 {
			return err
		}
		nicks, err := d.restore(freed, inUse)
		if err != nil {
			return err
		}
		for whom := range slices.Chunk(nicks, whomMost) {
			err := d.audit.Append(audit.Entry{
				Who: "server", What: "expire", Whom: strings.Join(whom, ", "), Why: "claimed and not used for " + span.Format(unused),
			})
			if err != nil {
				return err
			}
		}
	}
}

// restore gives nicks back that came into use in the moment in which they were freed:
// somebody else would get what was just sent to them. It gives the others.
func (d *Desk) restore(freed []keys.Entry, inUse func(nick string) bool) (others []string, err error) {
	back := make(map[string]bool) // by nick, which is asked about once
	for _, e := range freed {
		if _, asked := back[e.Nick]; !asked {
			back[e.Nick] = inUse(e.Nick)
		}
		if !back[e.Nick] {
			others = append(others, e.Nick)
			continue
		}
		if _, err := d.registry.Add(e.Nick, []keys.PublicKey{e.Key()}, keys.AddOptions{How: "claimed", AllowAlike: true}); err != nil {
			return nil, fmt.Errorf("%s is in use again, and can't be restored: %w", e.Nick, err)
		}
	}
	slices.Sort(others)
	return slices.Compact(others), nil
}

// KeyUsed implements sessions.Keyring.
func (d *Desk) KeyUsed(key gossh.PublicKey) {
	if cert, ok := key.(*gossh.Certificate); ok {
		key = cert.Key
	}
	d.used.Note(keys.Fingerprint(key))
}
