package history

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// fileIn returns what a file of a folder has, "users", "bob.jsonl", or nil where there is none.
func fileIn(fs *disktest.FS, folder, name string) []byte {
	in, err := fs.Folder().Sub(folder)
	if err != nil {
		return nil
	}
	f, err := in.Open(name, false)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	st, _ := f.Stat()
	b := make([]byte, st.Size)
	_, _ = f.ReadAt(b, 0)
	return b
}

// setFile changes what a file has, as somebody does who writes to it, and makes it durable.
func setFile(fs *disktest.FS, folder, name string, content []byte) {
	in, _ := fs.Folder().Sub(folder)
	f, err := in.Open(name, true)
	if err != nil {
		panic(err)
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt(content, 0)
	_ = f.Sync()
	_ = f.Close()
	_ = in.Sync()
}

// openIn opens a store in memory, and has its entries come back.
func openIn(t testing.TB, fs *disktest.FS, opts Options) *Store {
	t.Helper()
	s, err := open(fs.Folder(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return follow(s)
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// makeCarols makes a small history of carol, and returns her file and her messages.
func makeCarols(t *testing.T) ([]byte, []*room.Message) {
	t.Helper()
	fs := disktest.New()
	s := openIn(t, fs, Options{})
	var all []*room.Message
	for n := range 5 {
		all = append(all, direct(n, "~guest", "carol"))
		mustPut(t, s, event(all[n]))
		if n == 2 {
			mustPut(t, s, read("carol", all[0].ID))
		}
	}
	mustClose(t, s)
	return fileIn(fs, "users", "carol.jsonl"), all
}

// openDamaged opens a folder whose file of carol is content and returns her
// messages, and how much damage was found. Appending still works.
func openDamaged(t *testing.T, content []byte) ([]*room.Message, uint64) {
	t.Helper()
	fs := disktest.New()
	setFile(fs, "users", "carol.jsonl", content)
	s := openIn(t, fs, Options{})
	defer func() { _ = s.Close() }()
	got := tail(t, s, "carol", 100)
	_ = unreadOf(t, s, "carol")
	damaged := s.Stats().Damaged
	extra := direct(99, "~guest", "carol")
	mustPut(t, s, event(extra))
	same(t, "after an append", tail(t, s, "carol", 100), append(slices.Clone(got), extra))
	if newest := unreadOf(t, s, "carol"); len(newest) == 0 || newest[len(newest)-1].ID != extra.ID {
		t.Fatal("the message appended after damage is not unread")
	}
	return got, damaged
}

// lost returns how many of want are not in got, and fails when got has anything
// else.
func lost(t *testing.T, what string, got, want []*room.Message) int {
	t.Helper()
	var left []*room.Message
	for _, m := range want {
		if slices.Contains(ids(got), m.ID) {
			left = append(left, m)
		}
	}
	same(t, what, got, left)
	return len(want) - len(left)
}

func TestEveryFlippedByte(t *testing.T) {
	t.Parallel()
	content, all := makeCarols(t)
	for i := 0; i < len(content); i += byteStride(len(content)) {
		for _, bits := range []byte{1 << (i % 8), content[i] ^ '\n'} {
			if bits == 0 {
				continue
			}
			b := slices.Clone(content)
			b[i] ^= bits
			got, damaged := openDamaged(t, b)
			if n := lost(t, fmt.Sprintf("byte %d ^ %x", i, bits), got, all); n > 1 {
				t.Fatalf("byte %d ^ %x: %d records are lost", i, bits, n)
			}
			if damaged == 0 && i != len(content)-1 {
				t.Fatalf("byte %d ^ %x: not noticed", i, bits)
			}
		}
	}
}

func TestEveryMissingByte(t *testing.T) {
	t.Parallel()
	content, all := makeCarols(t)
	for i := 0; i < len(content); i += byteStride(len(content)) {
		got, damaged := openDamaged(t, slices.Delete(slices.Clone(content), i, i+1))
		if n := lost(t, fmt.Sprint("without byte ", i), got, all); n > 1 {
			t.Fatalf("without byte %d: %d records are lost", i, n)
		}
		if damaged == 0 && i != len(content)-1 {
			t.Fatalf("without byte %d: not noticed", i)
		}
	}
}

func TestEveryPrefix(t *testing.T) {
	t.Parallel()
	content, all := makeCarols(t)
	for i := 0; i < len(content); i += byteStride(len(content)) {
		got, _ := openDamaged(t, content[:i])
		whole := 0
		for l := range bytes.SplitSeq(content[:i], []byte("\n")) {
			if found, ok := record.Parse(jsonl.Line{Data: l}); ok && found[0].Message != nil {
				whole++
			}
		}
		same(t, fmt.Sprint("prefix of ", i), got, all[:whole])
	}
}

func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	content, all := makeCarols(t)
	writeAll(t, userFile(dir, "carol"), content[:len(content)-10])
	writeAll(t, dir+"/rooms/lobby.jsonl", []byte("torn"))
	l, log := newLog()
	s := mustOpen(t, dir, Options{Log: log})
	if !strings.Contains(l.String(), "file=rooms/lobby.jsonl byte=0 bytes=4") {
		t.Errorf("the shared file was not mended at once: %s", l)
	}
	same(t, "carol", tail(t, s, "carol", 10), all[:4])
	start := bytes.LastIndexByte(content[:len(content)-1], '\n') + 1
	if want := fmt.Sprintf("file=users/carol.jsonl byte=%d bytes=%d", start, len(content)-10-start); !strings.Contains(l.String(), want) {
		t.Errorf("want %q in the log: %s", want, l)
	}
	if got := readAll(t, userFile(dir, "carol")+".torn"); string(got) != string(content[start:len(content)-10])+"\n" {
		t.Errorf("set aside: %q", got)
	}
	if got := string(readAll(t, dir+"/rooms/lobby.jsonl.torn")); got != "torn\n" {
		t.Errorf("set aside: %q", got)
	}
	if !bytes.Equal(readAll(t, userFile(dir, "carol")), content[:start]) {
		t.Error("the file does not end with its last whole line")
	}
}

// TestLongJunk: no line is so long that it stops anything.
func TestLongJunk(t *testing.T) {
	content, all := makeCarols(t)
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	junk := bytes.Repeat([]byte("junk"), jsonl.MaxLine)
	got, damaged := openDamaged(t, slices.Concat(first, []byte("\n"), junk, []byte("\n"), rest))
	same(t, "with junk", got, all)
	if damaged != 1 {
		t.Errorf("%d damaged lines", damaged)
	}
	got, _ = openDamaged(t, slices.Concat(content, junk))
	same(t, "with junk at the end", got, all)
	got, _ = openDamaged(t, junk)
	same(t, "nothing but junk", got, nil)
	got, _ = openDamaged(t, slices.Concat(make([]byte, 1e6), []byte("\n"), content))
	same(t, "with a hole", got, all)
}

// TestDamageIsToldOnce: a history with much damage does not fill the server's log at each
// look.
func TestDamageIsToldOnce(t *testing.T) {
	fs := disktest.New()
	setFile(fs, "users", "carol.jsonl", bytes.Repeat([]byte("junk\n"), 5000))
	l, log := newLog()
	s := openIn(t, fs, Options{Log: log})
	defer func() { _ = s.Close() }()
	for range 3 {
		_ = tail(t, s, "carol", 10)
	}
	if n := strings.Count(l.String(), "damaged line"); n != maxTold || s.Stats().Damaged != maxTold {
		t.Errorf("%d lines tell of it, %d are counted", n, s.Stats().Damaged)
	}
}

// TestFolderRemoved: nothing is acknowledged that is written to files without
// names.
func TestFolderRemoved(t *testing.T) {
	dir := t.TempDir() + "/history"
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	follow(s)
	mustPut(t, s, event(direct(1, "bob", "carol")))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	wantStorage(t, put(s, event(direct(2, "bob", "carol"))))
	wantStorage(t, put(s, event(direct(3, "eve", "dan"))))
	if s.Close() == nil {
		t.Error("it can be closed as if nothing were")
	}
}
