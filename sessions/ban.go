package sessions

import (
	"slices"

	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/sessions/parse"
	"whoelse/sessions/result"
)

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
		_, err := c.host.cfg.Bans.Add(target, c.seat.Nick(), call.Why, call.For)
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
	return c.host.matching(func(v openSession) bool { return target.Covers(v.person()) })
}

// coversOperator says why a ban is not to be made: it would lock out the operator
// who asks for it or, unless that is meant, another one.
func (c *commandContext) coversOperator(target bans.Target, meant bool) result.Result {
	covered := c.covered(target)
	if slices.ContainsFunc(covered, named(c.seat.Nick())) {
		return result.Failure{Code: result.Refused, Reason: result.WouldBanYou, Nick: target.String()}
	}
	var operators []string
	for _, e := range c.host.cfg.Registry.List() { // here or not; whom an address covers is not known before they come
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
		was, err := c.host.cfg.Bans.Remove(target)
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
	if b, ok := c.host.cfg.Bans.Find(who); ok {
		failure.About = b.Target.String()
	}
	return failure
}

func (c *commandContext) bans(parse.Call) result.Result {
	return result.Bans{List: c.host.cfg.Bans.All()}
}
