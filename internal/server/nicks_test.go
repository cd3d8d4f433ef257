package server

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/internal/config"
	"whoelse/keys"
	"whoelse/keys/audit"
	"whoelse/keys/lastused"
	"whoelse/room"
)

// Whoever has left a history or settings, even some that can't be read, has left traces; so
// has who leaves them while it is found out.
func TestTraces(t *testing.T) {
	data := t.TempDir()
	st := &server{cfg: &config.Config{Data: data}}
	if err := st.openFiles(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.stop() })
	set := func(nick string, set room.Preferences) error {
		return st.settings.Change(nick, func(p *room.Preferences) error { *p = set; return nil })
	}
	block := func(nick string) error { return set(nick, room.Preferences{Blocked: []string{"mallory"}}) }
	for what, err := range map[string]error{
		"a history": os.WriteFile(filepath.Join(data, "history/users/reader.jsonl"), nil, 0o600),
		"settings":  block("blocker"),
		"a pipe":    syscall.Mkfifo(filepath.Join(data, "settings", "odd.json"), 0o600),
	} {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	left := st.traces()
	for nick, want := range map[string]bool{"idle": false, "later": false, "reader": true, "blocker": true, "odd": true} {
		if got := left(nick); got != want {
			t.Errorf("%s: %v", nick, got)
		}
	}
	if err := block("later"); err != nil || !left("later") {
		t.Errorf("who has set something since: %v", err)
	}
	if err := set("gone", room.Preferences{Absence: room.Absence{Since: time.Now()}}); err != nil || !left("gone") {
		t.Errorf("who went away since: %v", err)
	}
}

// claimed is what expire needs of a server: nicks that were claimed in 2020, one for each
// key, and the folder.
func claimed(t *testing.T, nicks ...string) (*server, string) {
	t.Helper()
	dir := t.TempDir()
	s := &server{log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	var file strings.Builder
	for _, nick := range nicks {
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		key, err := gossh.NewPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&file, "%s %s@claimed-2020-01-01\n", bytes.TrimSpace(gossh.MarshalAuthorizedKey(key)), nick)
	}
	err := os.WriteFile(filepath.Join(dir, "authorized_keys"), []byte(file.String()), 0o600)
	if err == nil {
		s.registry, err = keys.Open(filepath.Join(dir, "authorized_keys"), s.log)
	}
	if err == nil {
		s.audit, err = audit.Open(filepath.Join(dir, "audit.jsonl"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.audit.Close() })
	s.used = lastused.Open(filepath.Join(dir, "used.json"), s.log)
	return s, dir
}

// A nick that was freed is nobody's to claim until it was looked whether it came into use in
// that moment: what was sent to it is nobody else's to read.
func TestExpire(t *testing.T) {
	s, dir := claimed(t, "idle", "busy", "lucky", "lucky")
	if err := s.expire(24*time.Hour, func(n string) bool { return n == "busy" }); err != nil {
		t.Fatal(err)
	}
	if left := s.registry.List(); len(left) != 1 || left[0].Nick != "busy" {
		t.Errorf("left are %+v", left)
	}
	if err := s.registry.Available("lucky"); !errors.Is(err, keys.ErrReserved) {
		t.Errorf("lucky can be claimed at once: %v", err)
	}
	if departed, known := s.registry.Departed(); !known || len(departed) != 2 {
		t.Errorf("to be looked at: %v, %v", departed, known)
	}
	record, err := os.ReadFile(filepath.Join(dir, "audit.jsonl"))
	if err != nil || !strings.Contains(string(record), `"whom":"idle, lucky"`) {
		t.Errorf("on record is %q, %v", record, err)
	}
}

// Where it can't be read any more when keys were used, no nick is freed for that.
func TestExpireWithoutTimes(t *testing.T) {
	s, dir := claimed(t, "reader")
	s.used.Note(s.registry.Keys("reader")[0].Fingerprint)
	s.used.Write()
	file := filepath.Join(dir, "used.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	s.used = openUsed(dir, s.registry, s.log)
	if err := s.expire(24*time.Hour, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if !s.registry.Registered("reader") {
		t.Error("a nick that was used is freed")
	}
}
