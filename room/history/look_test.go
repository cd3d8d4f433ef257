package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"whoelse/room"
)

func anything(Line) bool { return true }

func isMessage(l Line) bool { return l.Message != nil }

// looked is what a look at a history gives: ids, with a star where unread, and what is
// damaged. It sees that the folder stays as it was.
func looked(t testing.TB, dir, owner string, n int) (all []string, damaged string) {
	t.Helper()
	before := snapshot(t, dir)
	l, err := OpenLook(dir, owner)
	if err != nil {
		t.Fatal(err)
	}
	var bad strings.Builder
	err = l.Each(n, isMessage, func(f Finding) { fmt.Fprintln(&bad, f) }, func(l Line) error {
		id := l.Message.ID[len(l.Message.ID)-2:]
		if l.Unread {
			id += "*"
		}
		all = append(all, id)
		return nil
	})
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("looking changed the folder from\n%s to\n%s", before, after)
	}
	return all, bad.String()
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
	writeAll(t, userFile(dir, "carol"), content[:len(content)-10])
	if bad := wantLook(t, dir, "carol", 2, "01* 03*"); strings.Count(bad, "\n") != 2 {
		t.Error(bad)
	}
	bad := wantLook(t, dir, "carol", 0, "00 01* 03*")
	wantLines(t, bad, "users/carol.jsonl: byte", "the checksum does not fit", "torn end")
	for _, owner := range []string{"nobody", room.RoomHistory, room.PresenceHistory} {
		if _, err := OpenLook(dir, owner); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", owner, err)
		}
	}
	if _, err := OpenLook(dir, "../carol"); !errors.Is(err, errOwner) {
		t.Errorf("no nick: %v", err)
	}
	if _, err := OpenLook(dir+"/nothing", "carol"); !os.IsNotExist(err) {
		t.Errorf("no folder: %v", err)
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
	err = l.Each(0, anything, func(Finding) {}, func(l Line) error {
		got = append(got, bytes.Clone(l.Text))
		return nil
	})
	if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%v %q, want %q", err, got, want)
	}
	if err := l.Each(1, anything, func(Finding) {}, func(Line) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the visitor's error: %v", err)
	}
}

// TestLookBesideAServer: everything that was acknowledged is there.
func TestLookBesideAServer(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{JournalBytes: 500})
	var want []string
	for n := range 30 {
		mustPut(t, s, room.Record{Owner: "carol", Message: direct(n, "bob", "carol")})
		want = append(want, fmt.Sprintf("%02d*", n))
		l, err := OpenLook(dir, "carol")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = l.Each(0, isMessage, func(f Finding) { t.Error(f) }, func(l Line) error {
			got = append(got, l.Message.ID[len(l.Message.ID)-2:]+"*")
			return nil
		})
		if err := errors.Join(err, l.Close()); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v: %v, want %v", err, got, want)
		}
	}
}

// TestLookIntoJournals: after a crash what waits is there, at the place where a start
// would write it.
func TestLookIntoJournals(t *testing.T) {
	dir := t.TempDir()
	content, all := makeSmall(t, dir)
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, to(direct(7, "bob", "carol", "dan"))...)
	mustPut(t, s, read("carol", all[1].ID))
	mustPut(t, s, to(direct(8, "bob", "carol"))...)
	killed := copyDir(t, dir)
	want := "00 01 02* 03* 04* 07* 08*"
	for _, size := range []int{len(content), len(content) + 30, len(content) + 200} {
		writeAll(t, userFile(killed, "carol"), readAll(t, userFile(dir, "carol"))[:size])
		if bad := wantLook(t, killed, "carol", 0, want); bad != "" {
			t.Error(bad)
		}
	}
	wantLook(t, killed, "carol", 3, "04* 07* 08*")
	if err := os.Remove(userFile(killed, "dan")); err != nil {
		t.Fatal(err)
	}
	wantLook(t, killed, "dan", 0, "07*")
	writeAll(t, userFile(killed, "carol"), content[:len(content)-40]) // with a hole before what waits
	if bad := wantLook(t, killed, "carol", 0, "00 01 02* 03* 07* 08*"); strings.Count(bad, "\n") != 1 {
		t.Error(bad)
	}
}

// TestOverlayIsWhatAStartMakes: a look shows what a start then has.
func TestOverlayIsWhatAStartMakes(t *testing.T) {
	content, _ := makeSmall(t, t.TempDir())
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		text := header(0, 0)
		cut := rapid.IntRange(0, len(content)).Draw(rt, "cut")
		off := int64(rapid.IntRange(max(0, cut-100), cut+100).Draw(rt, "off"))
		for n := range rapid.IntRange(1, 5).Draw(rt, "lines") {
			line := mustLine(t, direct(10+n, "bob", "carol"))
			text = appendRecord(text, true, off, "carol", line)
			off += int64(len(line) + rapid.SampledFrom([]int{0, 0, 1, 50}).Draw(rt, "gap"))
		}
		writeAll(t, userFile(dir, "carol"), content[:cut])
		writeAll(t, dir+"/journal/000001.log", text)
		got, _ := looked(t, dir, "carol", 0)
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		fresh := ids(unread(t, s, "carol"))
		var want []string
		for _, m := range tail(t, s, "carol", 100) {
			id := m.ID[len(m.ID)-2:]
			if slices.Contains(fresh, m.ID) {
				id += "*"
			}
			want = append(want, id)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("a look has %v, a start %v", got, want)
		}
	})
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

// FuzzClean: nothing gets through that does more than stand there.
func FuzzClean(f *testing.F) {
	f.Add("a\nb\x1b[2J\u202e\u009b\\\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Clean(s) {
			if !printable(r) {
				t.Errorf("%q has %U", Clean(s), r)
			}
		}
	})
}
