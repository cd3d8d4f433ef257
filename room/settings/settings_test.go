package settings

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"whoelse/room"
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
	return s
}

func TestAbsenceSurvivesReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	since := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	if err := errors.Join(s.SetBlocked("bob", []string{"mallory"}), s.SetAbsence("bob", room.Absence{Since: since, Reason: "lunch"})); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if a, err := again.Absence("bob"); err != nil || !a.Since.Equal(since) || a.Reason != "lunch" {
		t.Errorf("%+v, %v", a, err)
	}
	if err := again.SetAbsence("bob", room.Absence{}); err != nil {
		t.Fatal(err)
	}
	if a, err := open(t, dir).Absence("bob"); err != nil || a.Away() {
		t.Errorf("back, and %+v, %v", a, err)
	}
	if list, _ := open(t, dir).Blocked("bob"); !slices.Equal(list, []string{"mallory"}) {
		t.Errorf("blocked are %q", list)
	}
}

// What is set aside is nobody's who gets the nick next.
func TestRetire(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := errors.Join(s.SetBlocked("bob", []string{"mallory"}), s.Retire("nobody", time.Now()), s.Retire("bob", time.Now())); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{s, open(t, dir)} {
		if list, err := s.Blocked("bob"); err != nil || len(list) > 0 {
			t.Errorf("blocked are %q, %v", list, err)
		}
	}
	if nicks, err := s.Nicks(); err != nil || len(nicks) > 0 {
		t.Errorf("%q, %v", nicks, err)
	}
	if err := s.Retire("../bob", time.Now()); err == nil {
		t.Error("a path is set aside")
	}
}

// What could not be read again is not written, and what was set before stays.
func TestTooLargeIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.SetBlocked("bob", []string{"mallory"}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetBlocked("bob", []string{strings.Repeat("x", maxFile)}); !errors.Is(err, room.ErrStorage) {
		t.Errorf("%v", err)
	}
	for _, s := range []*Store{s, open(t, dir)} {
		if list, err := s.Blocked("bob"); err != nil || !slices.Equal(list, []string{"mallory"}) {
			t.Errorf("blocked are %q, %v", list, err)
		}
	}
}
