package sessions

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys/nick"
	"whoelse/room"
	"whoelse/sessions/parse"
	"whoelse/sessions/result"
	"whoelse/sessions/text"
)

func (s *session) whoelse(call parse.Call) result.Result {
	all, err := s.member.In(cmp.Or(call.Room, room.Lobby)) // where everybody is
	if err != nil {
		return s.roomFailed(call.Room, err)
	}
	others := slices.DeleteFunc(all, func(p room.Presence) bool { return p.Nick == s.member.Nick() })
	return result.Online{Room: call.Room, People: s.manager.persons(others)}
}

// persons adds to who is here whether their clients answer.
func (m *Manager) persons(all []room.Presence) (people []result.Person) {
	silent := m.silent()
	for _, p := range all {
		people = append(people, result.Person{Presence: p, Silent: silent[p.Nick]})
	}
	return people
}

// bots is whoelse for programs.
func (s *session) bots(call parse.Call) result.Result {
	online := s.whoelse(call).(result.Online)
	online.Bots = true
	online.People = slices.DeleteFunc(online.People, func(p result.Person) bool { return !p.Bot })
	return online
}

// lately is how many minutes wholast looks back when not asked for a number.
const lately = 60

// How many of those who have left wholast lists, and how many departures it looks through for one line of the rate.
const (
	mostLately  = 1000
	peopleWorth = 4096
)

func (s *session) wholast(call parse.Call) result.Result {
	minutes := cmp.Or(call.N, lately)
	in := cmp.Or(call.Room, room.Lobby) // where everybody is
	found, err := s.member.InSince(in, time.Now().Add(-time.Duration(minutes)*time.Minute), mostLately)
	if err != nil {
		return s.roomFailed(in, err)
	}
	if !s.paced(found.Searched / peopleWorth) {
		return nil
	}
	return result.Lately{Room: call.Room, Minutes: minutes, People: found.People, More: found.More}
}

// whoami is /nick: it tells, and changes nothing.
func (s *session) whoami(call parse.Call) result.Result {
	own, guest := s.member.Nick(), s.login.Key == nil
	if call.Nick != "" && call.Nick != own {
		return result.Failure{
			Code: result.Refused, Reason: result.NickKept, Nick: call.Nick, Own: own, Guest: guest,
			About: s.joinLine(strings.TrimPrefix(call.Nick, nick.GuestMark)),
		}
	}
	if guest {
		return result.Identity{Nick: own}
	}
	return result.Identity{Nick: own, Fingerprint: gossh.FingerprintSHA256(s.login.Key)}
}

// joinLine is the command with which somebody connects as user.
func (s *session) joinLine(user string) string { return s.manager.cfg.JoinLine(user, s.ch.At()) }

func (s *session) motd(parse.Call) result.Result {
	return result.MOTD{Text: s.manager.cfg.MOTD()}
}

func (s *session) version(parse.Call) result.Result {
	return result.Version{Version: s.manager.cfg.Version}
}

// Being left alone.

func (s *session) away(call parse.Call) result.Result {
	if n := utf8.RuneCountInString(call.Text); n > maxLabel {
		return result.Failure{Code: result.Refused, Reason: result.ReasonTooLong, N: n, Most: maxLabel}
	}
	err := s.member.Away(text.CleanLine(call.Text))
	switch {
	case err != nil:
		return s.failed(result.Failure{Reason: result.MarkingAway, Err: err})
	case s.member.Guest():
		return result.Done{What: result.MarkedAwayGuest}
	}
	return result.Done{What: result.MarkedAway}
}

func (s *session) back(parse.Call) result.Result {
	was, err := s.member.Back()
	switch {
	case err != nil:
		return s.failed(result.Failure{Reason: result.MarkingBack, Err: err})
	case !was:
		return result.Done{What: result.WasNotAway}
	}
	unread, err := s.member.Waiting()
	if err != nil {
		return result.Back{}
	}
	return result.Back{Unread: result.Unread{Waiting: unread, Full: s.manager.cfg.Room.InboxFull(unread.Messages)}}
}

func (s *session) block(call parse.Call) result.Result {
	if call.Nick == s.member.Nick() {
		return result.Failure{Code: result.Refused, Reason: result.Self, About: call.Name}
	}
	if !s.known(call.Nick) {
		return s.nobody(call.Nick)
	}
	changed, err := s.member.Block(call.Nick)
	switch {
	case err != nil:
		return s.failed(result.Failure{Reason: result.Blocking, Nick: call.Nick, Err: err})
	case changed:
		return result.Done{What: result.Blocked, Nick: call.Nick}
	}
	return result.Done{What: result.AlreadyBlocked, Nick: call.Nick}
}

func (s *session) unblock(call parse.Call) result.Result {
	changed, err := s.member.Unblock(call.Nick)
	switch {
	case err != nil:
		return s.failed(result.Failure{Reason: result.Unblocking, Nick: call.Nick, Err: err})
	case changed:
		return result.Done{What: result.Unblocked, Nick: call.Nick}
	}
	return result.Failure{Code: result.Refused, Reason: result.NotBlocked, Nick: call.Nick}
}

func (s *session) blocked(parse.Call) result.Result {
	set, err := s.member.Preferences()
	if err != nil {
		return s.failed(result.Failure{Reason: result.ReadingBlocked, Err: err})
	}
	return result.BlockList{Nicks: set.Blocked}
}
