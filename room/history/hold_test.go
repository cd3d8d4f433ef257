package history

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"whoelse/internal/disk"
	"whoelse/internal/disk/disktest"
	"whoelse/room"
	"whoelse/room/history/record"
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
	sameIDs(t, "unread", unreadOf(t, s, "caroline"))
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
			mustPut(t, s, event(group))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			all = append(all, group)
			s = renamed(t, dir, "carol", to)
			sameIDs(t, "messages", tail(t, s, to, 100), ids(all)...)
			sameIDs(t, "unread", unreadOf(t, s, to), ids(all[1:])...)
			if got := unreadOf(t, s, to)[4].To; strings.Join(got, " ") != "dave "+to+" eve" {
				t.Errorf("addressed to %q", got)
			}
			if got := tail(t, s, to, 100)[0].To[0]; got != "carol" {
				t.Errorf("what was read is addressed to %s", got)
			}
			mustPut(t, s, read(to, all[1].ID), event(direct(10, "bob", to)))
			s = reopen(t, s, dir)
			sameIDs(t, "unread later", unreadOf(t, s, to), append(ids(all[2:]), "id-000000010")...)
			if n := s.Stats().Damaged; n != 0 {
				t.Errorf("%d damaged", n)
			}
		})
	}
}

// A long history is opened by its last state line, as before.
func TestRenameLeavesAStateLineAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range 6000 {
		enter(s, event(direct(n, "bob", "carol")), func(room.Entry, error) {})
	}
	mustPut(t, s, read("carol", direct(0, "bob", "carol").ID))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = renamed(t, dir, "carol", "caroline")
	got := unreadOf(t, s, "caroline")
	if len(got) != 5999 || got[0].ID != direct(1, "x").ID || got[5998].ID != direct(5999, "x").ID {
		t.Fatalf("%d unread", len(got))
	}
	if n := placesIn(t, readAll(t, userFile(dir, "caroline"))); n != record.MaxListed {
		t.Errorf("%d are listed", n)
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
	sameIDs(t, "unread", unreadOf(t, s, "caroline"), ids(all[2:])...)
	if b := readAll(t, userFile(dir, "caroline")+".torn"); !bytes.Equal(b, slices.Concat(torn, []byte("\n"), lines[1])) {
		t.Errorf("torn: %q", b)
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
	if err := h.Check("fred", "greg"); !errors.Is(err, disk.ErrNotRegular) {
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
	if used, err := InUse(dir); !used || err != nil {
		t.Errorf("in use: %v, %v", used, err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if used, err := InUse(dir); used || err != nil {
		t.Errorf("in use: %v, %v", used, err)
	}
	mustOpen(t, dir, Options{})
	h, err := Hold(filepath.Join(userFile(dir, "x"), "y"), nil)
	if err != nil {
		t.Fatalf("a new folder: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

// TestHoldEmptiesTheLog: nothing of it is applied again later, whatever becomes of the histories.
func TestHoldEmptiesTheLog(t *testing.T) {
	dir := t.TempDir()
	_, all := makeSmall(t, dir)
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, event(direct(7, "bob", "carol")))
	killed := copyOf(t, dir)
	if _, err := os.Stat(killed + "/log/00000000000000000007.jsonl"); err != nil {
		t.Fatal(err)
	}
	backup, err := HoldSegments(t.Context(), killed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Hold(killed, nil); !errors.Is(err, room.ErrBackup) {
		t.Errorf("beside a backup: %v", err)
	}
	if err := backup.Close(); err != nil {
		t.Fatal(err)
	}
	h := mustHold(t, killed)
	if left, _ := filepath.Glob(killed + "/log/*"); len(left) > 0 {
		t.Errorf("the log has %v", left)
	}
	if _, err := HoldSegments(t.Context(), killed); !errors.Is(err, room.ErrBackup) {
		t.Errorf("a backup beside it: %v", err)
	}
	if err := errors.Join(h.Rename("carol", "caroline"), h.Close()); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, killed, Options{})
	sameIDs(t, "unread", unreadOf(t, s, "caroline"), append(ids(all[1:]), "id-000000007")...)
	sameIDs(t, "of the old nick", tail(t, s, "carol", 100))
}

// TestRestoreNick gives the history back that was set aside last.
func TestRestoreNick(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	retired := func(n int) *room.Event {
		return &room.Event{Message: room.Message{ID: fmt.Sprint("r", n), Time: direct(n, "").Time, Kind: room.KindRetired, From: "carol"}}
	}
	mustPut(t, s, event(direct(1, "bob", "carol")), retired(2), event(direct(3, "bob", "carol")), event(direct(4, "bob", "carol")),
		read("carol", direct(3, "").ID), retired(5))
	sameIDs(t, "of the next one", tail(t, s, "carol", 100))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	h := mustHold(t, dir)
	if restored, err := h.RestoreNick("carol"); err != nil || !restored {
		t.Errorf("%v, %v", restored, err)
	}
	if _, err := h.RestoreNick("carol"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("another one in the way: %v", err)
	}
	if _, err := h.RestoreNick("bob"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("whose history was never set aside: %v", err)
	}
	if restored, err := h.RestoreNick("zebra"); restored || err != nil {
		t.Errorf("who has no history: %v, %v", restored, err)
	}
	if _, err := h.RestoreNick("../carol"); err == nil {
		t.Error("a path is restored")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, Options{})
	sameIDs(t, "given back", unreadOf(t, s, "carol"), direct(4, "").ID)
	mustPut(t, s, event(direct(9, "bob", "carol")))
	s = reopen(t, s, dir)
	sameIDs(t, "and later", unreadOf(t, s, "carol"), direct(4, "").ID, direct(9, "").ID)
}

// busy is a folder of a server that was killed: some of carol's messages are only in the log.
func busy(t testing.TB) (m *disktest.FS, want []string) {
	t.Helper()
	m = disktest.New()
	for round := range 2 {
		s, err := open(m.Folder(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		follow(s)
		for n := range 3 {
			msg := direct(10*round+n, "bob", "carol", "dan")
			mustPut(t, s, event(msg))
			want = append(want, msg.ID)
		}
		if round == 1 {
			defer func(s *Store) { _ = s.Close() }(s)
			break
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		users, err := m.Folder().Sub("users")
		carol := append(contentOf(t, m, "users", "carol.jsonl"), "{damaged\n"...)
		if err := errors.Join(err, disk.WriteFile(users, "carol.jsonl", carol)); err != nil {
			t.Fatal(err)
		}
	}
	return m.Crash(rand.New(rand.NewPCG(1, 1))), want
}

func renameIn(m *disktest.FS) error {
	h, err := hold(m.Folder(), nil)
	if err != nil {
		return err
	}
	return errors.Join(h.Rename("carol", "caroline"), h.Close())
}

// TestRenameDies ends the process before each operation in turn, cuts the power or not, and renames
// again.
func TestRenameDies(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		m, want := busy(t)
		start := m.Steps()
		m.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == start+n, Part: true} })
		err := renameIn(m)
		wantMoved(t, fmt.Sprint("killed at ", n), m.Killed(), want)
		for seed := range few(8) {
			wantMoved(t, fmt.Sprintf("power cut %d at %d", seed, n), m.Crash(rand.New(rand.NewPCG(seed, uint64(n)))), want)
		}
		if err == nil {
			break
		}
	}
}

// TestRenameFails has each operation fail in turn, and renames again.
func TestRenameFails(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		m, want := busy(t)
		start := m.Steps()
		m.Fail(func(step int, _ string) disktest.Fault {
			if step == start+n {
				return disktest.Fault{Err: syscall.EIO, Part: n%2 == 0, Takes: n%3 == 0}
			}
			return disktest.Fault{}
		})
		_ = renameIn(m)
		over := m.Steps() < start+n
		m.Fail(nil)
		if now, _ := m.Open(); now != 0 {
			t.Fatalf("failed at %d: %d files are open", n, now)
		}
		wantMoved(t, fmt.Sprint("failed at ", n), m.Killed(), want)
		if over {
			return
		}
	}
}

// wantMoved renames again, which completes what was begun.
func wantMoved(t *testing.T, what string, m *disktest.FS, want []string) {
	t.Helper()
	if err := renameIn(m); err != nil {
		t.Fatalf("%s: again: %v", what, err)
	}
	for name, want := range map[string]bool{"carol.jsonl": false, "carol.jsonl.torn": false, "caroline.jsonl.torn": true} {
		if got := contentOf(t, m, "users", name); bytes.Contains(got, []byte("{damaged\n")) != want || got != nil != want {
			t.Fatalf("%s: %s has %q", what, name, got)
		}
	}
	m = m.Crash(rand.New(rand.NewPCG(1, 1)))
	s, err := open(m.Folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, old := ids(unreadOf(t, s, "caroline")), tail(t, s, "carol", 100)
	if !slices.Equal(got, want) || len(old) > 0 {
		t.Fatalf("%s: unread are %v, want %v; carol has %v", what, got, want, ids(old))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
