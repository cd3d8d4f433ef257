package settings

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestBlockedSurvivesReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "settings")
	s := open(t, dir)
	if list, err := s.Blocked("bob"); err != nil || len(list) != 0 {
		t.Fatalf("Blocked of somebody new = %v, %v", list, err)
	}
	if err := s.SetBlocked("bob", []string{"mallory", "~eve"}); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	list, err := again.Blocked("bob")
	if err != nil || !slices.Equal(list, []string{"mallory", "~eve"}) {
		t.Fatalf("Blocked after reopening = %v, %v", list, err)
	}
	if err := again.SetBlocked("bob", nil); err != nil {
		t.Fatal(err)
	}
	if list, _ := open(t, dir).Blocked("bob"); len(list) != 0 {
		t.Fatalf("Blocked after unblocking = %v", list)
	}
}

func TestNoPaths(t *testing.T) {
	s := open(t, t.TempDir())
	for _, nick := range []string{"", "..", "../x", "a/b", "~guest", "BOB", "-rf"} {
		if _, err := s.Blocked(nick); err == nil {
			t.Errorf("Blocked(%q) reads a file", nick)
		}
		if err := s.SetBlocked(nick, nil); err == nil {
			t.Errorf("SetBlocked(%q) writes a file", nick)
		}
	}
}

func TestBrokenFileIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bob.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if _, err := s.Blocked("bob"); err == nil {
		t.Error("a broken file reads as if nobody were blocked")
	}
	if err := s.SetBlocked("bob", []string{"x"}); err == nil {
		t.Error("a broken file is overwritten")
	}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
