package history

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"whoelse/room"
)

// keep is what a backup does.
func keep(t testing.TB, dir string) io.Closer {
	t.Helper()
	c, err := KeepJournals(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func journals(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir + "/journal")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// eventually waits until what is expected is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestJournalsAreKept: none goes while a backup runs, and all afterwards, without a
// line in the log each second.
func TestJournalsAreKept(t *testing.T) {
	dir := t.TempDir()
	l, log := newLog()
	s := mustOpen(t, dir, Options{Log: log, JournalBytes: 300})
	backup := keep(t, dir)
	n := 0
	for range 60 {
		n++
		mustPut(t, s, to(direct(n, "bob", "carol"))...)
	}
	// Four were sealed, and the fifth has all the rest.
	eventually(t, "the checkpointer tried", func() bool { return strings.Contains(l.String(), "a backup is running") })
	if got := journals(t, dir); len(got) != 5 || got[0] != "000001.log" {
		t.Errorf("kept: %v", got)
	}
	more := func() {
		n++
		mustPut(t, s, to(direct(n, "bob", "carol"))...)
	}
	s.ck.mu.Lock()
	s.ck.failed = s.ck.failed.Add(-retryAfter) // the next try is due
	s.ck.mu.Unlock()
	more()
	if err := backup.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the journals went", func() bool { more(); return len(journals(t, dir)) < 4 })
	if c := strings.Count(l.String(), "a backup is running"); c != 1 {
		t.Errorf("told %d times:\n%s", c, l)
	}
	if strings.Contains(l.String(), "ERROR") {
		t.Error(l)
	}
}

// TestCloseDuringABackup is no failure, and the next start goes on.
func TestCloseDuringABackup(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	backup := keep(t, dir)
	mustPut(t, s, to(direct(1, "bob", "carol"))...)
	if err := s.Close(); err != nil {
		t.Errorf("closing during a backup: %v", err)
	}
	if got := journals(t, dir); len(got) != 1 {
		t.Errorf("kept: %v", got)
	}
	if err := backup.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, Options{})
	sameIDs(t, "carol", unread(t, s, "carol"), "id-000000001")
	if got := journals(t, dir); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// TestStartDuringABackup: what a crash left in the journals stays there, and new ones
// follow. Another crash, with the end of the last one torn, loses nothing.
func TestStartDuringABackup(t *testing.T) {
	dir := t.TempDir()
	first := mustOpen(t, dir, Options{JournalBytes: 300})
	mustPut(t, first, to(direct(1, "bob", "carol"))...)
	for crash := range 4 {
		killed := copyDir(t, dir)
		names := journals(t, killed)
		last := killed + "/journal/" + names[len(names)-1]
		whole := readAll(t, last)
		torn := appendRecord(nil, false, 0, "eve", mustLine(t, direct(99, "bob", "eve")))
		torn = appendRecord(torn, true, 0, "dan", mustLine(t, direct(99, "bob", "dan")))
		writeAll(t, last, append(whole, torn[:len(torn)-crash*50-1]...))
		backup := keep(t, killed)
		s := mustOpen(t, killed, Options{JournalBytes: 300})
		if _, err := Hold(killed, nil); !errors.Is(err, ErrInUse) {
			t.Errorf("hold beside a server: %v", err)
		}
		mustPut(t, s, to(direct(crash+2, "bob", "carol"))...)
		mustPut(t, s, to(direct(crash+12, "bob", "dan"))...)
		if got := journals(t, killed); len(got) <= len(names) || got[0] != "000001.log" {
			t.Fatalf("kept: %v, before %v", got, names)
		}
		if _, text := checkDir(t, killed); text != "" {
			t.Errorf("check: %s", text)
		}
		defer func() { _ = backup.Close() }()
		dir = killed
	}
	s := mustOpen(t, copyDir(t, dir), Options{})
	sameIDs(t, "carol", unread(t, s, "carol"), "id-000000001", "id-000000002", "id-000000003", "id-000000004", "id-000000005")
	sameIDs(t, "dan", tail(t, s, "dan", 100), "id-000000012", "id-000000013", "id-000000014", "id-000000015")
	sameIDs(t, "eve", tail(t, s, "eve", 100))
	if s.Damaged() != 0 {
		t.Errorf("%d damaged", s.Damaged())
	}
}

// TestKeptJournalsGo once the backup has ended.
func TestKeptJournalsGo(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, to(direct(1, "bob", "carol"))...)
	killed := copyDir(t, dir)
	backup := keep(t, killed)
	s = mustOpen(t, killed, Options{})
	if err := backup.Close(); err != nil {
		t.Fatal(err)
	}
	n := 1
	eventually(t, "the journals went", func() bool {
		n++
		mustPut(t, s, to(direct(n, "bob", "carol"))...)
		return len(journals(t, killed)) == 1
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := journals(t, killed); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// TestOneBackupAtATime, and none beside work on whole histories.
func TestOneBackupAtATime(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, room.Record{Owner: room.RoomHistory, Message: said(1, "bob")})
	killed := copyDir(t, dir)
	backup := keep(t, killed)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := KeepJournals(ctx, killed); !errors.Is(err, ErrBackup) {
		t.Errorf("a second backup: %v", err)
	}
	if _, err := Hold(killed, nil); !errors.Is(err, ErrBackup) {
		t.Errorf("hold: %v", err)
	}
	if got := journals(t, killed); len(got) != 1 {
		t.Errorf("kept: %v", got)
	}
	if err := backup.Close(); err != nil {
		t.Fatal(err)
	}
	h := mustHold(t, killed)
	if _, err := KeepJournals(ctx, killed); !errors.Is(err, ErrBackup) {
		t.Errorf("a backup beside work on histories: %v", err)
	}
	if got := journals(t, killed); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := KeepJournals(t.Context(), dir+"/nothing"); !os.IsNotExist(err) {
		t.Errorf("no folder: %v", err)
	}
}

// TestHoldAsABackupEnds: the journals had to stay, so that histories must not be
// worked on as if there were none.
func TestHoldAsABackupEnds(t *testing.T) {
	dir := t.TempDir()
	running := mustOpen(t, dir, Options{})
	mustPut(t, running, to(direct(1, "bob", "carol"))...)
	killed := copyDir(t, dir)
	backup := keep(t, killed)
	root, err := openDir(killed)
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(Options{})
	defer func() { _ = s.release() }()
	if err := errors.Join(s.prepare(root), backup.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.noBackups(); !errors.Is(err, ErrBackup) {
		t.Errorf("%v", err)
	}
	keep(t, killed).Close() // the lock was given back
}
