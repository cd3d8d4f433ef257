package keys

import (
	"strings"
	"testing"
)

// What the parser says of a slip stays inside: people are told in words.
func TestReasonsAreWords(t *testing.T) {
	for line, want := range map[string]string{
		"hello":                               "type, base64 and comment are expected",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 x":  "its base64 is cut off or mistyped",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAA": "its base64 is cut off or mistyped",
		"ssh-ed25519 AAAA x":                  "its base64 is cut off or mistyped",
	} {
		_, _, err := ParseKeys([]byte(line))
		if err == nil {
			t.Errorf("%q is a key", line)
			continue
		}
		if got := err.Error(); !strings.Contains(got, "("+want+")") || strings.Contains(got, "ssh:") {
			t.Errorf("%q: %s, want (%s)", line, got, want)
		}
	}
}
