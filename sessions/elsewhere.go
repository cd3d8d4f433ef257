package sessions

import (
	"encoding/json"

	"whoelse/keys/bans"
	"whoelse/sessions/render"
	"whoelse/sessions/result"
)

// tellServers makes the other servers apply m to the sessions there, and show it to their operators. It returns once
// the cluster has stored m.
func (s *session) tellServers(m result.Moderation) error {
	if s.manager.cfg.TellServers == nil {
		return nil
	}
	m.By, m.From = s.member.Nick(), nil
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return s.manager.cfg.TellServers(data)
}

// Moderated applies an operator's action on another server to the sessions here: see Config.TellServers. It does not
// block.
func (m *Manager) Moderated(data []byte) error {
	var action result.Moderation
	if err := json.Unmarshal(data, &action); err != nil {
		return err
	}
	m.show(action, m.matching(concerned(action)))
	return nil
}

// concerned is a filter for the sessions that an operator's action is about.
func concerned(action result.Moderation) func(*session) bool {
	switch action.What {
	case "kick", "mute", "unmute":
		return named(action.Whom)
	case "ban":
		if target, err := bans.ParseTarget(action.Whom); err == nil {
			return func(v *session) bool { return target.Covers(v.person()) }
		}
	}
	return func(*session) bool { return false }
}

// show shows an operator's action to the other operators who are here, and to the people concerned, whose sessions
// it may end.
func (m *Manager) show(action result.Moderation, hit []*session) {
	action.Reader = result.Operator
	for _, v := range m.openSessions() {
		if v.operator() && v.nick() != action.By {
			v.tell(action)
		}
	}
	action.Reader = result.Concerned
	for _, v := range hit {
		if action.Ends() {
			v.end(expelled(render.Moderation(action)))
		} else {
			v.tell(action)
		}
	}
}

// EndBanned ends every session and command that a ban covers.
func (m *Manager) EndBanned() {
	for _, v := range m.openSessions() {
		if ban, banned := m.cfg.Bans.Find(v.person()); banned {
			v.end(expelled(ban.Words()))
		}
	}
}

// SentElsewhere counts a message that nick sent on another server against nick's rate. It does not block.
func (m *Manager) SentElsewhere(nick string) { m.rate.count(nick, 1) }
