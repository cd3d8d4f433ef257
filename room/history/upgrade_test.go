package history

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"whoelse/room"
)

// TestUpgrade: a server starts on a folder that the last version left when it was killed, and has
// all that that one had; so has one after it.
func TestUpgrade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	extract(t, "migrate/testdata/v2.tar.gz", dir)
	var ledger map[string]struct{ IDs, Unread []string }
	if err := json.Unmarshal(readAll(t, "migrate/testdata/v2.json"), &ledger); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir, Options{})
	for range 2 {
		for owner, want := range ledger {
			switch owner {
			case "#room":
				owner = room.RoomHistory
			case "#presence":
				owner = room.PresenceHistory
			}
			sameIDs(t, owner, tail(t, s, owner, 10_000), want.IDs...)
			sameIDs(t, "unread of "+owner, unreadOf(t, s, owner), want.Unread...)
			if n := len(want.IDs); n > 0 && s.LastID() < want.IDs[n-1] {
				t.Errorf("the last id is %s", s.LastID())
			}
		}
		s = reopen(t, s, dir)
	}
	gina := slices.Clone(ledger["gina"].Unread)
	mustPut(t, s, event(direct(1, "bob", "gina")), read("gina", gina[0]))
	s = reopen(t, s, dir)
	sameIDs(t, "unread later", unreadOf(t, s, "gina"), append(gina[1:], "id-000000001")...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if sum, text := checkDir(t, dir); text != "" || sum.Damaged > 0 {
		t.Errorf("%+v\n%s", sum, text)
	}
}

func extract(t *testing.T, name, dir string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			writeAll(t, filepath.Join(dir, h.Name), text)
		}
	}
}

// TestNewerVersion: a folder of a newer program is refused, and stays as it is.
func TestNewerVersion(t *testing.T) {
	dir := t.TempDir()
	makeSmall(t, dir)
	for version, want := range map[string]error{"4": ErrNewer, "99": ErrNewer, "x": nil, "0": nil} {
		writeAll(t, dir+"/version", []byte(version+"\n"))
		before := everything(t, dir)
		if _, err := Open(dir, Options{}); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("a server on version %s: %v", version, err)
		}
		if _, err := Hold(dir, nil); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("work on version %s: %v", version, err)
		}
		if err := Repair(t.Context(), dir, nil, Checking{}); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("a repair of version %s: %v", version, err)
		}
		if after := everything(t, dir); after != before {
			t.Errorf("version %s has changed from\n%s to\n%s", version, before, after)
		}
	}
}
