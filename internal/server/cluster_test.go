package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"whoelse/keys"
	"whoelse/keys/lastused"
)

// A nick that joined on another server of the cluster is not taken for one that was never used.
func TestUseElsewhere(t *testing.T) {
	const (
		bob   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG23QK3YoJCq4zKNbQUMtA0/DBbltEOa5tcnLCTfOJc1"
		carol = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMhoQfMT0wpCKualLw+xJJGxcLfIJOf7aBB2s3fukpU4"
	)
	dir := t.TempDir()
	path := filepath.Join(dir, "authorized_keys")
	if err := os.WriteFile(path, []byte(strings.Join([]string{bob + " bob", carol + " carol", ""}, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	registry, err := keys.Open(path, log)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{registry: registry, used: lastused.Open(filepath.Join(dir, "used.json"), log)}
	s.noteUse("bob")
	s.noteUse("nobody")
	for nick, want := range map[string]bool{"bob": true, "carol": false} {
		if got := !s.used.Last(registry.Keys(nick)[0].Fingerprint).IsZero(); got != want {
			t.Errorf("%s is used: %v", nick, got)
		}
	}
}
