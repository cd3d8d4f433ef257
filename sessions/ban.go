package sessions

import (
	"errors"
	"slices"

	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
)

// listed is how many people or operators an answer about a ban names.
const listed = 20

func (c *commandContext) ban(call parse.Call) {
	target, err := bans.ParseTarget(call.Target)
	if err != nil {
		c.fail(err.Error())
		return
	}
	if words := c.coversOperator(target, call.Anyway); words != "" {
		c.fail(words)
		return
	}
	action := audit.Entry{What: "ban", Whom: target.String(), Why: call.Why}
	ok := c.act(action, call.For, func() error {
		_, err := c.host.cfg.Bans.Add(target, c.seat.Nick(), call.Why, call.For)
		return publicError(err)
	})
	if !ok {
		return
	}
	hit := c.covered(target) // whoever comes now is refused
	banned := "banned " + target.String() + " " + wordsFor(call.For, "for good")
	c.note(banned + formatAffected(target, hit))
	c.tellOperators(because(banned, call.Why))
	for _, v := range hit {
		v.end(expelled(c.wordsBanned(target, call)))
	}
}

// covered lists who is here and meant by a ban.
func (c *commandContext) covered(target bans.Target) []visit {
	return c.host.here(func(v visit) bool { return target.Covers(v.person()) })
}

// coversOperator says why a ban is not to be made: it would lock out the operator
// who asks for it or, unless that is meant, another one.
func (c *commandContext) coversOperator(target bans.Target, meant bool) string {
	covered := c.covered(target)
	if slices.ContainsFunc(covered, named(c.seat.Nick())) {
		return "not banned: " + target.String() + " would ban you, too"
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
		return ""
	}
	what := "the operator "
	if len(operators) > 1 {
		what = "the operators "
	}
	return "not banned: " + target.String() + " covers " + what + render.People(operators, listed) +
		"; if you mean it, put the word anyway after " + target.String() + ", or after the duration"
}

// wordsBanned is what somebody reads who is banned while being here.
func (c *commandContext) wordsBanned(target bans.Target, call parse.Call) string {
	words := "you are banned by "
	if target.Key != "" {
		words = "your key is banned by "
	}
	words += c.seat.Nick() + " " + wordsFor(call.For, "for good")
	if target.Block.IsValid() {
		words += ", with everyone from " + target.String()
	}
	return because(words, call.Why)
}

// formatAffected tells whom of the people here a ban has met, and where one who was
// banned by name came from, whom another name would let in again.
func formatAffected(target bans.Target, hit []visit) string {
	nicks := nicksOf(hit)
	switch {
	case len(nicks) == 0:
		return "; nobody online was affected"
	case len(nicks) == 1 && nicks[0] == target.Nick:
		return "; connected from " + wordsFrom(hit)
	}
	return "; it ended the sessions of " + render.People(nicks, listed)
}

func (c *commandContext) unban(call parse.Call) {
	ok := c.act(audit.Entry{What: "unban", Whom: call.Target}, 0, func() error {
		target, err := bans.ParseTarget(call.Target)
		if err != nil {
			return err
		}
		err = c.host.cfg.Bans.Lift(target)
		if errors.Is(err, bans.ErrNoSuchBan) {
			return c.notBanned(target)
		}
		return publicError(err)
	})
	if ok {
		c.note(call.Target + " can join again")
		c.tellOperators("unbanned " + call.Target)
	}
}

// notBanned says that a target is not banned, or by what other ban it is.
func (c *commandContext) notBanned(target bans.Target) error {
	who := bans.Who{Nick: target.Nick, Key: target.Key}
	if target.Block.IsValid() && target.Block.IsSingleIP() {
		who.Addr = target.Block.Addr()
	}
	if b, ok := c.host.cfg.Bans.Find(who); ok {
		return errors.New(target.String() + " is not banned by itself, but covered by the ban of " + b.Target.String())
	}
	return errors.New(target.String() + " is not banned; /bans lists who is")
}

func (c *commandContext) bans(parse.Call) {
	list := c.host.cfg.Bans.All()
	if len(list) == 0 {
		c.note("nobody is banned")
		return
	}
	style := c.style()
	lines := render.Notice(nil, render.Number(len(list), "ban", "bans")+":", style)
	for _, b := range list {
		words := "  " + b.Target.String() + " by " + b.By + " on " + b.Made.In(zone(style)).Format("2 Jan 2006")
		if b.Until.IsZero() {
			words += ", for good"
		} else {
			words += ", until " + b.Until.In(zone(style)).Format("2 Jan 2006 15:04 MST")
		}
		lines = render.Notice(lines, because(words, b.Reason), style)
	}
	c.print(string(lines), nil)
}
