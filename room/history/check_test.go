package history

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"whoelse/room"
)

// checkIn checks a folder in memory and returns what was told.
func checkIn(t testing.TB, m *memFS) (Summary, []Finding) {
	t.Helper()
	var list []Finding
	c := newChecker(t.Context(), m.folder(), Checking{Tell: func(f Finding) { list = append(list, f) }})
	if err := c.all(); err != nil {
		t.Fatal(err)
	}
	return c.sum, list
}

// checkDir checks a real folder, and sees that it stays as it was.
func checkDir(t testing.TB, dir string) (Summary, string) {
	t.Helper()
	before := snapshot(t, dir)
	var text strings.Builder
	sum, err := Check(t.Context(), dir, Checking{Tell: func(f Finding) { fmt.Fprintln(&text, f) }})
	if err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("checking changed the folder from\n%s to\n%s", before, after)
	}
	return sum, text.String()
}

// snapshot is all names in a folder, and what is in the files.
func snapshot(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v", path, d.Type())
		if d.Type().IsRegular() {
			fmt.Fprintf(&b, " %q", readAll(t, path))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// want has each of the lines in text.
func wantLines(t testing.TB, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(text, l) {
			t.Errorf("want %q in\n%s", l, text)
		}
	}
}

func TestCheckOfWhatIsWell(t *testing.T) {
	dir := t.TempDir()
	makeSmall(t, dir)
	sum, text := checkDir(t, dir)
	if text != "" || sum.Damaged+sum.Trouble != 0 || sum.Files != 2 || sum.Records != 6 || sum.LastID != "id-000000004" {
		t.Errorf("%+v\n%s", sum, text)
	}
	if _, err := Check(t.Context(), dir+"/nothing", Checking{}); !os.IsNotExist(err) {
		t.Errorf("without a folder: %v", err)
	}
	writeAll(t, dir+"/version", []byte("99\n"))
	if _, err := Check(t.Context(), dir, Checking{}); err == nil || !strings.Contains(err.Error(), "99") {
		t.Errorf("a newer folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	writeAll(t, dir+"/version", []byte("1\n"))
	if _, err := Check(ctx, dir, Checking{}); err == nil {
		t.Error("a check that was stopped says that all is well")
	}
}

// TestCheckNames: each kind of damage is called by its name, where it is.
func TestCheckNames(t *testing.T) {
	dir := t.TempDir()
	content, _ := makeSmall(t, dir)
	lines := bytes.SplitAfter(content, []byte("\n"))
	first, second := lines[0], lines[1]
	flipped := slices.Clone(first)
	flipped[20] ^= 1
	for name, c := range map[string]struct {
		content []byte
		off     int
		want    string
	}{
		"flipped":   {slices.Concat(first, flipped, second), len(first), "the checksum does not fit"},
		"by hand":   {slices.Concat(first, []byte(`{"text":"hi, this is longer than a checksum"}`+"\n"), second), len(first), "no checksum"},
		"words":     {slices.Concat([]byte("something else\n"), second), 0, "not a record"},
		"no member": {append(seal([]byte(`{"text":"x"`), 0), second...), 0, "not a record, though its checksum fits"},
		"empty":     {slices.Concat(first, []byte("\n"), second), len(first), "an empty line"},
		"zeros":     {slices.Concat(first, make([]byte, 300_000), []byte("\n"), second), len(first), "bytes of zero (300001 bytes)"},
		"no line":   {slices.Concat(first, make([]byte, 100)), len(first), "bytes of zero (100 bytes)"},
		"torn":      {slices.Concat(first, second[:20]), len(first), "torn end (20 bytes)"},
		"cut":       {slices.Concat(first, second[:len(second)-1]), len(first), "the last line lacks its newline"},
		"joined":    {slices.Concat(first[:len(first)-1], second), 0, "a newline was lost, both records found"},
		"long":      {slices.Concat(bytes.Repeat([]byte("x"), 2*maxLine), []byte("\n"), second), 0, "longer than any record"},
		"partly":    {slices.Concat(flipped[:len(first)-1], []byte("x"), second), 0, "damaged beside a record; whole records found in it: 1"},
	} {
		writeAll(t, userFile(dir, "carol"), c.content)
		sum, text := checkDir(t, dir)
		if want := fmt.Sprintf("users/carol.jsonl: byte %d: %s", c.off, c.want); !strings.Contains(text, want) || sum.Damaged != 1 {
			t.Errorf("%s: want %q in %s", name, want, text)
		}
	}
}

// TestCheckOfOddThings: what is in a file's place needs somebody; what nothing reads
// is only mentioned.
func TestCheckOfOddThings(t *testing.T) {
	dir := t.TempDir()
	makeSmall(t, dir)
	for _, make := range []func() error{
		func() error { return os.Mkdir(userFile(dir, "folder"), 0o700) },
		func() error { return syscall.Mkfifo(userFile(dir, "pipe"), 0o600) },
		func() error { return os.Symlink("carol.jsonl", userFile(dir, "link")) },
		func() error { return os.Mkdir(dir+"/room.jsonl", 0o700) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
	}
	writeAll(t, dir+"/users/Bob.jsonl", nil)
	writeAll(t, dir+"/users/x\x1b[2J.old", nil)
	writeAll(t, dir+"/users/carol.jsonl.tmp", nil)
	writeAll(t, dir+"/users/carol.jsonl.torn", []byte("a\nb\n"))
	sum, text := checkDir(t, dir)
	wantLines(t, text, "users/folder.jsonl: is no file", "users/pipe.jsonl: is no file", "users/link.jsonl: is no file", "room.jsonl: is no file",
		"users/Bob.jsonl: this is no nick's", `users/x\u001b[2J.old: not a file`, "users/carol.jsonl.tmp: left over",
		"users/carol.jsonl.torn: set aside earlier: 2 lines, 4 bytes")
	if sum.Trouble != 4 || sum.Damaged != 0 || sum.Aside != 2 {
		t.Errorf("%+v", sum)
	}
}

// TestCheckBesideAServer: what is at the end of a file may be in the middle of being
// written.
func TestCheckBesideAServer(t *testing.T) {
	dir := t.TempDir()
	content, _ := makeSmall(t, dir)
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, to(direct(10, "ann", "bob"))...)
	writeAll(t, userFile(dir, "carol"), content[:len(content)-10])
	journal := dir + "/journal/000001.log"
	whole := readAll(t, journal)
	writeAll(t, journal, whole[:len(whole)-10])
	sum, text := checkDir(t, dir)
	wantLines(t, text, "users/carol.jsonl: byte 634: being written")
	if sum.Damaged+sum.Trouble != 0 || sum.Waiting != 0 || strings.Count(text, "\n") != 1 {
		t.Errorf("%+v\n%s", sum, text)
	}
	writeAll(t, journal, whole)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sum, text = checkDir(t, dir)
	wantLines(t, text, "users/carol.jsonl: byte 634: torn end")
	if sum.Damaged != 1 {
		t.Errorf("%+v", sum)
	}
}

// TestCheckReadsTheEndAgain: what a server was writing is there at the second look.
func TestCheckReadsTheEndAgain(t *testing.T) {
	dir := t.TempDir()
	content, _ := makeSmall(t, dir)
	m := withCarol(content[:len(content)-10])
	m.fail(func(_ int, op string) fault {
		if op == "read" {
			n := m.root.names["users"].names["carol.jsonl"]
			n.data = slices.Clone(content)
		}
		return fault{}
	})
	if sum, list := checkIn(t, m); sum.Damaged != 0 || sum.Records != 6 {
		t.Errorf("%+v %v", sum, list)
	}
}

// TestCheckOfJournals: what waits is counted; the end of the last one may be torn.
func TestCheckOfJournals(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, to(direct(1, "bob", "carol", "dan"))...)
	killed := copyDir(t, dir)
	journal := killed + "/journal/000001.log"
	whole := readAll(t, journal)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	flip := func(at int) []byte {
		b := slices.Clone(whole)
		b[at] ^= 1
		return b
	}
	next := slices.Concat(header(1, int64(len(whole))), appendRecord(nil, true, 0, room.RoomHistory, mustLine(t, said(2, "bob"))))
	for name, c := range map[string]struct {
		text, next       []byte
		waiting, damaged int
		want             string
	}{
		"well":       {whole, nil, 3, 0, ""},
		"torn":       {whole[:len(whole)-5], nil, 0, 0, fmt.Sprintf("journal/000001.log: byte %d: torn end, which was never acknowledged", len(lines[0]))},
		"in between": {flip(len(lines[0]) + 20), nil, 0, 1, fmt.Sprintf("journal/000001.log: byte %d: a damaged line, and 2 lines after it", len(lines[0]))},
		"header":     {flip(20), nil, 0, 1, "journal/000001.log: byte 0: a damaged line, and 3 lines after it"},
		"sealed":     {flip(len(lines[0]) + 20), next, 3, 1, fmt.Sprintf("journal/000001.log: byte %d: a damaged line (", len(lines[0]))},
		"cut":        {slices.Concat(lines[0], lines[1]), next, 2, 1, "cut off, says the next journal"},
		"missing":    {nil, next, 1, 0, ""},
	} {
		writeAll(t, journal, c.text)
		if c.text == nil {
			_ = os.Remove(journal)
		}
		_ = os.Remove(killed + "/journal/000002.log")
		if c.next != nil {
			writeAll(t, killed+"/journal/000002.log", c.next)
		}
		sum, text := checkDir(t, killed)
		if sum.Waiting != c.waiting || sum.Damaged != c.damaged || !strings.Contains(text, c.want) || c.want == "" && text != "" {
			t.Errorf("%s: want %q, %d waiting and %d damaged in %+v\n%s", name, c.want, c.waiting, c.damaged, sum, text)
		}
	}
}

// withCarol is a folder with a history of carol.
func withCarol(content []byte) *memFS {
	fs := newMemFS()
	users := fs.node(true)
	carol := fs.node(false)
	carol.data, carol.disk = slices.Clone(content), slices.Clone(content)
	users.names["carol.jsonl"], users.diskNames["carol.jsonl"] = carol, carol
	fs.root.names["users"], fs.root.diskNames["users"] = users, users
	return fs
}
