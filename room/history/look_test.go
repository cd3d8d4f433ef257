package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"whoelse/room"
)

func anything(Line) bool { return true }

func isMessage(l Line) bool { return l.Message != nil }

// looked is what a look at a history gives: ids, with a star where unread, and what is
// damaged. It sees that the folder stays as it was.
func looked(t testing.TB, dir, owner string, n int) (all []string, damaged string) {
	t.Helper()
	before := everything(t, dir)
	l, err := OpenLook(dir, owner)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ""
	}
	if err != nil {
		t.Fatal(err)
	}
	var bad strings.Builder
	err = l.Each(n, isMessage, func(f Problem) { fmt.Fprintln(&bad, f) }, func(l Line) error {
		all = append(all, short(l.Message, l.Unread))
		return nil
	})
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	if after := everything(t, dir); after != before {
		t.Errorf("looking changed the folder from\n%s to\n%s", before, after)
	}
	return all, bad.String()
}

func short(m *room.Message, unread bool) string {
	return m.ID[len(m.ID)-2:] + map[bool]string{true: "*"}[unread]
}

func wantLook(t testing.TB, dir, owner string, n int, want string) string {
	t.Helper()
	got, bad := looked(t, dir, owner, n)
	if strings.Join(got, " ") != want {
		t.Errorf("%s has %v, want %s", owner, got, want)
	}
	return bad
}

func TestLook(t *testing.T) {
	dir := t.TempDir()
	content, _ := makeSmall(t, dir)
	wantLook(t, dir, "carol", 0, "00 01* 02* 03* 04*")
	wantLook(t, dir, "carol", 2, "03* 04*")
	wantLook(t, dir, "carol", 100, "00 01* 02* 03* 04*")
	content[len(content)/2] ^= 1
	writeAll(t, userFile(dir, "carol"), content[:len(content)-10]) // the mark is torn
	if bad := wantLook(t, dir, "carol", 2, "03* 04*"); strings.Count(bad, "\n") != 1 {
		t.Error(bad)
	}
	bad := wantLook(t, dir, "carol", 0, "00* 01* 03* 04*")
	wantLines(t, bad, "users/carol.jsonl: byte 288: damaged (144 bytes)", "torn end")
	for _, owner := range []string{"nobody", room.RoomHistory, room.PresenceHistory} {
		if _, err := OpenLook(dir, owner); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", owner, err)
		}
	}
	if _, err := OpenLook(dir, "../carol"); !errors.Is(err, errOwner) {
		t.Errorf("not a nick: %v", err)
	}
	if _, err := OpenLook(dir+"/nothing", "carol"); !os.IsNotExist(err) {
		t.Errorf("no folder: %v", err)
	}
	writeAll(t, dir+"/version", []byte("2\n"))
	if _, err := OpenLook(dir, "carol"); err == nil || !strings.Contains(err.Error(), "a start of the server") {
		t.Errorf("an older layout: %v", err)
	}
}

// TestLookGivesLinesAsTheyAre: each can be verified, also of two in one line.
func TestLookGivesLinesAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	content, _ := makeSmall(t, dir)
	want := bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n"))
	content[len(want[0])] = ' '
	writeAll(t, userFile(dir, "carol"), content)
	l, err := OpenLook(dir, "carol")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var got [][]byte
	err = l.Each(0, anything, func(Problem) {}, func(l Line) error {
		got = append(got, bytes.Clone(l.Text))
		return nil
	})
	if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%v %q, want %q", err, got, want)
	}
	if err := l.Each(1, anything, func(Problem) {}, func(Line) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the visitor's error: %v", err)
	}
}

// TestLookIsWhatAStartMakes: after a crash a look at any history shows what a start then has,
// whatever the file lost or was left with.
func TestLookIsWhatAStartMakes(t *testing.T) {
	dir := t.TempDir()
	makeSmall(t, dir)
	s := mustOpen(t, dir, Options{SegmentBytes: 400})
	for n := 5; n < 30; n++ {
		e := event(direct(n, "bob", "carol", "dan"))
		e.Max = 15
		mustPut(t, s, e)
		if n == 9 {
			mustPut(t, s, &room.Event{Message: room.Message{ID: "retired", Time: epoch, Kind: room.KindRetired, From: "dan"}})
		}
		if n == 12 {
			mustPut(t, s, read("carol", direct(3, "", "").ID, direct(11, "", "").ID), event(said(100+n, "bob")))
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rounds := 60
	if !full {
		rounds = 15
	}
	for round := range rounds {
		dir := copyOf(t, dir)
		for _, nick := range []string{"carol", "dan"} {
			b := readAll(t, userFile(dir, nick))
			from := min(len(b), 1300) // what is before is on disk for certain
			switch tail := b[from:]; rng.IntN(4) {
			case 0:
				b = b[:from+rng.IntN(len(tail)+1)]
			case 1:
				if len(tail) > 0 {
					tail[rng.IntN(len(tail))] ^= 4
				}
			case 2:
				clear(tail[rng.IntN(len(tail)+1):])
			}
			if nick == "dan" && round%3 == 0 {
				_ = os.Remove(userFile(dir, nick))
				continue
			}
			writeAll(t, userFile(dir, nick), b)
		}
		got := map[string][]string{}
		owners := []string{"bob", "carol", "dan", room.RoomHistory}
		for _, owner := range owners {
			got[owner], _ = looked(t, dir, owner, 0)
		}
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, owner := range owners {
			fresh := ids(unreadOf(t, s, owner))
			var want []string
			for _, m := range tail(t, s, owner, 100) {
				want = append(want, short(m, slices.Contains(fresh, m.ID)))
			}
			if !slices.Equal(got[owner], want) {
				t.Errorf("round %d: a look at %s has %v, a start %v", round, owner, got[owner], want)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCleanIsHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"plain, \"quoted\"":         "plain, \"quoted\"",
		"a\nb\x1b[2J\u202e\u009b\\": `a\nb\u001b[2J\u202e\u009b\\`,
		"\xff":                      "\ufffd",
		"Grüße 日本 👋":                "Grüße 日本 👋",
		"\U000e0041":                `\udb40\udc41`,
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
}

// FuzzClean: nothing gets through that does more than be there.
func FuzzClean(f *testing.F) {
	f.Add("a\nb\x1b[2J\u202e\u009b\\\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Clean(s) {
			if !unicode.IsPrint(r) {
				t.Errorf("%q has %U", Clean(s), r)
			}
		}
	})
}
