package desk

import (
	"errors"
	"slices"
	"time"

	"whoelse/keys/bans"
	"whoelse/sessions"
)

// Aim implements sessions.Bans.
func (d *Desk) Aim(what string) (sessions.Aim, error) {
	t, err := bans.ParseTarget(what)
	if err != nil {
		return sessions.Aim{}, err
	}
	return sessions.Aim{
		Target:    t.String(),
		Covers:    func(p sessions.Person) bool { return t.Covers(bansWho(p)) },
		Operators: d.operators(t),
	}, nil
}

// operators lists who holds a key as an operator that a ban would cover. Whom an
// address covers cannot be known before they come.
func (d *Desk) operators(t bans.Target) []string {
	var found []string
	for _, e := range d.registry.List() {
		if e.Role == "operator" && !e.Authority && t.Covers(bans.Who{Nick: e.Nick, Key: e.Fingerprint}) {
			found = append(found, e.Nick)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Ban implements sessions.Bans.
func (d *Desk) Ban(target, by, reason string, lasts time.Duration) error {
	t, err := bans.ParseTarget(target)
	if err != nil {
		return err
	}
	_, err = d.bans.Add(t, by, reason, lasts)
	return shown(err, bans.ErrTooMany)
}

// Unban implements sessions.Bans.
func (d *Desk) Unban(target string) error {
	t, err := bans.ParseTarget(target)
	if err != nil {
		return err
	}
	err = d.bans.Lift(t)
	if errors.Is(err, bans.ErrNoSuchBan) {
		return d.noBan(t)
	}
	return shown(err)
}

// noBan says that a target is not banned, or by what other ban it is.
func (d *Desk) noBan(t bans.Target) error {
	who := bans.Who{Nick: t.Nick, Key: t.Key}
	if t.Block.IsValid() && t.Block.IsSingleIP() {
		who.Addr = t.Block.Addr()
	}
	if b, ok := d.bans.Find(who); ok {
		return errors.New(t.String() + " is not banned by itself, but covered by the ban of " + b.Target.String())
	}
	return errors.New(t.String() + " is not banned; /bans lists who is")
}

// Bans implements sessions.Bans.
func (d *Desk) Bans() []sessions.Ban {
	var list []sessions.Ban
	for _, b := range d.bans.All() {
		list = append(list, sessions.Ban{Target: b.Target.String(), By: b.By, Reason: b.Reason, Made: b.Made, Until: b.Until})
	}
	return list
}
