package sessions_test

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/invites"
	"whoelse/sessions"
	"whoelse/sessions/desk"
	"whoelse/sessions/sshd"
)

// openDesk opens what keys and operators' commands need, as main does.
func (r *rig) openDesk(log *slog.Logger) {
	r.t.Helper()
	before := r.desk
	list, err := bans.Open(filepath.Join(r.dir, "bans.json"))
	r.must(err)
	r.codes = invites.Open(filepath.Join(r.dir, "invites.json"))
	r.desk, err = desk.Open(r.dir, r.registry, list, r.codes, log)
	r.must(err)
	if r.warden == nil || r.warden == sessions.Warden(before) {
		r.warden = r.desk
	}
}

func joinLine(user string, _ netip.AddrPort) string { return "ssh -p 2222 " + user + "@chat.example" }

// revoke ends the sessions of keys that are removed.
func (r *rig) revoke(c keys.Change) {
	gone := map[string]bool{}
	for _, e := range c.Removed {
		gone[e.Fingerprint] = true
	}
	r.host.EndWhere(func(l *sshd.Login, _ string) (string, bool) {
		return "your key was removed", l.Key != nil && gone[keys.Fingerprint(l.Key)]
	})
}

// trust makes nick's key an operator's, before nick is first here.
func (r *rig) trust(nick string) {
	r.t.Helper()
	_, err := r.registry.Add(nick, []keys.PublicKey{signer(nick).PublicKey()}, keys.AddOptions{Operator: true})
	r.must(err)
}

// awaitVisits waits until nick has n sessions and commands that can be ended: a request
// that is agreed to has not begun yet.
func (r *rig) awaitVisits(nick string, n int) {
	r.t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for late := time.After(patience); ; {
		found := 0
		r.host.EndWhere(func(l *sshd.Login, _ string) (string, bool) {
			if l.Nick == nick {
				found++
			}
			return "", false
		})
		if found == n {
			return
		}
		select {
		case <-look.C:
		case <-late:
			r.t.Fatalf("%s has %d sessions and commands, want %d", nick, found, n)
		}
	}
}

// audited reads the audit log.
func (r *rig) audited() []map[string]string {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.dir, "audit.jsonl"))
	r.must(err)
	var all []map[string]string
	for line := range strings.Lines(string(raw)) {
		var one map[string]string
		r.must(json.Unmarshal([]byte(line), &one))
		delete(one, "when")
		all = append(all, one)
	}
	return all
}
