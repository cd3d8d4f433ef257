package sessions_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
