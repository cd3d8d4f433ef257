package test

import (
	"strings"
	"testing"
)

// A full inbox: who writes is told, and by the exit status too; the owner is told
// why nobody writes any more. The others of a list get theirs.
func TestFullInbox(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), "--inbox-max", "2")
	bobKey, carolKey, daveKey := []string{newKey(t)}, []string{newKey(t)}, []string{newKey(t)}
	s.runs("bob", bobKey, "", "nick")
	s.runs("dave", daveKey, "", "nick")
	for _, tt := range []struct {
		command string
		status  int
		shows   string
	}{
		{"send bob one", 0, "kept for bob (offline)"},
		{"send bob two", 0, "kept for bob (offline)"},
		{"send bob three", 1, "whoelse: not sent: bob's inbox is full (2 unread messages); bob has to read some first"},
		{"send bob,dave four", 3, "kept for dave (offline)"},
		{"send dave five", 0, "kept for dave (offline)"},
		{"@dave six", 1, "dave's inbox is full"},
	} {
		out, status := output(t, s.openSSH("carol", carolKey, nil, tt.command), "")
		if status != tt.status || !strings.Contains(out, tt.shows) {
			t.Errorf("%q: exit status %d, want %d; it shows %q", tt.command, status, tt.status, out)
		}
	}
	bob := sitDown(t, "bob", s.openSSH("bob", bobKey, nil))
	bob.sees("2 unread: carol (2); your inbox is full, and nobody can write to you")
	bob.types("inbox")
	bob.sees("[carol -> you] one", "[carol -> you] two")
	carol := sitDown(t, "carol", s.openSSH("carol", carolKey, nil))
	carol.sees("bob has read your 2 messages", "> ")
	carol.types("@bob and now?")
	carol.sees("delivered to bob")
	bob.sees("[carol -> you] and now?")
	if out, _ := s.runs("dave", daveKey, "", "inbox"); !strings.Contains(out, "four\n") || !strings.Contains(out, "five\n") || strings.Contains(out, "six") {
		t.Errorf("dave's inbox: %q", out)
	}
}
