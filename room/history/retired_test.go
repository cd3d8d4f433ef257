package history

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/room"
)

// TestRetireNick: whoever gets the nick next reads nothing of what was before, also
// after a crash, and who gets it back reads all.
func TestRetireNick(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range 4 {
		mustPut(t, s, to(direct(n, "bob", "carol"))...)
	}
	mustPut(t, s, read("carol", direct(1, "bob", "carol").ID))
	if err := s.RetireNick("carol", time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := tail(t, s, "carol", 100); len(got) != 0 {
		t.Errorf("there are %d messages of whoever was carol before", len(got))
	}
	sameIDs(t, "unread", unread(t, s, "carol"))
	mustPut(t, s, to(direct(7, "bob", "carol"))...)
	sameIDs(t, "unread of the next one", unread(t, s, "carol"), direct(7, "bob", "carol").ID)
	if err := s.RetireNick("carol", time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := s.RetireNick("nobody", time.Now()); err != nil {
		t.Errorf("without a history: %v", err)
	}
	if err := s.RetireNick("../carol", time.Now()); err == nil {
		t.Error("a path is set aside")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := Hold(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	restored, err := h.RestoreNick("carol") // the newest
	if err != nil || !restored {
		t.Errorf("%v, %v", restored, err)
	}
	if _, err := h.RestoreNick("carol"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("another one in the way: %v", err)
	}
	if restored, err := h.RestoreNick("bob"); restored || err != nil {
		t.Errorf("who was never set aside: %v, %v", restored, err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, Options{})
	sameIDs(t, "given back", unread(t, s, "carol"), direct(7, "bob", "carol").ID)
}

// TestRetireNickDies ends the process, or fails it, at each operation in turn. Nothing
// that was acknowledged is lost: it is all there still, or all set aside; and after a
// recovery no line is written for whoever comes next.
func TestRetireNickDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := 1; ; n++ {
			for _, dies := range []bool{true, false} {
				fs := newMemFS()
				s, err := open(fs.folder(), Options{})
				if err != nil {
					t.Fatal(err)
				}
				for i := range 3 {
					mustPut(t, s, to(direct(i, "bob", "carol"))...)
				}
				start, hit := fs.count(), false
				fs.fail(func(step int, _ string) fault {
					hit = hit || step == start+n
					if step < start+n || !dies && step > start+n {
						return fault{}
					}
					return fault{dead: dies && step == start+n, err: map[bool]error{false: errors.New("no")}[dies], part: true}
				})
				err = s.RetireNick("carol", time.Now())
				what := fmt.Sprintf("operation %d, dies %v, %v", n, dies, err)
				for seed := range uint64(4) {
					wholeCarol(t, what, fs.crash(rand.New(rand.NewPCG(seed, uint64(n)))), err == nil)
				}
				fs.fail(nil)
				_ = s.Close()
				if !hit {
					return
				}
			}
		}
	})
}

// wholeCarol opens a folder that a crash left. If carol's history was said to be set
// aside, it is.
func wholeCarol(t *testing.T, what string, m *memFS, aside bool) {
	t.Helper()
	s, err := open(m.folder(), Options{})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer func() { _ = s.Close() }()
	here := len(tail(t, s, "carol", 100))
	there := 0
	if folder := m.root.names["users"].names[retiredFolder]; folder != nil {
		for name, n := range folder.names {
			if strings.HasPrefix(name, "carol-") {
				there = strings.Count(string(n.data), `"text"`)
			}
		}
	}
	if aside && here != 0 || here != 0 && here != 3 || here+there < 3 {
		t.Errorf("%s: %d messages are carol's, and %d are set aside", what, here, there)
	}
}

// TestRetireNickInJournals: what is in the journals of a server that was killed does not
// come back, and what is sent to the next one is there.
func TestRetireNickInJournals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s, err := open(fs.folder(), Options{JournalBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, s, to(direct(1, "bob", "carol"))...)
		mustPut(t, s, to(direct(2, "bob", "carol"))...)
		if err := s.RetireNick("carol", time.Now()); err != nil {
			t.Fatal(err)
		}
		mustPut(t, s, to(direct(3, "bob", "carol"))...)
		for seed := range uint64(20) {
			m := fs.crash(rand.New(rand.NewPCG(seed, 1)))
			s, err := open(m.folder(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			sameIDs(t, "unread", unread(t, s, "carol"), direct(3, "bob", "carol").ID)
			_ = s.Close()
		}
		_ = s.Close()
	})
}

// TestRetireNickWaitsForBackup: a backup copies a history as a whole or not at all.
func TestRetireNickWaitsForBackup(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, to(direct(1, "bob", "carol"))...)
	backup, err := KeepJournals(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RetireNick("carol", time.Now()); !errors.Is(err, ErrBackup) {
		t.Errorf("%v", err)
	}
	if err := backup.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.RetireNick("carol", time.Now()); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// TestRetention also ends what was set aside.
func TestRetentionOfRetired(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{Retention: 48 * time.Hour})
	mustPut(t, s, room.Record{Owner: "carol", Message: direct(1, "bob", "carol")})
	mustPut(t, s, room.Record{Owner: "dave", Message: direct(2, "bob", "dave")})
	for nick, age := range map[string]time.Duration{"carol": 49 * time.Hour, "dave": 47 * time.Hour} {
		if err := s.RetireNick(nick, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	s.sweepRetired(time.Now())
	aside, err := s.home().users.sub(retiredFolder)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = aside.close() }()
	if names, err := aside.names(); err != nil || len(names) != 1 || !strings.HasPrefix(names[0], "dave-") {
		t.Errorf("%q, %v", names, err)
	}
}
