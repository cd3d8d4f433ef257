package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"whoelse/internal/disk"
	"whoelse/internal/disk/disktest"
	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// makeSmall makes a folder in which carol has got five messages, of which she has read the first,
// and returns her file and the messages.
func makeSmall(t testing.TB, dir string) (content []byte, all []*room.Message) {
	t.Helper()
	s := mustOpen(t, dir, Options{})
	for n := range 5 {
		all = append(all, direct(n, "bob", "carol"))
		mustPut(t, s, event(all[n]))
	}
	mustPut(t, s, read("carol", all[0].ID))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return readAll(t, userFile(dir, "carol")), all
}

// pointOfSmall is the checkpoint of that folder.
var pointOfSmall = checkpoint{Seq: 6, LastID: "mark-999999999"}

// withCarol is a folder with a history of carol, and a checkpoint.
func withCarol(t testing.TB, content []byte, point checkpoint) *disktest.FS {
	t.Helper()
	m := disktest.New()
	root := m.Folder()
	users, err := root.Sub("users")
	if err := errors.Join(err, disk.WriteFile(root, versionFile, []byte("3\n")), saveCheckpoint(root, point), disk.WriteFile(users, "carol.jsonl", content)); err != nil {
		t.Fatal(err)
	}
	return m
}

// contentOf is what is in a file of a folder in memory, nil without one.
func contentOf(t testing.TB, m *disktest.FS, dir, name string) []byte {
	t.Helper()
	in := m.Folder()
	if dir != "" {
		var err error
		if in, err = in.Sub(dir); err != nil {
			t.Fatal(err)
		}
	}
	b, err := disk.ReadFile(in, name, 1<<30)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

// checkIn checks a folder in memory and returns what was reported.
func checkIn(t testing.TB, m *disktest.FS) (Summary, []Problem) {
	t.Helper()
	var list []Problem
	c := newChecker(t.Context(), m.Folder(), Checking{Tell: func(f Problem) { list = append(list, f) }})
	if err := c.all(); err != nil {
		t.Fatal(err)
	}
	return c.sum, list
}

// checkDir checks a real folder, and sees that it stays as it was.
func checkDir(t testing.TB, dir string) (Summary, string) {
	t.Helper()
	before := everything(t, dir)
	var text strings.Builder
	sum, err := Check(t.Context(), dir, Checking{Tell: func(f Problem) { fmt.Fprintln(&text, f) }})
	if err != nil {
		t.Fatal(err)
	}
	if after := everything(t, dir); after != before {
		t.Errorf("checking changed the folder from\n%s to\n%s", before, after)
	}
	return sum, text.String()
}

// everything is all names in a folder, and what is in the files.
func everything(t testing.TB, dir string) string {
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

func wantLines(t testing.TB, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(text, l) {
			t.Errorf("want %q in\n%s", l, text)
		}
	}
}

// copyOf is a folder as a crash would leave it.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	for try := 1; ; try++ {
		to := filepath.Join(t.TempDir(), "killed")
		err := os.CopyFS(to, os.DirFS(dir))
		if errors.Is(err, fs.ErrNotExist) && try < 100 {
			continue // a checkpoint was made meanwhile
		}
		if err = errors.Join(err, os.Remove(to+"/lock")); err != nil {
			t.Fatal(err)
		}
		return to
	}
}

func TestCheckOfWhatIsWell(t *testing.T) {
	dir := t.TempDir()
	makeSmall(t, dir)
	sum, text := checkDir(t, dir)
	if text != "" || sum.Damaged+sum.Trouble != 0 || sum.Files != 3 || sum.Records != 11 || sum.LastID != "id-000000004" {
		t.Errorf("%+v\n%s", sum, text)
	}
	if _, err := Check(t.Context(), dir+"/nothing", Checking{}); !os.IsNotExist(err) {
		t.Errorf("without a folder: %v", err)
	}
	for _, version := range []string{"99", "2"} {
		writeAll(t, dir+"/version", []byte(version+"\n"))
		if _, err := Check(t.Context(), dir, Checking{}); err == nil || !strings.Contains(err.Error(), "version "+version) {
			t.Errorf("version %s: %v", version, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	writeAll(t, dir+"/version", []byte("3\n"))
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
		"flipped":   {slices.Concat(first, flipped, second), len(first), "damaged ("},
		"by hand":   {slices.Concat(first, []byte(`{"text":"hi, this is longer than a checksum"}`+"\n"), second), len(first), "damaged ("},
		"words":     {slices.Concat([]byte("something else\n"), second), 0, "damaged ("},
		"no member": {append(jsonl.Seal([]byte(`{"text":"x"`), 0), second...), 0, "damaged ("},
		"empty":     {slices.Concat(first, []byte("\n"), second), len(first), "damaged (1 byte)"},
		"zeros":     {slices.Concat(first, make([]byte, 300_000), []byte("\n"), second), len(first), "damaged (300001 bytes)"},
		"no line":   {slices.Concat(first, make([]byte, 100)), len(first), "torn end (100 bytes)"},
		"torn":      {slices.Concat(first, second[:20]), len(first), "torn end (20 bytes)"},
		"cut":       {slices.Concat(first, second[:len(second)-1]), len(first), "the last line lacks its newline"},
		"joined":    {slices.Concat(first[:len(first)-1], second), 0, "a newline was lost, both records found"},
		"long":      {slices.Concat(bytes.Repeat([]byte("x"), 2*jsonl.MaxLine), []byte("\n"), second), 0, "damaged ("},
		"partly":    {slices.Concat(flipped[:len(first)-1], []byte("x"), second), 0, "damaged beside a record; whole records found in it: 1"},
		"order":     {slices.Concat(second, first, second), len(second), "out of order"},
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
		func() error { return os.Link(userFile(dir, "bob"), userFile(dir, "bob")+".old") },
		func() error { return os.Mkdir(dir+"/rooms/lobby.jsonl", 0o700) },
		func() error { return os.Mkdir(dir+"/backup.lock.d", 0o700) },
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
	wantLines(t, text, "users/folder.jsonl: is not a file", "users/pipe.jsonl: is not a file", "users/link.jsonl: is not a file",
		"rooms/lobby.jsonl: is not a file", "users/bob.jsonl: has another name", "users/Bob.jsonl: not a file of whoelse",
		`users/x\u001b[2J.old: not a file`, "users/carol.jsonl.tmp: left over", "users/carol.jsonl.torn: set aside earlier: 4 bytes")
	if sum.Trouble != 5 || sum.Damaged != 0 || sum.Aside != 4 {
		t.Errorf("%+v\n%s", sum, text)
	}
}

// TestCheckBesideAServer: what is at the end of a file may be in the middle of being
// written.
func TestCheckBesideAServer(t *testing.T) {
	dir := t.TempDir()
	makeSmall(t, dir)
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, event(direct(10, "ann", "bob")))
	segment := dir + "/log/00000000000000000007.jsonl"
	carol, events := readAll(t, userFile(dir, "carol")), readAll(t, segment)
	writeAll(t, userFile(dir, "carol"), carol[:len(carol)-10])
	writeAll(t, segment, events[:len(events)-10])
	sum, text := checkDir(t, dir)
	wantLines(t, text, "users/carol.jsonl: byte 720: being written")
	if sum.Damaged+sum.Trouble != 0 || sum.Waiting != 0 || strings.Count(text, "\n") != 1 {
		t.Errorf("%+v\n%s", sum, text)
	}
	writeAll(t, segment, events)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sum, text = checkDir(t, dir)
	wantLines(t, text, "users/carol.jsonl: byte 720: torn end")
	if sum.Damaged != 1 {
		t.Errorf("%+v", sum)
	}
}

// TestCheckOfTheLog: events that the histories may lack are counted; the end of the last
// segment may be torn; what is missing is reported.
func TestCheckOfTheLog(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	backup, err := HoldSegments(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer backup.Close()
	mustPut(t, s, event(direct(1, "bob", "carol")), event(direct(2, "bob", "carol")))
	s = reopen(t, s, dir) // begins another segment
	mustPut(t, s, event(direct(3, "bob", "carol")), event(direct(4, "bob", "carol")), event(direct(5, "bob", "carol")))
	killed := copyOf(t, dir)
	_ = os.Remove(killed + "/checkpoint.json.tmp")
	one, two := killed+"/log/00000000000000000001.jsonl", killed+"/log/00000000000000000003.jsonl"
	first, second := readAll(t, one), readAll(t, two)
	lines := bytes.SplitAfter(second, []byte("\n"))
	flipped := slices.Clone(second)
	flipped[len(lines[0])+20] ^= 1
	point := func(seq int) string { return string(jsonl.Seal(fmt.Appendf(nil, `{"seq":%d`, seq), 0)) }
	for name, c := range map[string]struct {
		one, two         []byte
		point            string
		waiting, damaged int
		want             string
	}{
		"well":         {first, second, "", 5, 0, ""},
		"with a point": {first, second, point(4), 1, 0, ""},
		"torn":         {first, second[:len(second)-5], "", 4, 0, fmt.Sprintf("log/%s: byte %d: torn end", filepath.Base(two), len(lines[0])+len(lines[1]))},
		"in between":   {first, flipped, "", 4, 1, fmt.Sprintf("log/%s: byte %d: damaged", filepath.Base(two), len(lines[0]))},
		"a line":       {first, slices.Concat(lines[0], lines[2]), "", 4, 1, "log: the events 4 to 4 are missing"},
		"a segment":    {nil, second, "", 3, 1, "log: the events 1 to 2 are missing"},
		"not needed":   {nil, second, point(2), 3, 0, ""},
		"too far":      {first, second, point(9), 0, 1, "checkpoint.json: comes to 9, and the log only to 5"},
		"bad point":    {first, second, "{", 5, 1, "checkpoint.json: byte 0: can't be understood (1 byte)"},
	} {
		for path, text := range map[string][]byte{one: c.one, two: c.two, killed + "/checkpoint.json": []byte(c.point)} {
			_ = os.Remove(path)
			if len(text) > 0 {
				writeAll(t, path, text)
			}
		}
		sum, text := checkDir(t, killed)
		if sum.Waiting != c.waiting || sum.Damaged != c.damaged || !strings.Contains(text, c.want) || c.want == "" && text != "" {
			t.Errorf("%s: want %q, %d waiting and %d damaged in %+v\n%s", name, c.want, c.waiting, c.damaged, sum, text)
		}
	}
}

// TestCheckOfAnotherFoldersHistory: lines with numbers that the log has not given yet would keep
// what is sent from then on out.
func TestCheckOfAnotherFoldersHistory(t *testing.T) {
	content, all := makeSmall(t, t.TempDir())
	line, err := record.AppendMessage(nil, 1000, direct(99, "bob", "carol"))
	if err != nil {
		t.Fatal(err)
	}
	m := withCarol(t, append(content, line...), pointOfSmall)
	sum, list := checkIn(t, m)
	if sum.Damaged != 1 || !strings.Contains(fmt.Sprint(list), "has the number 1000, and the log comes only to 6") {
		t.Errorf("%+v %v", sum, list)
	}
	s, err := open(m.Folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Waiting("carol"); !errors.Is(err, errAhead) { // what was sent now would be lost
		t.Errorf("it is used: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustRepair(t, m)
	if s, err = open(m.Folder(), Options{}); err != nil {
		t.Fatal(err)
	}
	follow(s)
	mustPut(t, s, event(direct(100, "bob", "carol")))
	want := append(ids(all[1:]), "id-000000099", "id-000000100")
	sameIDs(t, "unread", unreadOf(t, s, "carol"), want...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCheckAndLookBesideABusyServer: whatever is being written at that moment, nothing
// is damaged, and everything that was acknowledged is there.
func TestCheckAndLookBesideABusyServer(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{SegmentBytes: 5000, Owners: 4})
	stop := make(chan struct{})
	var mu sync.Mutex
	acked := 0
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := put(s, event(direct(n*1_000_000+i, fmt.Sprint("n", n), "carol", fmt.Sprint("n", (n+i)%8)))); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked++
				mu.Unlock()
			}
		})
	}
	for range 30 {
		mu.Lock()
		want := acked
		mu.Unlock()
		if got := countLook(t, dir); got < want {
			t.Errorf("a look shows %d messages, %d were acknowledged", got, want)
		}
		_, err := Check(t.Context(), dir, Checking{Tell: func(f Problem) {
			if f.Severity != Remark {
				t.Errorf("beside a busy server: %v", f)
			}
		}})
		if err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

func countLook(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	l, err := OpenLook(dir, "carol")
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	err = l.Each(0, isMessage, func(f Problem) { t.Errorf("a look: %v", f) }, func(Line) error { n++; return nil })
	if err := errors.Join(err, l.Close()); err != nil {
		t.Error(err)
	}
	return n
}
