package history

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"whoelse/room"
)

// TestOddThings: what is in the place of a file stops its owner only: a folder, a pipe, a link,
// or a hard link to somebody else's file. Its lines go to the .torn file, also when the log is
// applied again.
func TestOddThings(t *testing.T) {
	foreign := t.TempDir() + "/foreign"
	const text = "somebody else's\nfile, without a newline at its end"
	for what, place := range map[string]func(string) error{
		"folder":  func(p string) error { return os.Mkdir(p, 0o700) },
		"pipe":    func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"link":    func(p string) error { return os.Symlink("dan.jsonl", p) },
		"outside": func(p string) error { return os.Symlink(foreign, p) },
		"nowhere": func(p string) error { return os.Symlink("nothing", p) },
		"hard":    func(p string) error { return os.Link(foreign, p) },
	} {
		dir := t.TempDir()
		writeAll(t, foreign, []byte(text))
		for _, p := range []string{"users/bob.jsonl", "rooms/lobby.jsonl", "presence.jsonl"} {
			p = filepath.Join(dir, p)
			if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := place(p); err != nil {
				t.Fatal(err)
			}
		}
		s := mustOpen(t, dir, Options{MaxBytes: 1000, RoomMaxBytes: 1000, Retention: 100 * 365 * 24 * time.Hour}) // nothing is too old
		mustPut(t, s, event(direct(1, "bob", "dan")), event(said(2, "dan")), presence(3, "dan"), read("bob", "x"), event(direct(4, "dan", "bob", "eve")))
		stores := []*Store{s}
		if what == "folder" { // of the others no copy can be made
			stores = append(stores, mustOpen(t, copyDir(t, dir), Options{}))
		}
		for _, s := range stores {
			for _, owner := range []string{"bob", room.RoomHistory, room.PresenceHistory} {
				_, err := room.Collect(s.Tail(owner, 1, nil))
				wantStorage(t, err)
				if !errors.Is(err, room.ErrUnusable) {
					t.Errorf("%s: %v", what, err)
				}
			}
			_, err := s.Waiting("bob")
			wantStorage(t, err)
			sameIDs(t, what+", dan", tail(t, s, "dan", 10), "id-000000001", "id-000000004")
			sameIDs(t, what+", eve", unreadOf(t, s, "eve"), "id-000000004")
			for p, want := range map[string][]string{"users/bob": {"000001", "000004", `"read"`}, "rooms/lobby": {"000002"}, "presence": {"000003"}} {
				torn := string(readAll(t, filepath.Join(dir, p+".jsonl.torn")))
				for _, w := range want {
					if !strings.Contains(torn, w) {
						t.Errorf("%s: %s.jsonl.torn lacks %s: %q", what, p, w, torn)
					}
				}
			}
			if n := s.Stats().Late; n > 0 {
				t.Errorf("%s: %d are late", what, n)
			}
		}
		if got := string(readAll(t, foreign)); got != text {
			t.Errorf("%s: the foreign file is %q", what, got)
		}
		s = reopen(t, s, dir)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(userFile(dir, "bob")); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, dir, Options{})
		mustPut(t, s, event(direct(9, "dan", "bob")))
		sameIDs(t, what+", bob again", unreadOf(t, s, "bob"), "id-000000009")
	}
}

// TestOddBetween: the same while the server runs and knows the file: it is refused until
// it is put right.
func TestOddBetween(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, toOne(1, "bob"))
	if err := os.Rename(userFile(dir, "bob"), dir+"/away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(userFile(dir, "bob"), 0o700); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, toOne(2, "bob"), toOne(3, "dan"))
	wantStorage(t, put(s, toOne(9, "bob")))
	sameIDs(t, "dan", unreadOf(t, s, "dan"), "id-000000003")
	if err := os.Remove(userFile(dir, "bob")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"/away", userFile(dir, "bob")); err != nil {
		t.Fatal(err)
	}
	if !s.catchUp() {
		t.Error("it is late still")
	}
	sameIDs(t, "bob", unreadOf(t, s, "bob"), "id-000000001", "id-000000002")
}

// TestOddBeforeACheckpoint: the checkpoint finds it, and nobody has written to that nick since. Nobody else's history
// is made again for it, and nothing goes to the .torn file.
func TestOddBeforeACheckpoint(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, toOne(1, "bob"), toOne(2, "dan"))
	if err := errors.Join(os.Rename(userFile(dir, "bob"), dir+"/away"), os.Mkdir(userFile(dir, "bob"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if s.checkpoint() == nil || s.catchUp() || s.Stats().Late != 1 {
			t.Fatalf("%+v", s.Stats())
		}
	}
	wantStorage(t, put(s, toOne(9, "bob")))
	mustPut(t, s, toOne(3, "dan"))
	if _, err := os.Lstat(userFile(dir, "bob") + ".torn"); err == nil {
		t.Error("lines were set aside")
	}
	if err := errors.Join(os.Remove(userFile(dir, "bob")), os.Rename(dir+"/away", userFile(dir, "bob"))); err != nil {
		t.Fatal(err)
	}
	if !s.catchUp() || s.checkpoint() != nil {
		t.Error("it is late still")
	}
	sameIDs(t, "bob", unreadOf(t, s, "bob"), "id-000000001")
}

// TestPipeForAFolder: it is not waited for.
func TestPipeForAFolder(t *testing.T) {
	for _, name := range []string{"users", "rooms", "log"} {
		dir := t.TempDir()
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
		opened := make(chan error, 1)
		go func() {
			_, err := Open(dir, Options{})
			opened <- err
		}()
		select {
		case err := <-opened:
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s is waited for", name)
		}
	}
}
