package sessions

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/duration"
	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// moderate carries out what m says, in this order: it is put on record, so that nothing is done
// that is not; do (nil for nothing) makes it so for everyone who comes from now on; the other
// operators are shown it; and whoever is here and concerned is shown it, or their sessions end. The
// other servers do the same.
func (s *session) moderate(m result.Moderation, do func() error) result.Result {
	m.By, m.Others = s.member.Nick(), s.manager.cfg.TellServers != nil
	entry := audit.Entry{Who: m.By, What: m.What, Whom: m.Whom, Why: m.Why}
	if m.For > 0 {
		entry.For = duration.Format(m.For)
	}
	if failed := s.act(entry, do); failed != nil {
		return failed
	}
	hit := s.manager.matching(concerned(m))
	if m.Ends() {
		m.Sessions = len(hit)
		for _, v := range hit {
			m.Hit, m.From = append(m.Hit, v.nick()), append(m.From, v.person().Addr.String())
		}
		m.Hit, m.From = once(m.Hit), once(m.From)
	}
	s.manager.show(m, hit)
	if m.What != "kick" { // a kick has told them already
		if err := s.tellServers(m); err != nil {
			s.manager.complain("an operator's action can't be announced on the other servers; it is in force there", m.By, err)
		}
	}
	return m
}

// once sorts all, and returns each of them once.
func once(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

// act puts an action on record and then does it. It returns why it was not done, or nil.
func (s *session) act(entry audit.Entry, do func() error) result.Result {
	log := s.manager.cfg.Audit
	if err := log.Append(entry); err != nil {
		return s.failed(result.Failure{Reason: result.Recording, Err: err})
	}
	if do == nil {
		return nil
	}
	err := do()
	if err == nil {
		return nil
	}
	failed := s.failed(result.Failure{Reason: result.Acting, About: entry.What, Err: err})
	if failed.Code == result.Storage {
		err = room.ErrStorage
	}
	entry.Failed = render.Error(err)
	if err := log.Append(entry); err != nil {
		s.report(s.failed(result.Failure{Reason: result.RecordingFailed, Err: err}))
	}
	return failed
}

func (s *session) kick(call parse.Call) result.Result {
	if call.Nick == s.member.Nick() {
		return result.Failure{Code: result.Refused, Reason: result.Self, About: call.Name}
	}
	elsewhere := s.manager.cfg.TellServers != nil && s.manager.cfg.Room.Here(call.Nick)
	if !elsewhere && len(s.manager.matching(named(call.Nick))) == 0 {
		return s.absent(call.Nick)
	}
	m := result.Moderation{What: "kick", Whom: call.Nick, Why: call.Why, By: s.member.Nick()}
	return s.moderate(m, func() error {
		err := s.tellServers(m)
		if errors.Is(err, room.ErrUncertain) { // the other servers may do it later
			s.manager.show(m, s.manager.matching(concerned(m)))
		}
		return err
	})
}

// absent is that somebody is not here, or that nobody has this nick at all.
func (s *session) absent(n string) result.Failure {
	if s.known(n) {
		return result.Failure{Code: result.Refused, Reason: result.NotHere, Nick: n}
	}
	return s.nobody(n)
}

// defaultInvite is how long an invitation is good for.
const defaultInvite = 24 * time.Hour

func (s *session) invite(call parse.Call) result.Result {
	if nick.IsGuest(call.Nick) {
		return result.Failure{Code: result.Refused, Reason: result.GuestInvited}
	}
	lasts := cmp.Or(call.For, defaultInvite)
	var code string
	done := s.moderate(result.Moderation{What: "invite", Whom: call.Nick, For: lasts}, func() (err error) {
		if err = s.invitable(call.Nick); err == nil {
			code, err = s.manager.cfg.Invites.Create(call.Nick, s.member.Nick(), lasts)
		}
		return err
	})
	if code == "" {
		return done // why not
	}
	return result.Invitation{Nick: call.Nick, Code: code, Join: s.joinLine(call.Nick + "+" + code), For: lasts}
}

// invitable says why nobody is invited as n. A nick that somebody holds is not given to
// somebody else: an operator does not become bob that way.
func (s *session) invitable(n string) error {
	err := s.manager.cfg.Registry.Available(n)
	if errors.Is(err, keys.ErrHeld) {
		return result.Failure{Code: result.Refused, Reason: result.NickHeld, Nick: n}
	}
	return err
}

func (s *session) mute(call parse.Call) result.Result {
	switch {
	case call.Room != "":
		return s.muteRoom(call, true)
	case !s.operator():
		return result.Failure{Code: result.NotAllowed, Reason: result.OperatorsOnly}
	case call.Nick == s.member.Nick():
		return result.Failure{Code: result.Refused, Reason: result.Self, About: call.Name}
	case !s.known(call.Nick):
		return s.nobody(call.Nick)
	}
	return s.moderate(result.Moderation{What: "mute", Whom: call.Nick, For: call.For}, func() error {
		_, err := s.manager.cfg.Mutes.Add(call.Nick, s.member.Nick(), call.For)
		return err
	})
}

func (s *session) unmute(call parse.Call) result.Result {
	switch {
	case call.Room != "":
		return s.muteRoom(call, false)
	case !s.operator():
		return result.Failure{Code: result.NotAllowed, Reason: result.OperatorsOnly}
	}
	return s.moderate(result.Moderation{What: "unmute", Whom: call.Nick}, func() error {
		was, err := s.manager.cfg.Mutes.Remove(call.Nick)
		if err == nil && !was {
			err = result.Failure{Code: result.Refused, Reason: result.NotMuted, Nick: call.Nick}
		}
		return err
	})
}

func (s *session) ban(call parse.Call) result.Result {
	target, err := bans.ParseTarget(call.Target)
	if err != nil {
		return refused(err)
	}
	if bad := s.coversOperator(target, call.Anyway); bad != nil {
		return bad
	}
	m := result.Moderation{
		What: "ban", Whom: target.String(), ByKey: target.Key != "", ByBlock: target.Block.IsValid(), For: call.For, Why: call.Why,
	}
	return s.moderate(m, func() error {
		_, err := s.manager.cfg.Bans.Add(target, s.member.Nick(), call.Why, call.For)
		return err
	})
}

// coversOperator says why a ban is not to be made: it would lock out the operator
// who asks for it or, unless that is meant, another one.
func (s *session) coversOperator(target bans.Target, meant bool) result.Result {
	covered := s.manager.matching(func(v *session) bool { return target.Covers(v.person()) })
	if slices.ContainsFunc(covered, named(s.member.Nick())) {
		return result.Failure{Code: result.Refused, Reason: result.WouldBanYou, Nick: target.String()}
	}
	var operators []string
	for _, e := range s.manager.cfg.Registry.List() { // here or not; whom an address covers is not known before they come
		if e.Role == keys.RoleOperator && !e.Authority && target.Covers(bans.Who{Nick: e.Nick, Key: e.Fingerprint}) {
			operators = append(operators, e.Nick)
		}
	}
	for _, v := range covered {
		if v.login.Role == keys.RoleOperator {
			operators = append(operators, v.nick())
		}
	}
	operators = slices.DeleteFunc(once(operators), func(n string) bool { return n == s.member.Nick() })
	if len(operators) == 0 || meant {
		return nil
	}
	return result.Failure{Code: result.Refused, Reason: result.WouldBan, Nick: target.String(), Nicks: operators}
}

func (s *session) unban(call parse.Call) result.Result {
	target, err := bans.ParseTarget(call.Target)
	if err != nil {
		return refused(err)
	}
	return s.moderate(result.Moderation{What: "unban", Whom: call.Target}, func() error {
		was, err := s.manager.cfg.Bans.Remove(target)
		if err == nil && !was {
			err = s.notBanned(target)
		}
		return err
	})
}

// notBanned says that a target is not banned, or by what other ban it is.
func (s *session) notBanned(target bans.Target) error {
	who := bans.Who{Nick: target.Nick, Key: target.Key}
	if target.Block.IsValid() && target.Block.IsSingleIP() {
		who.Addr = target.Block.Addr()
	}
	failure := result.Failure{Code: result.Refused, Reason: result.NotBanned, Nick: target.String()}
	if b, ok := s.manager.cfg.Bans.Find(who); ok {
		failure.About = b.Target.String()
	}
	return failure
}

func (s *session) bans(parse.Call) result.Result {
	return result.Bans{List: s.manager.cfg.Bans.All()}
}

func (s *session) announce(call parse.Call) result.Result {
	return s.act(audit.Entry{Who: s.member.Nick(), What: "announce", Why: call.Text}, func() error {
		failed, not := s.deliver(call, 0, func(receipt func(room.Receipt)) error {
			return s.member.Once("", room.Lobby, room.KindNotice, nil, call.Text, receipt)
		}, s.sent).(result.Failure)
		if not {
			return failed
		}
		return nil
	})
}
