package adversarial

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"whoelse/sessions/internal/rawssh"
	"whoelse/sessions/sshd"
)

// TestUntakenErrors: sessions and commands whose words nobody takes. They stand in
// front of a window of nothing, and the connection ends all the same: by itself, and
// sooner when an operator ends it.
func TestUntakenErrors(t *testing.T) {
	t.Parallel()
	olivia := `environment="ROLE=operator" ` + keyLine("olivia")
	along(t, options{lines: []string{olivia}}, func(r *rig) {
		var all sync.WaitGroup
		for _, test := range []struct{ nick, command, operator, told string }{
			{"ben", "nonsense", "kick ben", "kicked ben: 1 session"},
			{"cora", "nonsense", "ban cora", "banned cora"},
			{"dan", "send bob -", "kick dan", "kicked dan: 1 session"},
			{"eve", "send bob -", "ban eve", "banned eve"},
			{"fred", "", "kick fred", "kicked fred: 1 session"},
			{nick: "gus", command: "nonsense"}, // the last: takes longest
		} {
			if test.operator == "" && !full {
				break
			}
			c := r.raw(test.nick)
			c.Session(0, 1<<15)
			if test.command == "" {
				c.Write(rawssh.Request(0, "shell", false, nil))
			} else {
				c.Write(rawssh.Request(0, "exec", false, rawssh.Str(nil, test.command)))
			}
			if test.operator == "" {
				all.Go(func() { r.hungUp(c) })
				continue
			}
			eventually(t, "nothing runs for "+test.nick, func() bool { return r.runs(test.nick) })
			o := r.connect(visit{user: "olivia", key: "olivia", command: test.operator})
			o.sees(test.told)
			c.Conn.SetDeadline(time.Now().Add(8 * time.Second)) // less than a write may stand
			all.Go(func() { r.hungUp(c) })
		}
		all.Wait()
	})
}

// runs tells whether somebody has a session or command that can be ended.
func (r *rig) runs(nick string) (found bool) {
	r.manager.EndWhere(func(l *sshd.Login, _ netip.AddrPort) (string, bool) {
		found = found || l.Nick == nick
		return "", false
	})
	return found
}
