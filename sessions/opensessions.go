package sessions

import (
	"net/netip"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/nick"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
	"whoelse/sessions/sshd"
)

// openSession is one session or command that is open, as others may act on it.
type openSession struct {
	login *sshd.Login
	from  string              // address and port
	nick  string              // as seated, which a guest's name becomes clear by; owned by Manager.mu
	tell  func(result.Result) // does not wait
	end   func(cause error)   // does not wait

	silent func() bool // the client does not answer; nil of a command
}

// expelled ends a session by somebody's decision, in these words.
type expelled string

func (e expelled) Error() string { return string(e) }

// EndWhere ends every open session, and every command that still runs, for which
// match says so, with the reason on its screen. It does not wait for their end.
// Address is the client's, with its port. match is called without a lock held.
func (m *Manager) EndWhere(match func(login *sshd.Login, address string) (reason string, end bool)) {
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
		if name, guest := strings.CutPrefix(v.nick, nick.GuestMark); guest && !free(name) {
			v.end(expelled(render.NickTaken(name)))
		}
	}
}

// openSessions lists who is here now.
func (m *Manager) openSessions() []openSession {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]openSession, 0, len(m.open))
	for _, v := range m.open {
		all = append(all, *v)
	}
	return all
}

// TellOperators shows words from the server to the operators who are here.
func (m *Manager) TellOperators(words string) {
	for _, v := range m.openSessions() {
		if v.login.Role == roleOperator {
			v.tell(result.Text{Words: words})
		}
	}
}

// matching lists the open sessions that a filter is right about.
func (m *Manager) matching(which func(openSession) bool) []openSession {
	return slices.DeleteFunc(m.openSessions(), func(v openSession) bool { return !which(v) })
}

func named(nick string) func(openSession) bool {
	return func(v openSession) bool { return v.nick == nick }
}

// silent has the nicks in the room none of whose sessions answers.
func (m *Manager) silent() map[string]bool {
	all := make(map[string]bool)
	for _, v := range m.openSessions() {
		if v.silent != nil {
			others, any := all[v.nick]
			all[v.nick] = v.silent() && (others || !any)
		}
	}
	return all
}

// seated notes under which name a session or command is known.
func (m *Manager) seated(c *commandContext) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[c].nick = c.seat.Nick()
}

// person is who has this session, as bans know people.
func (v openSession) person() bans.Who { return personOf(v.login, v.nick, v.from) }

func personOf(l *sshd.Login, nick, from string) bans.Who {
	who := bans.Who{Nick: nick, Addr: addrOf(from)}
	key := l.Key
	if cert, ok := key.(*gossh.Certificate); ok {
		key = cert.Key
	}
	if key != nil {
		who.Key = keys.Fingerprint(key)
	}
	return who
}

// addrOf is the address in one with a port; the zero Addr where there is none.
func addrOf(from string) netip.Addr {
	ap, _ := netip.ParseAddrPort(from)
	return ap.Addr().Unmap()
}

// nicksOf names whose sessions these are, each once, sorted.
func nicksOf(sessions []openSession) []string {
	var nicks []string
	for _, v := range sessions {
		nicks = append(nicks, v.nick)
	}
	slices.Sort(nicks)
	return slices.Compact(nicks)
}
