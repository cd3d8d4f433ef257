package sessions

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"whoelse/keys/bans"
	"whoelse/keys/nick"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/sshd"
)

// EndWhere ends every open session, and every command that still runs, for which
// match says so, with the reason on its screen. It does not wait for their end.
// match is called without a lock held.
func (m *Manager) EndWhere(match func(login *sshd.Login, from netip.AddrPort) (reason string, end bool)) {
	for _, v := range m.openSessions() {
		if reason, end := match(v.login, v.from); end {
			v.end(expelled(reason))
		}
	}
}

// EndGuests ends the sessions and commands of guests whose names, without the mark,
// are not free any more: a key holds them now, or one that they read like.
func (m *Manager) EndGuests(free func(name string) bool) {
	for _, v := range m.openSessions() {
		if name, guest := strings.CutPrefix(v.nick(), nick.GuestMark); guest && !free(name) {
			v.end(expelled(render.NickTaken(name)))
		}
	}
}

// openSessions lists who is here now.
func (m *Manager) openSessions() []*session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.open))
}

// TellOperators shows words from the server to the operators who are here.
func (m *Manager) TellOperators(words string) {
	for _, v := range m.openSessions() {
		if v.operator() {
			v.tell(result.Text{Words: words})
		}
	}
}

// matching lists the open sessions that a filter is right about.
func (m *Manager) matching(which func(*session) bool) []*session {
	return slices.DeleteFunc(m.openSessions(), func(v *session) bool { return !which(v) })
}

func named(nick string) func(*session) bool {
	return func(v *session) bool { return v.nick() == nick }
}

// silent has the nicks in the room none of whose sessions answers.
func (m *Manager) silent() map[string]bool {
	all := make(map[string]bool)
	for _, v := range m.openSessions() {
		if p := v.program.Load(); v.tally.source != fromShell || p != nil && p.observer == nil {
			others, any := all[v.nick()]
			all[v.nick()] = v.ch.Silent() && (others || !any)
		}
	}
	return all
}

// person is whom bans may cover. Safe on any goroutine.
func (s *session) person() bans.Who {
	return bans.Who{Nick: s.nick(), Key: sshd.Fingerprint(s.login.Key), Addr: s.from.Addr()}
}
