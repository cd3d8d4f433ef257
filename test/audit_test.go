package test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestAlgorithms: ssh-audit finds nothing to fail and nothing to warn of, but for what
// it is too old to know.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	needClient(t, "ssh-audit")
	s := startServer(t, t.TempDir())
	out, _ := exec.Command("ssh-audit", "-n", "-p", s.port, "127.0.0.1").CombinedOutput() // its status counts warnings
	text := string(out)
	if !strings.Contains(text, "(kex) curve25519-sha256") {
		t.Fatalf("ssh-audit has not seen the server: %s", text)
	}
	for line := range strings.Lines(text) {
		bad := strings.Contains(line, "[fail]") || strings.Contains(line, "[warn]")
		if bad && !strings.Contains(line, "unknown algorithm") {
			t.Error(line)
		}
	}
}
