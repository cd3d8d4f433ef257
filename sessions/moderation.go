package sessions

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/invites"
	"whoelse/keys/mutes"
	"whoelse/keys/nick"
	"whoelse/keys/span"
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
// is done that is not on record. It reports whether it was done; if not, the person
// knows why. lasts is 0 where it has no end. What do returns is in words for the person,
// or wraps room.ErrStorage.
func (c *commandContext) act(action audit.Entry, lasts time.Duration, do func() error) bool {
	action.Who = c.seat.Nick()
	if lasts > 0 {
		action.For = span.Format(lasts)
	}
	log := c.host.cfg.Audit
	if err := publicError(log.Append(action)); err != nil {
		c.refused("not done: writing the audit log", err)
		return false
	}
	err := do()
	if err == nil {
		return true
	}
	c.refused(action.What, err)
	action.Failed = render.Error(err)
	if err := publicError(log.Append(action)); err != nil {
		c.trouble("recording in the audit log that it was not done", err)
	}
	return false
}

// publicError gives an error of keys as it may be shown: itself if it is in words for
// people, else as storage trouble, with the rest for the log.
func publicError(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{
		keys.ErrKeyKnown, keys.ErrConfusable, keys.ErrHeld, keys.ErrKeyRefused, keys.ErrFull, keys.ErrLastKey,
		bans.ErrTooMany, mutes.ErrTooMany, invites.ErrTooMany, nick.ErrBad,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", room.ErrStorage, err)
}

// tellOperators shows the other operators who are here what this one did.
func (c *commandContext) tellOperators(words string) {
	for _, v := range c.host.visits() {
		if v.login.Role == roleOperator && v.nick != c.seat.Nick() {
			v.tell(c.seat.Nick() + " " + words)
		}
	}
}

// TellOperators shows words from the server to the operators who are here.
func (h *Host) TellOperators(words string) {
	for _, v := range h.visits() {
		if v.login.Role == roleOperator {
			v.tell(words)
		}
	}
}

// here lists the visits that a filter is right about.
func (h *Host) here(which func(visit) bool) []visit {
	return slices.DeleteFunc(h.visits(), func(v visit) bool { return !which(v) })
}

func named(nick string) func(visit) bool { return func(v visit) bool { return v.nick == nick } }

// wordsFrom lists where visits came from: for an operator alone.
func wordsFrom(visits []visit) string {
	var from []string
	for _, v := range visits {
		from = append(from, v.person().Addr.String())
	}
	slices.Sort(from)
	from = slices.Compact(from)
	if len(from) > 5 {
		from = append(from[:5], "...")
	}
	return strings.Join(from, ", ")
}

// because appends a reason, if there is one.
func because(words, why string) string {
	if why == "" {
		return words
	}
	return words + ": " + why
}

// wordsFor says how long something lasts.
func wordsFor(d time.Duration, noEnd string) string {
	if d == 0 {
		return noEnd
	}
	return "for " + span.Format(d)
}

func (c *commandContext) kick(call parse.Call) {
	if call.Nick == c.seat.Nick() {
		c.fail("you can't kick yourself; quit leaves")
		return
	}
	if len(c.host.here(named(call.Nick))) == 0 {
		c.report(c.absent(call.Nick))
		return
	}
	if !c.act(audit.Entry{What: "kick", Whom: call.Nick, Why: call.Why}, 0, func() error { return nil }) {
		return
	}
	hit := c.host.here(named(call.Nick))
	c.note("kicked " + call.Nick + ": " + render.Number(len(hit), "session", "sessions") + ", from " + wordsFrom(hit))
	c.tellOperators(because("kicked "+call.Nick, call.Why))
	for _, v := range hit {
		v.end(expelled(because("you were kicked by "+c.seat.Nick(), call.Why)))
	}
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

func (c *commandContext) invite(call parse.Call) {
	if strings.HasPrefix(call.Nick, "~") {
		c.fail("guests need no invitation")
		return
	}
	lasts := call.For
	if lasts == 0 {
		lasts = defaultInvite
	}
	var code string
	ok := c.act(audit.Entry{What: "invite", Whom: call.Nick}, lasts, func() (err error) {
		if err = c.invitable(call.Nick); err == nil {
			code, err = c.host.cfg.Invites.Create(call.Nick, c.seat.Nick(), lasts)
			err = publicError(err)
		}
		return err
	})
	if !ok {
		return
	}
	user := call.Nick + "+" + code
	lines := render.Notice(nil, "one-time invitation for "+call.Nick+", valid for "+span.Format(lasts)+", code "+code+":", c.style())
	c.print(string(render.Notice(lines, "  "+c.joinLine(user), c.style())), nil)
	c.tellOperators("invited " + call.Nick)
}

// invitable says why nobody is invited as n. A nick that somebody holds is not given to
// somebody else: an operator does not become bob that way.
func (c *commandContext) invitable(n string) error {
	err := c.host.cfg.Registry.Available(n)
	if errors.Is(err, keys.ErrHeld) {
		return errors.New(n + " is held by a key already; whoever has that key can /key add another one")
	}
	return err
}

func (c *commandContext) mute(call parse.Call) {
	switch {
	case call.Nick == c.seat.Nick():
		c.fail("you can't mute yourself")
		return
	case !c.known(call.Nick):
		c.report(c.nobody(call.Nick))
		return
	}
	ok := c.act(audit.Entry{What: "mute", Whom: call.Nick}, call.For, func() error {
		_, err := c.host.cfg.Mutes.Add(call.Nick, c.seat.Nick(), call.For)
		return publicError(err)
	})
	if !ok {
		return
	}
	lasts := wordsFor(call.For, "indefinitely")
	for _, v := range c.host.here(named(call.Nick)) {
		v.tell(c.seat.Nick() + " muted you " + lasts + ": you can read, but not write")
	}
	c.note("muted " + call.Nick + " " + lasts + "; /unmute " + call.Nick + " ends it")
	c.tellOperators("muted " + call.Nick + " " + lasts)
}

func (c *commandContext) unmute(call parse.Call) {
	was := false
	ok := c.act(audit.Entry{What: "unmute", Whom: call.Nick}, 0, func() (err error) {
		was, err = c.host.cfg.Mutes.Lift(call.Nick)
		return publicError(err)
	})
	switch {
	case !ok:
		return
	case !was:
		c.fail(call.Nick + " is not muted")
		return
	}
	for _, v := range c.host.here(named(call.Nick)) {
		v.tell(c.seat.Nick() + " unmuted you")
	}
	c.note(call.Nick + " can write again")
	c.tellOperators("unmuted " + call.Nick)
}

func (c *commandContext) announce(call parse.Call) {
	bytes := quota.Record(call.Text, nil)
	ok := c.act(audit.Entry{What: "announce", Why: call.Text}, 0, func() error { return c.charge(bytes) })
	if ok {
		c.seat.Say(room.KindNotice, call.Text, c.stored(bytes))
	}
}
