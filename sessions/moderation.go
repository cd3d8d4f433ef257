package sessions

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/duration"
	"whoelse/keys/invites"
	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/quota"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// What operators do to others goes in one order: it is put on record; it is on disk, and in
// force for whoever comes from now on; the operators are told; those it is about are told,
// or their sessions end.

// act puts an operator's action on record and then carries it out, so that nothing
// is done that is not on record. It returns why it was not done, or nil. lasts is 0 where
// it has no end. What do returns is in words for the person, or wraps room.ErrStorage.
func (c *commandContext) act(entry audit.Entry, lasts time.Duration, do func() error) result.Result {
	entry.Who = c.seat.Nick()
	if lasts > 0 {
		entry.For = duration.Format(lasts)
	}
	log := c.manager.cfg.Audit
	if err := publicError(log.Append(entry)); err != nil {
		return c.refused(result.Failure{Reason: result.Recording, Err: err})
	}
	err := do()
	if err == nil {
		return nil
	}
	entry.Failed = render.Error(err)
	if err := publicError(log.Append(entry)); err != nil {
		c.report(c.refused(result.Failure{Reason: result.RecordingFailed, Err: err}))
	}
	return c.refused(result.Failure{Reason: result.Acting, About: entry.What, Err: err})
}

// refused is why something that touches files was not done: the storage, whose error is
// logged, or what the error says, which may be a Failure itself.
func (c *commandContext) refused(f result.Failure) result.Result {
	if known, ok := errors.AsType[result.Failure](f.Err); ok {
		return known
	}
	if !errors.Is(f.Err, room.ErrStorage) {
		return result.Failure{Code: result.Refused, Err: f.Err}
	}
	c.manager.complain(string(f.Reason)+" failed", c.seat.Nick(), f.Err)
	f.Code = result.Storage
	return f
}

// publicError gives an error of keys as it may be shown: itself if it is in words for
// people, else as storage trouble, with the rest for the log.
func publicError(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{
		keys.ErrKeyKnown, keys.ErrConfusable, keys.ErrHeld, keys.ErrKeyRefused, keys.ErrFull, keys.ErrLastKey,
		bans.ErrTooMany, bans.ErrTooManyMutes, invites.ErrTooMany, nick.ErrBad,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", room.ErrStorage, err)
}

// tellOperators shows the other operators who are here what this one did, and returns
// it as this one is to read it.
func (c *commandContext) tellOperators(m result.Moderation) result.Result {
	m.By = c.seat.Nick()
	told := m
	told.Reader = result.Operator
	for _, v := range c.manager.openSessions() {
		if v.login.Role == roleOperator && v.nick != m.By {
			v.tell(told)
		}
	}
	return m
}

// expel ends sessions, with what an operator did as the reason, and returns that.
func (c *commandContext) expel(m result.Moderation, hit []openSession) result.Result {
	m.By, m.Hit, m.Sessions = c.seat.Nick(), nicksOf(hit), len(hit)
	for _, v := range hit {
		m.From = append(m.From, v.person().Addr.String())
	}
	slices.Sort(m.From)
	m.From = slices.Compact(m.From)
	own := c.tellOperators(m)
	m.Reader = result.Concerned
	for _, v := range hit {
		v.end(expelled(render.Moderation(m)))
	}
	return own
}

func (c *commandContext) kick(call parse.Call) result.Result {
	if call.Nick == c.seat.Nick() {
		return result.Failure{Code: result.Refused, Reason: result.Self, About: call.Name}
	}
	if len(c.manager.matching(named(call.Nick))) == 0 {
		return c.absent(call.Nick)
	}
	if failed := c.act(audit.Entry{What: "kick", Whom: call.Nick, Why: call.Why}, 0, func() error { return nil }); failed != nil {
		return failed
	}
	return c.expel(result.Moderation{What: "kick", Whom: call.Nick, Why: call.Why}, c.manager.matching(named(call.Nick)))
}

// absent is that somebody is not here, or that nobody has this nick at all.
func (c *commandContext) absent(n string) result.Failure {
	if c.known(n) {
		return result.Failure{Code: result.Refused, Reason: result.NotHere, Nick: n}
	}
	return c.nobody(n)
}

// defaultInvite is how long an invitation is good for.
const defaultInvite = 24 * time.Hour

func (c *commandContext) invite(call parse.Call) result.Result {
	if nick.IsGuest(call.Nick) {
		return result.Failure{Code: result.Refused, Reason: result.GuestInvited}
	}
	lasts := call.For
	if lasts == 0 {
		lasts = defaultInvite
	}
	var code string
	failed := c.act(audit.Entry{What: "invite", Whom: call.Nick}, lasts, func() (err error) {
		if err = c.invitable(call.Nick); err == nil {
			code, err = c.manager.cfg.Invites.Create(call.Nick, c.seat.Nick(), lasts)
			err = publicError(err)
		}
		return err
	})
	if failed != nil {
		return failed
	}
	c.tellOperators(result.Moderation{What: "invite", Whom: call.Nick})
	return result.Invitation{Nick: call.Nick, Code: code, Join: c.joinLine(call.Nick + "+" + code), For: lasts}
}

// invitable says why nobody is invited as n. A nick that somebody holds is not given to
// somebody else: an operator does not become bob that way.
func (c *commandContext) invitable(n string) error {
	err := c.manager.cfg.Registry.Available(n)
	if errors.Is(err, keys.ErrHeld) {
		return result.Failure{Code: result.Refused, Reason: result.NickHeld, Nick: n}
	}
	return err
}

func (c *commandContext) mute(call parse.Call) result.Result {
	switch {
	case call.Nick == c.seat.Nick():
		return result.Failure{Code: result.Refused, Reason: result.Self, About: call.Name}
	case !c.known(call.Nick):
		return c.nobody(call.Nick)
	}
	failed := c.act(audit.Entry{What: "mute", Whom: call.Nick}, call.For, func() error {
		_, err := c.manager.cfg.Mutes.Add(call.Nick, c.seat.Nick(), call.For)
		return publicError(err)
	})
	if failed != nil {
		return failed
	}
	return c.tellConcerned(result.Moderation{What: "mute", Whom: call.Nick, For: call.For})
}

func (c *commandContext) unmute(call parse.Call) result.Result {
	was := false
	failed := c.act(audit.Entry{What: "unmute", Whom: call.Nick}, 0, func() (err error) {
		was, err = c.manager.cfg.Mutes.Remove(call.Nick)
		return publicError(err)
	})
	switch {
	case failed != nil:
		return failed
	case !was:
		return result.Failure{Code: result.Refused, Reason: result.NotMuted, Nick: call.Nick}
	}
	return c.tellConcerned(result.Moderation{What: "unmute", Whom: call.Nick})
}

// tellConcerned is tellOperators for what whom it is about is told, too.
func (c *commandContext) tellConcerned(m result.Moderation) result.Result {
	m.By, m.Reader = c.seat.Nick(), result.Concerned
	for _, v := range c.manager.matching(named(m.Whom)) {
		v.tell(m)
	}
	m.Reader = result.Actor
	return c.tellOperators(m)
}

func (c *commandContext) ban(call parse.Call) result.Result {
	target, err := bans.ParseTarget(call.Target)
	if err != nil {
		return result.Failure{Code: result.Refused, Err: err}
	}
	if bad := c.coversOperator(target, call.Anyway); bad != nil {
		return bad
	}
	entry := audit.Entry{What: "ban", Whom: target.String(), Why: call.Why}
	failed := c.act(entry, call.For, func() error {
		_, err := c.manager.cfg.Bans.Add(target, c.seat.Nick(), call.Why, call.For)
		return publicError(err)
	})
	if failed != nil {
		return failed
	}
	hit := c.covered(target) // whoever comes now is refused
	m := result.Moderation{
		What: "ban", Whom: target.String(), ByKey: target.Key != "", ByBlock: target.Block.IsValid(), For: call.For, Why: call.Why,
	}
	return c.expel(m, hit)
}

// covered lists who is here and meant by a ban.
func (c *commandContext) covered(target bans.Target) []openSession {
	return c.manager.matching(func(v openSession) bool { return target.Covers(v.person()) })
}

// coversOperator says why a ban is not to be made: it would lock out the operator
// who asks for it or, unless that is meant, another one.
func (c *commandContext) coversOperator(target bans.Target, meant bool) result.Result {
	covered := c.covered(target)
	if slices.ContainsFunc(covered, named(c.seat.Nick())) {
		return result.Failure{Code: result.Refused, Reason: result.WouldBanYou, Nick: target.String()}
	}
	var operators []string
	for _, e := range c.manager.cfg.Registry.List() { // here or not; whom an address covers is not known before they come
		if e.Role == roleOperator && !e.Authority && target.Covers(bans.Who{Nick: e.Nick, Key: e.Fingerprint}) {
			operators = append(operators, e.Nick)
		}
	}
	for _, v := range covered {
		if v.login.Role == roleOperator {
			operators = append(operators, v.nick)
		}
	}
	slices.Sort(operators)
	operators = slices.DeleteFunc(slices.Compact(operators), func(n string) bool { return n == c.seat.Nick() })
	if len(operators) == 0 || meant {
		return nil
	}
	return result.Failure{Code: result.Refused, Reason: result.WouldBan, Nick: target.String(), Nicks: operators}
}

func (c *commandContext) unban(call parse.Call) result.Result {
	failed := c.act(audit.Entry{What: "unban", Whom: call.Target}, 0, func() error {
		target, err := bans.ParseTarget(call.Target)
		if err != nil {
			return err
		}
		was, err := c.manager.cfg.Bans.Remove(target)
		if err == nil && !was {
			return c.notBanned(target)
		}
		return publicError(err)
	})
	if failed != nil {
		return failed
	}
	return c.tellOperators(result.Moderation{What: "unban", Whom: call.Target})
}

// notBanned says that a target is not banned, or by what other ban it is.
func (c *commandContext) notBanned(target bans.Target) error {
	who := bans.Who{Nick: target.Nick, Key: target.Key}
	if target.Block.IsValid() && target.Block.IsSingleIP() {
		who.Addr = target.Block.Addr()
	}
	failure := result.Failure{Code: result.Refused, Reason: result.NotBanned, Nick: target.String()}
	if b, ok := c.manager.cfg.Bans.Find(who); ok {
		failure.About = b.Target.String()
	}
	return failure
}

func (c *commandContext) bans(parse.Call) result.Result {
	return result.Bans{List: c.manager.cfg.Bans.All()}
}

func (c *commandContext) announce(call parse.Call) result.Result {
	bytes := quota.Record(call.Text, nil)
	failed := c.act(audit.Entry{What: "announce", Why: call.Text}, 0, func() error { return c.charge(bytes) })
	if failed == nil {
		c.seat.Say(room.KindNotice, call.Text, c.stored(bytes))
	}
	return failed
}
