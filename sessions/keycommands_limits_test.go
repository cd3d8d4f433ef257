package sessions_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"whoelse/sessions"
	"whoelse/sessions/quota"
)

// writeKeys replaces authorized_keys.
func (r *rig) writeKeys(lines ...string) {
	r.t.Helper()
	r.must(os.WriteFile(filepath.Join(r.dir, "authorized_keys"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	r.must(r.registry.Reload())
}

// A limit that is only known in part can't be passed on to another key.
func TestLongLimitsAreNotPassedOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.writeKeys(`from="127.0.0.0/8` + strings.Repeat(",10.1.1.1", 30) + `" ` + public("carol") + " carol")
	carol := connect(t, r.addr, dial{user: "carol", key: "carol", width: 200, height: 50, term: "xterm"})
	carol.enters("/key add "+public("laptop"), "not added: your key works only from a long list of addresses, which can't be copied here; ask an operator")
	if got := len(r.registry.Keys("carol")); got != 1 {
		t.Errorf("carol has %d keys", got)
	}
}

func TestMostKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lines := []string{public("bob") + " bob"}
	for i := range 18 {
		lines = append(lines, public(fmt.Sprint("old", i))+" bob")
	}
	r.writeKeys(lines...)
	bob := connect(t, r.addr, dial{user: "bob", key: "bob", width: 200, height: 50, term: "xterm"})
	bob.enters("/key add "+public("last"), "added "+fingerprint("last"))
	bob.enters("/key add "+public("more"), "not added: that would be more than 20 keys; remove some")
	if got := len(r.registry.Keys("bob")); got != 20 {
		t.Errorf("bob has %d keys", got)
	}
}

// Adding and removing keys in a loop rewrites the file, and writes to the log, 20 times a day.
func TestKeyChangesAreBounded(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := &rig{t: t, dir: t.TempDir(), log: &log, files: sessions.Config{KeyChanges: quota.NewKeyChanges(nil)}}
	r.start()
	r.writeKeys(public("bob")+" bob", public("carol")+" carol")
	bob := r.shell("bob")
	for range quota.KeysOfNick / 2 {
		for command, want := range map[string]string{
			"key add " + public("bob"): "already yours", "key remove " + fingerprint("nobodys"): "none of your keys", // do not count
		} {
			if said := bob(command); !strings.Contains(said, want) {
				t.Errorf("%s: %s", command, said)
			}
		}
		if said := bob("key add "+public("laptop")) + bob("key remove "+fingerprint("laptop")); strings.Count(said, fingerprint("laptop")) != 2 {
			t.Fatal(said)
		}
	}
	changed := len(r.registry.Keys("bob"))
	for _, command := range []string{"key add " + public("laptop"), "key remove " + fingerprint("bob")} {
		const want = "not changed: you have reached your limit for one day; try again in "
		if said := bob(command); !strings.Contains(said, want) {
			t.Errorf("%s: %s", command, said)
		}
	}
	if carol := r.shell("carol"); !strings.Contains(carol("key add "+public("phone")), fingerprint("phone")) {
		t.Error("bob's changes count for carol")
	}
	r.stop()
	if n := strings.Count(log.String(), "key added") + strings.Count(log.String(), "key removed"); changed != 1 || n > quota.KeysOfNick+1 {
		t.Errorf("%d keys, and in the log %d lines about them", changed, n)
	}
	if n := strings.Count(log.String(), "authorized_keys read"); n != 1 { // after the edit
		t.Errorf("%d lines about the file", n)
	}
}
