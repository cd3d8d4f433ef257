package settings

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whoelse/room"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// save sets all that nick has set.
func save(s *Store, nick string, p room.Preferences) error {
	return s.Change(nick, func(now *room.Preferences) error { *now = p; return nil })
}

// saveRoom makes a room what info says.
func saveRoom(s *Rooms, info room.RoomInfo) error {
	return s.Change(info.Name, func(now *room.RoomInfo) error { *now = info; return nil })
}

var mallory = room.Preferences{Blocked: []string{"mallory"}}

func TestSurvivesReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "settings")
	since := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, want := range []room.Preferences{
		{},
		{Blocked: []string{"mallory", "~eve"}, Absence: room.Absence{Since: since, Reason: "lunch"}},
		{Absence: room.Absence{Since: since}},
		mallory,
		{},
	} {
		if err := save(open(t, dir), "bob", want); err != nil {
			t.Fatal(err)
		}
		got, err := open(t, dir).Load("bob")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	if p, err := open(t, dir).Load("carol"); err != nil || len(p.Blocked) > 0 || p.Absence.Away() {
		t.Errorf("somebody new has set %+v, %v", p, err)
	}
}

// Files of older versions are read as they are; their lists are in the order of blocking.
func TestOlderFile(t *testing.T) {
	dir := t.TempDir()
	text := `{"blocked":["zoe","~eve","mallory"],"away":{"since":"2026-11-25T12:00:00Z","reason":"lunch"}}`
	if err := os.WriteFile(filepath.Join(dir, "bob.json"), []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := open(t, dir).Load("bob")
	if !slices.Equal(p.Blocked, []string{"mallory", "zoe", "~eve"}) || p.Absence.Reason != "lunch" || p.Absence.Since.Hour() != 12 || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestNoPaths(t *testing.T) {
	s := open(t, t.TempDir())
	for _, nick := range []string{"", "..", "../x", "a/b", "~guest", "BOB", "-rf"} {
		if _, err := s.Load(nick); err == nil {
			t.Errorf("Load(%q) reads a file", nick)
		}
		if err := save(s, nick, mallory); err == nil {
			t.Errorf("Change(%q) writes a file", nick)
		}
	}
}

func TestBrokenFileIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bob.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir).Load("bob"); err == nil {
		t.Error("a broken file reads as if nobody were blocked")
	}
}

// Whoever gets the nick next has nothing of what is set aside.
func TestRetire(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := errors.Join(save(s, "bob", mallory), s.Retire("nobody", time.Now()), s.Retire("bob", time.Now())); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Load("bob"); err != nil || len(p.Blocked) > 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if nicks, err := s.Nicks(); err != nil || len(nicks) > 0 {
		t.Errorf("%q, %v", nicks, err)
	}
	if err := s.Retire("../bob", time.Now()); err == nil {
		t.Error("a path is set aside")
	}
}

// A change of nothing does not touch the file.
func TestSavesNothingNew(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var before os.FileInfo
	for range 2 {
		if err := save(s, "bob", mallory); err != nil {
			t.Fatal(err)
		}
		is, err := os.Stat(filepath.Join(dir, "bob.json"))
		if err != nil || before != nil && !os.SameFile(before, is) {
			t.Errorf("written again, or %v", err)
		}
		before = is
	}
}

// What could not be read again is not written, and what was set before stays.
func TestTooLargeIsNotWritten(t *testing.T) {
	s := open(t, t.TempDir())
	if err := save(s, "bob", mallory); err != nil {
		t.Fatal(err)
	}
	if err := save(s, "bob", room.Preferences{Blocked: []string{strings.Repeat("x", maxFile)}}); !errors.Is(err, room.ErrStorage) {
		t.Errorf("%v", err)
	}
	if p, err := s.Load("bob"); err != nil || !slices.Equal(p.Blocked, mallory.Blocked) {
		t.Errorf("%+v, %v", p, err)
	}
}
