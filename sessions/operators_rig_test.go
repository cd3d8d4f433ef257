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
	"whoelse/keys/audit"
	"whoelse/keys/bans"
	"whoelse/keys/invites"
	"whoelse/keys/lastused"
	"whoelse/room/attachments"
	"whoelse/sessions/quota"
	"whoelse/sessions/space"
	"whoelse/sessions/sshd"
)

// openFiles opens what the commands about keys and those of operators need, as main does.
func (r *rig) openFiles(log *slog.Logger) {
	r.t.Helper()
	in := func(name string) string { return filepath.Join(r.dir, name) }
	var err error
	r.files.Bans, err = bans.Open(in("bans.json"))
	r.must(err)
	r.files.Mutes, err = bans.OpenMutes(in("mutes.json"))
	r.must(err)
	r.files.Audit, err = audit.Open(in("audit.jsonl"))
	r.must(err)
	r.files.Files, err = attachments.Open(in("attachments"), 1<<20, 0)
	r.must(err)
	r.t.Cleanup(func() { r.files.Files.Close() })
	r.files.Quota, r.files.Space = quota.New(quota.Limits{}), space.New(space.Config{})
	r.files.Invites, r.files.Used = invites.Open(in("invites.json")), lastused.Open(in("used.json"), log)
}

func joinLine(user string, _ netip.AddrPort) string { return "ssh -p 2222 " + user + "@chat.example" }

// revoke ends the sessions of keys that are removed.
func (r *rig) revoke(c keys.Change) {
	gone := map[string]bool{}
	for _, e := range c.Removed {
		gone[e.Fingerprint] = true
	}
	r.manager.EndWhere(func(l *sshd.Login, _ netip.AddrPort) (string, bool) {
		return "your key was removed", l.Key != nil && gone[keys.Fingerprint(l.Key)]
	})
}

// trust makes nick's key an operator's, before nick is first here.
func (r *rig) trust(nick string) { r.hasRole(nick, keys.RoleOperator) }

// hasRole registers nick, with its key, in a role.
func (r *rig) hasRole(nick, role string) {
	r.t.Helper()
	_, err := r.registry.Add(nick, []keys.PublicKey{signer(nick).PublicKey()}, keys.AddOptions{Role: role})
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
		r.manager.EndWhere(func(l *sshd.Login, _ netip.AddrPort) (string, bool) {
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
