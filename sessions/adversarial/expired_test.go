package adversarial

import (
	"os"
	"strings"
	"testing"
	"time"
)

// A command that waits for its text is not carried out for a key that has expired
// meanwhile, of which nothing but the clock tells.
func TestCommandOfAnExpiredKey(t *testing.T) {
	t.Parallel()
	onlyFull(t)
	along(t, options{lines: []string{keyLine("mallory")}}, func(r *rig) {
		carol := r.connect(visit{user: "carol", key: "carol"})
		c := r.connect(visit{user: "mallory", key: "mallory", command: "say -"})
		c.types("too late\n")
		until := time.Now().Add(2 * time.Second).UTC().Truncate(time.Second) // now that she is in, however long that took
		limit := `expiry-time="` + until.Format("20060102150405Z") + `" `
		r.must(os.WriteFile(r.file(), []byte(limit+keyLine("mallory")+"\n"+keyLine("bob")+"\n"+keyLine("carol")+"\n"), 0o600))
		r.must(r.registry.Reload())
		eventually(t, "time stands still", func() bool { return time.Now().After(until.Add(time.Second)) })
		c.ch.CloseWrite()
		c.leaves()
		if got := c.received(); !strings.Contains(got, "your key is not accepted any more") {
			t.Errorf("mallory is told %q", got)
		}
		carol.types("the end\n")
		carol.sees("carol: the end")
		if strings.Contains(carol.received(), "too late") {
			t.Error("it is said")
		}
	})
}
