package migrate

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"whoelse/internal/disk"
	"whoelse/internal/disk/disktest"
	"whoelse/room"
	"whoelse/room/internal/jsonl"
)

// The folder in testdata is one of layout 2 that a server left when it was killed, with
// shortened histories and a journal. The ledger is what that version said about it.

// known is what is known of one history.
type known struct {
	IDs    []string `json:"ids"`
	Unread []string `json:"unread"`
	Lines  int      `json:"lines"`
	SHA256 string   `json:"sha256"` // of the lines without checksums
}

func ledger(t *testing.T) map[string]known {
	t.Helper()
	text, err := os.ReadFile("testdata/v2.json")
	var l map[string]known
	if err := errors.Join(err, json.Unmarshal(text, &l)); err != nil {
		t.Fatal(err)
	}
	return l
}

// folder is the files of one, by path.
type folder map[string][]byte

func killed(t *testing.T) folder {
	t.Helper()
	f, err := os.Open("testdata/v2.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := folder{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if files[path.Clean(h.Name)], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// inMemory puts files into a folder called history.
func (files folder) inMemory(t *testing.T) *disktest.FS {
	t.Helper()
	m := disktest.New()
	for _, name := range slices.Sorted(maps.Keys(files)) { // .tmp, which writing uses, after the file itself
		in := m.Folder()
		for _, dir := range strings.Split(path.Join("history", path.Dir(name)), "/") {
			var err error
			if in, err = in.Sub(dir); err != nil {
				t.Fatal(err)
			}
		}
		if err := disk.WriteFile(in, path.Base(name), files[name]); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// read returns the files in the folder called name.
func read(t *testing.T, m *disktest.FS, name string) folder {
	t.Helper()
	files := folder{}
	var walk func(in disk.Folder, at string)
	walk = func(in disk.Folder, at string) {
		names, err := in.Names()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			text, err := disk.ReadFile(in, n, 1<<30)
			if err == nil {
				files[path.Join(at, n)] = text
				continue
			}
			sub, err := in.Sub(n)
			if err != nil {
				t.Fatal(err)
			}
			walk(sub, path.Join(at, n))
		}
	}
	if _, err := m.Folder().Lstat(name); err != nil {
		t.Fatalf("there is no %s: %v", name, err)
	}
	in, err := m.Folder().Sub(name)
	if err != nil {
		t.Fatal(err)
	}
	walk(in, "")
	return files
}

// describe reads histories of the new layout as the documents say.
func describe(t *testing.T, files folder) map[string]known {
	t.Helper()
	all := map[string]known{}
	var greatest uint64
	for name, text := range files {
		owner := strings.TrimSuffix(path.Base(name), ".jsonl")
		switch {
		case !strings.HasSuffix(name, ".jsonl"):
			continue
		case name == "rooms/lobby.jsonl":
			owner = "#room"
		case name == "presence.jsonl":
			owner = "#presence"
		case strings.HasPrefix(name, "users/.retired"):
			owner, _, _ = strings.Cut(owner, "-")
		}
		k, last := describeOne(t, owner, text)
		all[owner] = k
		greatest = max(greatest, last)
	}
	var point struct {
		Seq    uint64
		LastID string `json:"last_id"`
	}
	if err := json.Unmarshal(files["checkpoint.json"], &point); err != nil {
		t.Fatal(err)
	}
	lastID := ""
	for _, k := range all {
		lastID = max(lastID, slices.Max(append(k.IDs, "")))
	}
	if point.Seq != greatest || point.LastID < lastID || string(files["version"]) != "3\n" {
		t.Errorf("the checkpoint is %+v, of %d and %s; the version %q", point, greatest, lastID, files["version"])
	}
	return all
}

func describeOne(t *testing.T, owner string, text []byte) (k known, last uint64) {
	t.Helper()
	sum := sha256.New()
	unread := map[uint64]string{}
	for data := range bytes.Lines(text) {
		data = bytes.TrimSuffix(data, []byte("\n"))
		var l struct {
			line
			Seq  uint64
			From string
			To   []string
		}
		if err := json.Unmarshal(data, &l); err != nil || !jsonl.Sealed(data) || l.Seq == 0 || l.Seq < last {
			t.Fatalf("%s: after line %d: %q: %v", owner, last, data, err)
		}
		last = l.Seq
		if l.Kind == "state" {
			t.Errorf("%s: %s", owner, data)
		}
		k.Lines++
		body := data[:len(data)-jsonl.Trailer]
		fmt.Fprintf(sum, "{%s\n", bytes.TrimPrefix(body, fmt.Appendf(nil, `{"seq":%d,`, l.Seq)))
		for _, id := range l.IDs {
			maps.DeleteFunc(unread, func(_ uint64, is string) bool { return is == id })
		}
		if l.ID != "" {
			k.IDs = append(k.IDs, l.ID)
			if l.From != owner && slices.Contains(l.To, owner) {
				unread[l.Seq] = l.ID
			}
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(unread)) {
		k.Unread = append(k.Unread, unread[seq])
	}
	k.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return k, last
}

// same compares with the ledger.
func same(t *testing.T, got, want map[string]known) {
	t.Helper()
	for owner := range maps.Keys(want) {
		g, w := got[owner], want[owner]
		if !slices.Equal(g.IDs, w.IDs) {
			t.Errorf("%s: %d messages, want %d", owner, len(g.IDs), len(w.IDs))
		}
		if !slices.Equal(g.Unread, w.Unread) {
			t.Errorf("%s: unread are %v, want %v", owner, g.Unread, w.Unread)
		}
		if g.Lines != w.Lines || g.SHA256 != w.SHA256 {
			t.Errorf("%s: %d lines, want %d; or they differ", owner, g.Lines, w.Lines)
		}
	}
	if len(got) != len(want) {
		t.Errorf("histories of %v", slices.Sorted(maps.Keys(got)))
	}
}

var quiet = slog.New(slog.DiscardHandler)

func mustMigrate(t *testing.T, m *disktest.FS) folder {
	t.Helper()
	must(t, fromVersion2(m.Folder(), "history", quiet))
	return read(t, m, "history")
}

// TestFromVersion2: every message, read mark and what is unread are there; the old folder
// is as it was; doing it again changes nothing.
func TestFromVersion2(t *testing.T) {
	old := killed(t)
	if len(old["journal/000001.log"]) == 0 || !bytes.Contains(old["users/bob.jsonl"], []byte(`"kind":"trim"`)) {
		t.Fatal("the test data have no journal, or no shortened history")
	}
	dir := filepath.Join(t.TempDir(), "history")
	for name, text := range old {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		must(t, FromVersion2(dir, quiet))
		same(t, describe(t, onDisk(t, dir)), ledger(t))
	}
	kept := onDisk(t, dir+OldEnd)
	if !maps.EqualFunc(kept, old, bytes.Equal) {
		t.Error("the old folder has changed")
	}
	if _, err := os.Lstat(dir + NewEnd); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func onDisk(t *testing.T, dir string) folder {
	t.Helper()
	files := folder{}
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, at)
		files[filepath.ToSlash(rel)], err = os.ReadFile(at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// small is the folder of the tests that go over each operation: it has everything, and
// little of it.
func small(t *testing.T) folder {
	t.Helper()
	f := folder{
		"version": []byte("2\n"), "lock": nil, "backup.lock": nil,
		"state.json":            jsonl.Seal([]byte(`{"last":"00000000020"`), 0),
		"room.jsonl":            message(1, "room", "bob"),
		"presence.jsonl":        message(2, "join", "bob"),
		"presence.jsonl.torn":   []byte("what was torn\n"),
		"users/bob.jsonl":       slices.Concat(message(3, "direct", "bob", "carol"), message(4, "direct", "carol", "bob")),
		"users/bob.jsonl.torn":  []byte("what was torn before\n"),
		"users/carol.jsonl":     slices.Concat(message(3, "direct", "bob", "carol"), mark(3)),
		"users/carol.jsonl.tmp": []byte("a left over"),
		"users/notes.txt":       []byte("not ours"),
		"users/.retired/dave-20260102T030405Z.jsonl":      slices.Concat(message(5, "direct", "bob", "dave"), message(6, "direct", "bob", "dave"), mark(5)),
		"users/.retired/dave-20260102T030405Z.jsonl.torn": []byte("dave's\n"),
	}
	f["users/bob.jsonl"] = append(f["users/bob.jsonl"], `{"id":"torn`...)
	size := int64(len(f["users/carol.jsonl"]))
	f["journal/000003.log"] = slices.Concat(
		entry('.', 0, "carol", message(3, "direct", "bob", "carol")), // is there
		entry('+', size, "carol", message(7, "group", "bob", "carol", "erin")),
		entry('.', 0, "erin", message(7, "group", "bob", "carol", "erin")),
		entry('.', 300, "carol", message(8, "direct", "bob", "carol"))) // what was refused
	end := len(f["journal/000003.log"]) - len(entry('.', 300, "carol", message(8, "direct", "bob", "carol")))
	f["journal/000004.log"] = slices.Concat(sealedLine(fmt.Sprintf("journal 1 after 3 %d", end)),
		entry('.', size+int64(len(message(7, "group", "bob", "carol", "erin"))), "carol", message(9, "direct", "bob", "carol")),
		entry('+', 1000, "carol", message(10, "direct", "bob", "carol"))) // half a unit
	return f
}

func message(n int, kind, from string, to ...string) []byte {
	b := fmt.Appendf(nil, `{"id":"%011d","time":"2026-11-25T19:12:58.%03dZ","kind":%q,"from":%q`, n, n, kind, from)
	if len(to) > 0 {
		b = jsonl.AppendStrings(append(b, `,"to":`...), to)
	}
	return jsonl.Seal(append(b, `,"text":"hi"`...), 0)
}

func mark(n int) []byte {
	return jsonl.Seal(fmt.Appendf(nil, `{"time":"2026-11-25T19:12:59.000Z","kind":"read","ids":["%011d"]`, n), 0)
}

func entry(flag byte, off int64, owner string, data []byte) []byte {
	return sealedLine(fmt.Sprintf("%c %d %s %s", flag, off, owner, bytes.TrimSuffix(data, []byte("\n"))))
}

func sealedLine(rest string) []byte {
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum([]byte(rest), castagnoli), rest)
}

// TestOfEverything: what the journals have goes where it belongs, up to the last whole
// unit; what is torn, now or before, stays in the old folder.
func TestOfEverything(t *testing.T) {
	files := mustMigrate(t, small(t).inMemory(t))
	got := describe(t, files)
	for owner, want := range map[string][2][]int{
		"bob": {{3, 4}, {4}}, "carol": {{3, 7, 9}, {7, 9}}, "erin": {{7}, {7}}, "#room": {{1}, nil}, "#presence": {{2}, nil},
	} {
		for i, is := range [][]string{got[owner].IDs, got[owner].Unread} {
			var ids []string
			for _, n := range want[i] {
				ids = append(ids, fmt.Sprintf("%011d", n))
			}
			if !slices.Equal(is, ids) {
				t.Errorf("%s: %v, want %v", owner, is, ids)
			}
		}
	}
	if !bytes.Contains(files["checkpoint.json"], []byte("00000000020")) {
		t.Errorf("%s", files["checkpoint.json"])
	}
	if r := files["users/.retired/dave-20260102T030405Z.jsonl"]; !bytes.Contains(r, []byte(`{"seq":2,`)) {
		t.Errorf("what was retired: %s", r)
	}
	for _, name := range []string{"users/carol.jsonl.tmp", "users/bob.jsonl.torn", "users/notes.txt", "journal/000004.log"} {
		if _, is := files[name]; is {
			t.Errorf("%s was taken over", name)
		}
	}
}

// TestLinesThatTheFilesLack: a file may lack any line that the journal has, as after a
// power cut, and has it where it belongs.
func TestLinesThatTheFilesLack(t *testing.T) {
	want := ledger(t)
	for round := range 20 {
		rng := rand.New(rand.NewPCG(uint64(round), 1))
		files := killed(t)
		inJournal := map[string]bool{}
		for l := range bytes.Lines(files["journal/000001.log"]) {
			if p, _, ok := journalLine(bytes.TrimSuffix(l, []byte("\n"))); ok {
				inJournal[string(p.data)+"\n"] = true
			}
		}
		lost := 0
		for _, name := range []string{"users/bob.jsonl", "users/gina.jsonl", "users/dave.jsonl", "room.jsonl"} {
			var left []byte
			for l := range bytes.Lines(files[name]) {
				if rng.IntN(10) == 0 && inJournal[string(l)] {
					lost++
					l = bytes.Repeat([]byte{0}, len(l)) // a block that was not written
				}
				left = append(left, l...)
			}
			files[name] = left
		}
		if lost == 0 {
			t.Fatal("nothing was lost")
		}
		same(t, describe(t, mustMigrate(t, files.inMemory(t))), want)
	}
}

// TestEveryCrash: the process or the power ends at any operation; the next call completes
// it, and so does the one after a second crash.
func TestEveryCrash(t *testing.T) {
	old := small(t)
	m := old.inMemory(t)
	want := mustMigrate(t, m)
	before := old.inMemory(t).Steps()
	steps := m.Steps() - before
	if steps < 100 {
		t.Fatal(steps)
	}
	for i := range 8 * steps {
		n, rng := i%steps+1, rand.New(rand.NewPCG(uint64(i), 2))
		m := old.inMemory(t)
		for range 2 {
			start := m.Steps()
			m.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step-start == n} })
			_ = fromVersion2(m.Folder(), "history", quiet)
			m.Fail(nil)
			m = m.Crash(rng)
		}
		if err := fromVersion2(m.Folder(), "history", quiet); err != nil {
			t.Fatalf("after step %d: %v", n, err)
		}
		m = m.Crash(rng)
		if got := read(t, m, "history"); !maps.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("after step %d: %v", n, slices.Sorted(maps.Keys(got)))
		}
		if got := read(t, m, "history"+OldEnd); !maps.EqualFunc(got, old, bytes.Equal) {
			t.Fatalf("after step %d: of the old ones there are %v", n, slices.Sorted(maps.Keys(got)))
		}
	}
}

// TestEveryFailure: any operation fails; the old folder stays, or the new one is there,
// and the next call succeeds.
func TestEveryFailure(t *testing.T) {
	old := small(t)
	want := mustMigrate(t, old.inMemory(t))
	failed := 0
	for n := 1; ; n++ {
		m := old.inMemory(t)
		start := m.Steps()
		m.Fail(func(step int, _ string) disktest.Fault {
			if step-start == n {
				return disktest.Fault{Err: errors.New("trouble"), Part: n%2 == 0, Takes: n%3 == 0}
			}
			return disktest.Fault{}
		})
		err := fromVersion2(m.Folder(), "history", quiet)
		over := m.Steps()-start < n
		m.Fail(nil)
		if err != nil {
			failed++
		} else if got := read(t, m, "history"); !maps.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("step %d failed unnoticed: %v", n, slices.Sorted(maps.Keys(got)))
		}
		if over {
			break
		}
		if err := fromVersion2(m.Folder(), "history", quiet); err != nil {
			t.Fatalf("after step %d: %v", n, err)
		}
		if got := read(t, m, "history"); !maps.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("after step %d: %v", n, slices.Sorted(maps.Keys(got)))
		}
		if now, _ := m.Open(); now != 0 {
			t.Fatalf("after step %d: %d files are open", n, now)
		}
	}
	if failed < 80 {
		t.Error(failed)
	}
}

// TestLeavesOthersAlone: what is no old folder is not touched.
func TestLeavesOthersAlone(t *testing.T) {
	for name, files := range map[string]folder{
		"new":     {"version": []byte("3\n"), "users/bob.jsonl": nil},
		"newer":   {"version": []byte("4\n"), "room.jsonl": nil},
		"older":   {"version": []byte("1\n"), "room.jsonl": nil},
		"unknown": {"version": []byte("x\n"), "journal/000001.log": nil},
		"empty":   {"lock": nil},
	} {
		m := files.inMemory(t)
		if err := fromVersion2(m.Folder(), "history", quiet); err != nil {
			t.Error(name, err)
		}
		if got := read(t, m, "history"); !maps.EqualFunc(got, files, bytes.Equal) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if err := fromVersion2(disktest.New().Folder(), "history", quiet); err != nil {
		t.Error(err)
	}
}

// TestRefuses: a folder in use, and one whose copy is in the way.
func TestRefuses(t *testing.T) {
	m := small(t).inMemory(t)
	in, _ := m.Folder().Sub("history")
	for name, want := range map[string]error{"lock": disk.ErrInUse, "backup.lock": room.ErrBackup} {
		lock, err := in.Lock(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := fromVersion2(m.Folder(), "history", quiet); !errors.Is(err, want) {
			t.Error(name, err)
		}
		_ = lock.Close()
	}
	mounted := false
	m.Watch(func(op, name string) { mounted = op == "rename" && name == "history" })
	m.Fail(func(int, string) (f disktest.Fault) {
		if mounted {
			f.Err = syscall.EBUSY
		}
		return f
	})
	if err := fromVersion2(m.Folder(), "history", quiet); err == nil || !strings.Contains(err.Error(), "is mounted") {
		t.Error(err)
	}
	m.Fail(nil)
	if _, err := m.Folder().Sub("history" + OldEnd); err != nil {
		t.Fatal(err)
	}
	if err := fromVersion2(m.Folder(), "history", quiet); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Error(err)
	}
}

// TestThroughALink: the folder a link leads to is replaced, not the link.
func TestThroughALink(t *testing.T) {
	at := t.TempDir()
	elsewhere := filepath.Join(at, "elsewhere")
	link := filepath.Join(at, "history")
	must(t, errors.Join(os.Mkdir(elsewhere, 0o700), os.WriteFile(elsewhere+"/version", []byte("2\n"), 0o600), os.Symlink("elsewhere", link)))
	must(t, FromVersion2(link, quiet))
	must(t, os.Rename(elsewhere, elsewhere+NewEnd)) // as if it was interrupted
	for range 2 {
		must(t, FromVersion2(link, quiet))
		if text, err := os.ReadFile(filepath.Join(link, "version")); err != nil || string(text) != "3\n" {
			t.Error(string(text), err)
		}
	}
	for _, dir := range []string{elsewhere + OldEnd, link} {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			t.Error(dir, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
