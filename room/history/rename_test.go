package history

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"whoelse/room"
)

func mustHold(t testing.TB, dir string) *Held {
	t.Helper()
	h, err := Hold(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// renamed renames in a closed folder, and opens it.
func renamed(t testing.TB, dir, from, to string) *Store {
	t.Helper()
	h := mustHold(t, dir)
	if err := errors.Join(h.Check(from, to), h.Rename(from, to), h.Close()); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, dir, Options{})
}

func TestRenameKeepsWhatWasSaid(t *testing.T) {
	dir := t.TempDir()
	_, want := makeSmall(t, dir)
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, read("carol", ids(want)...))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := readAll(t, userFile(dir, "carol"))
	s = renamed(t, dir, "carol", "caroline")
	same(t, "messages", tail(t, s, "caroline", 100), want)
	sameIDs(t, "unread", unread(t, s, "caroline"))
	sameIDs(t, "of the old nick", tail(t, s, "carol", 100))
	if !bytes.Equal(readAll(t, userFile(dir, "caroline")), before) {
		t.Error("a history without unread messages was rewritten")
	}
}

// What is unread stays unread: only then is it shown on the next visit.
func TestRenameKeepsUnread(t *testing.T) {
	for _, to := range []string{"caroline", "clara", "c"} {
		t.Run(to, func(t *testing.T) {
			dir := t.TempDir()
			_, all := makeSmall(t, dir)
			s := mustOpen(t, dir, Options{})
			group := direct(9, "bob", "dave", "carol", "eve")
			mustPut(t, s, room.Record{Owner: "carol", Message: group})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			all = append(all, group)
			s = renamed(t, dir, "carol", to)
			sameIDs(t, "messages", tail(t, s, to, 100), ids(all)...)
			sameIDs(t, "unread", unread(t, s, to), ids(all[1:])...)
			if got := unread(t, s, to)[4].To; strings.Join(got, " ") != "dave "+to+" eve" {
				t.Errorf("addressed to %q", got)
			}
			if got := tail(t, s, to, 100)[0].To[0]; got != "carol" {
				t.Errorf("what was read is addressed to %s", got)
			}
			mustPut(t, s, read(to, all[1].ID))
			s = reopen(t, s, dir)
			sameIDs(t, "unread later", unread(t, s, to), ids(all[2:])...)
			if s.Damaged() != 0 {
				t.Errorf("%d damaged", s.Damaged())
			}
		})
	}
}

// A long history is opened by its last state line, as before.
func TestRenameLeavesAStateLineAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range 6000 {
		s.Append(nil, room.Record{Owner: "carol", Message: direct(n, "bob", "carol")})
	}
	mustPut(t, s, read("carol", direct(0, "bob", "carol").ID))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = renamed(t, dir, "carol", "caroline")
	got := unread(t, s, "caroline")
	if len(got) != 5999 || got[0].ID != direct(1, "x").ID || got[5998].ID != direct(5999, "x").ID {
		t.Fatalf("%d unread", len(got))
	}
	text := bytes.TrimSuffix(readAll(t, userFile(dir, "caroline")), []byte("\n"))
	last := text[bytes.LastIndexByte(text, '\n')+1:]
	e, ok := decode(last)
	if !ok || e.mark == nil || !e.mark.credible(int64(len(text)-len(last))) {
		t.Errorf("the last line is %.100s", last)
	}
}

func TestRenameTakesTornAndDamagedAlong(t *testing.T) {
	dir := t.TempDir()
	content, all := makeSmall(t, dir)
	writeAll(t, userFile(dir, "carol")+".tmp", bytes.Repeat([]byte("left behind\n"), 1000))
	lines := bytes.SplitAfter(content, []byte("\n"))
	lines[1][10] ^= 1                                   // a damaged line
	lines[2] = bytes.TrimSuffix(lines[2], []byte("\n")) // two records in one line
	torn := []byte(`{"id":"half`)
	writeAll(t, userFile(dir, "carol"), append(bytes.Join(lines, nil), torn...))
	s := renamed(t, dir, "carol", "caroline")
	got := unread(t, s, "caroline")
	for _, m := range all[3:] {
		if !bytes.Contains([]byte(strings.Join(ids(got), " ")), []byte(m.ID)) {
			t.Errorf("%s is lost; unread: %v", m.ID, ids(got))
		}
	}
	if b := readAll(t, userFile(dir, "caroline")+".torn"); !bytes.Equal(b, append(torn, '\n')) {
		t.Errorf("torn: %q", b)
	}
	text := readAll(t, userFile(dir, "caroline"))
	if !bytes.Contains(text, lines[1]) || bytes.Contains(text, []byte("left behind")) {
		t.Errorf("the history is %q", text)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "users", "carol.*"))
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestRenameRefuses(t *testing.T) {
	dir := t.TempDir()
	content, _ := makeSmall(t, dir)
	writeAll(t, userFile(dir, "dave"), nil)
	writeAll(t, userFile(dir, "erin")+".torn", []byte("x\n"))
	writeAll(t, userFile(dir, "carol")+".torn", []byte("x\n"))
	h := mustHold(t, dir)
	for _, taken := range []string{"dave", "erin"} {
		if err := h.Check("carol", taken); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Check: %v", err)
		}
		if err := h.Rename("carol", taken); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), taken) {
			t.Errorf("Rename: %v", err)
		}
	}
	for _, bad := range []string{"", "..", "../x", "Carol", room.RoomHistory, room.PresenceHistory, "~guest"} {
		if h.Rename("carol", bad) == nil || h.Rename(bad, "fred") == nil || h.Check(bad, "fred") == nil || h.Check("carol", bad) == nil {
			t.Errorf("%q is taken for a nick", bad)
		}
	}
	if err := errors.Join(h.Check("nobody", "fred"), h.Rename("nobody", "fred")); err != nil {
		t.Errorf("without a history: %v", err)
	}
	if !bytes.Equal(readAll(t, userFile(dir, "carol")), content) {
		t.Error("carol's history changed")
	}
	if err := os.Mkdir(userFile(dir, "fred"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.Check("fred", "greg"); !errors.Is(err, errOdd) {
		t.Errorf("a folder for a file: %v", err)
	}
}

func TestHoldExcludes(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if _, err := Hold(dir, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("beside a server: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	h := mustHold(t, dir)
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a server beside it: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, Options{})
	if _, err := Hold(filepath.Join(userFile(dir, "x"), "y"), nil); err != nil {
		t.Errorf("a new folder: %v", err)
	}
}
