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
