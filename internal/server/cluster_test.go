package server

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"whoelse/internal/config"
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

// A nick that is given back has its key on all servers before its reservation ends: in between nobody else gets it.
func TestRestoredNickIsShared(t *testing.T) {
	data := t.TempDir()
	edit := func(name, text string) {
		t.Helper()
		path := filepath.Join(data, name)
		before := time.Now().Add(-time.Minute) // it has settled
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, before, before)); err != nil {
			t.Fatal(err)
		}
	}
	edit("authorized_keys", "# nobody\n")
	edit("reserved.json", `[{"nick": "bob", "until": "2999-01-01T00:00:00Z"}]`)
	s := &server{cfg: &config.Config{Data: data}, log: slog.New(slog.DiscardHandler)}
	if err := s.openKeys(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop() })
	var shared []string
	for _, d := range s.documents() {
		err := d.list.Share(func(change func() ([]byte, error)) error {
			shared = append(shared, d.name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	edit("authorized_keys", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG23QK3YoJCq4zKNbQUMtA0/DBbltEOa5tcnLCTfOJc1 bob\n")
	edit("reserved.json", "[]")
	for range 10 {
		shared = nil
		if s.shareEdits(); !slices.Equal(shared, []string{"keys", "reserved"}) {
			t.Fatal(shared)
		}
	}
}
