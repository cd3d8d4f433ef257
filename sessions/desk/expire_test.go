package desk

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Who is sent something in the moment in which their nick is freed keeps it: it is
// nobody else's to read.
func TestExpireInUseMeanwhile(t *testing.T) {
	d, dir := newDesk(t, line(key(t, 1))+" idle@claimed-2020-01-01\n"+line(key(t, 2))+" lucky@claimed-2020-01-01\n"+
		line(key(t, 3))+" lucky@claimed-2020-01-02\n")
	asked := 0
	err := d.Expire(24*time.Hour, func(n string) bool {
		if n == "lucky" {
			asked++
		}
		return n == "lucky" && asked > 1
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.registry.Held("idle") || len(d.registry.Keys("lucky")) != 2 {
		t.Errorf("left are %+v", d.registry.List())
	}
	audit, err := os.ReadFile(filepath.Join(dir, "audit.jsonl"))
	if text := string(audit); err != nil || !strings.Contains(text, `"whom":"idle"`) || strings.Contains(text, "lucky") {
		t.Errorf("on record is %q, %v", text, err)
	}
}

// Where it can't be read any more when keys were used, no nick is freed for that.
func TestExpireWithoutTimes(t *testing.T) {
	d, dir := newDesk(t, line(key(t, 1))+" reader@claimed-2020-01-01\n")
	d.KeyUsed(key(t, 1))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "used.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, d.registry, d.bans, d.invites, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Expire(24*time.Hour, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if !d.registry.Held("reader") {
		t.Error("a nick that was used is freed")
	}
}
