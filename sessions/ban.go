package sessions

import (
	"slices"

	"whoelse/sessions/parse"
	"whoelse/sessions/render"
)

// listed is how many people or operators an answer about a ban names.
const listed = 20

func (c *commandContext) ban(call parse.Call) {
	if c.host.cfg.Warden == nil {
		c.fail("that can't be done here")
		return
	}
	aim, err := c.host.cfg.Warden.Aim(call.Target)
	if err != nil {
		c.fail(err.Error())
		return
	}
	if words := c.shootsOperators(aim, call.Anyway); words != "" {
		c.fail(words)
		return
	}
	action := Action{What: "ban", Whom: aim.Target, Why: call.Why, For: call.For}
	ok := c.act(action, func(w Warden) error { return w.Ban(aim.Target, c.seat.Nick(), call.Why, call.For) })
	if !ok {
		return
	}
	hit := c.covered(aim) // whoever comes now is refused
	banned := "banned " + aim.Target + " " + wordsFor(call.For, "for good")
	c.note(banned + c.wordsHit(aim.Target, hit))
	c.tellOperators(because(banned, call.Why))
	for _, v := range hit {
		v.end(expelled(c.wordsBanned(aim.Target, v, call)))
	}
}

// covered lists who is here and meant by a ban.
func (c *commandContext) covered(aim Aim) []visit {
	return c.host.here(func(v visit) bool { return aim.Covers(v.person()) })
}

// shootsOperators says why a ban is not to be made: it would lock out the operator
// who asks for it or, unless that is meant, another one.
func (c *commandContext) shootsOperators(aim Aim, meant bool) string {
	covered := c.covered(aim)
	if slices.ContainsFunc(covered, named(c.seat.Nick())) {
		return "not banned: " + aim.Target + " would ban you, too"
	}
	operators := slices.Clone(aim.Operators)
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
	return "not banned: " + aim.Target + " covers " + what + render.People(operators, listed) +
		"; if you mean it, put the word anyway after " + aim.Target + ", or after the duration"
}

// wordsBanned is what somebody reads who is banned while being here.
func (c *commandContext) wordsBanned(target string, v visit, call parse.Call) string {
	words := "you are banned by "
	if v.person().Key == target {
		words = "your key is banned by "
	}
	words += c.seat.Nick() + " " + wordsFor(call.For, "for good")
	if v.nick != target && v.person().Key != target {
		words += ", with everyone from " + target
	}
	return because(words, call.Why)
}

// wordsHit tells whom of the people here a ban has met, and where one who was
// banned by name came from, whom another name would let in again.
func (c *commandContext) wordsHit(target string, hit []visit) string {
	nicks := nicksOf(hit)
	switch {
	case len(nicks) == 0:
		return "; nobody online was affected"
	case len(nicks) == 1 && nicks[0] == target:
		return "; connected from " + wordsFrom(hit)
	}
	return "; it ended the sessions of " + render.People(nicks, listed)
}

func (c *commandContext) unban(call parse.Call) {
	ok := c.act(Action{What: "unban", Whom: call.Target}, func(w Warden) error { return w.Unban(call.Target) })
	if ok {
		c.note(call.Target + " can join again")
		c.tellOperators("unbanned " + call.Target)
	}
}

func (c *commandContext) bans(parse.Call) {
	if c.host.cfg.Warden == nil {
		c.fail("that can't be done here")
		return
	}
	list := c.host.cfg.Warden.Bans()
	if len(list) == 0 {
		c.note("nobody is banned")
		return
	}
	style := c.style()
	lines := render.Notice(nil, render.Number(len(list), "ban", "bans")+":", style)
	for _, b := range list {
		words := "  " + b.Target + " by " + b.By + " on " + b.Made.In(zone(style)).Format("2 Jan 2006")
		if b.Until.IsZero() {
			words += ", for good"
		} else {
			words += ", until " + b.Until.In(zone(style)).Format("2 Jan 2006 15:04 MST")
		}
		lines = render.Notice(lines, because(words, b.Reason), style)
	}
	c.print(string(lines), nil)
}
