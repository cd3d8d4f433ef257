package adversarial

import (
	"os"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions/internal/rawssh"
)

// Whoever loses their key, or their role, loses the connection too, whatever it
// holds: a command that waits for input at once, and nothing, or a channel without a shell,
// when its time for a shell is over.
func TestStaleConnections(t *testing.T) {
	t.Parallel()
	onlyFull(t)
	holds := map[string]func(r *rig, c *gossh.Client){
		"nothing": func(*rig, *gossh.Client) {},
		"a channel": func(r *rig, c *gossh.Client) {
			_, reqs, err := c.OpenChannel("session", nil)
			r.must(err)
			go gossh.DiscardRequests(reqs)
		},
		"a command": func(r *rig, c *gossh.Client) {
			ch, reqs, err := c.OpenChannel("session", nil)
			r.must(err)
			go gossh.DiscardRequests(reqs)
			if ok, err := ch.SendRequest("exec", true, rawssh.Str(nil, "announce -")); !ok || err != nil {
				r.Fatal(ok, err)
			}
		},
	}
	for name, change := range map[string]string{"removed": "", "demoted": keyLine("mallory") + "\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			along(t, options{lines: []string{`environment="ROLE=operator" ` + keyLine("mallory")}, within: 8 * time.Second}, func(r *rig) {
				var all []*gossh.Client
				for _, hold := range holds {
					c, _, err := r.login(visit{user: "mallory", key: "mallory"})
					r.must(err)
					hold(r, c)
					all = append(all, c)
				}
				r.must(os.WriteFile(r.file(), []byte(change+keyLine("bob")+"\n"+keyLine("carol")+"\n"), 0o600))
				for _, c := range all {
					ended := make(chan error, 1)
					go func() { ended <- c.Wait() }()
					select {
					case <-ended:
					case <-time.After(patience):
						t.Error("a connection stays")
					}
				}
			})
		})
	}
}
