package history

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"whoelse/room"
)

// makeSmall fills a folder with a small history of carol, closes it, and
// returns her file and her messages.
func makeSmall(t *testing.T, dir string) ([]byte, []*room.Message) {
	t.Helper()
	s := mustOpen(t, dir, Options{})
	var all []*room.Message
	for n := range 5 {
		all = append(all, direct(n, "bob", "carol"))
		mustPut(t, s, room.Record{Owner: "carol", Message: all[n]})
		if n == 2 {
			mustPut(t, s, read("carol", all[0].ID))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return readAll(t, userFile(dir, "carol")), all
}

// openDamaged opens a folder whose file of carol is content, and returns her
// messages, and how many lines are damaged. Appending still works.
func openDamaged(t *testing.T, content []byte) ([]*room.Message, int64) {
	t.Helper()
	fs := newMemFS()
	users := fs.node(true)
	carol := fs.node(false)
	carol.data, carol.disk = slices.Clone(content), slices.Clone(content)
	users.names["carol.jsonl"], users.diskNames["carol.jsonl"] = carol, carol
	fs.root.names["users"], fs.root.diskNames["users"] = users, users
	s, err := open(fs.folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	got := tail(t, s, "carol", 100)
	_ = unread(t, s, "carol")
	damaged := s.Damaged()
	extra := direct(99, "bob", "carol")
	mustPut(t, s, room.Record{Owner: "carol", Message: extra})
	same(t, "after an append", tail(t, s, "carol", 100), append(slices.Clone(got), extra))
	if newest := unread(t, s, "carol"); len(newest) == 0 || newest[len(newest)-1].ID != extra.ID {
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
	content, all := makeSmall(t, t.TempDir())
	for i := range content {
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
	content, all := makeSmall(t, t.TempDir())
	for i := range content {
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
	content, all := makeSmall(t, t.TempDir())
	for i := range content {
		got, _ := openDamaged(t, content[:i])
		whole := 0
		for _, l := range bytes.Split(content[:i], []byte("\n")) {
			if e, ok := decode(l); ok && e.msg != nil {
				whole++
			}
		}
		same(t, fmt.Sprint("prefix of ", i), got, all[:whole])
	}
}

func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	content, all := makeSmall(t, dir)
	writeAll(t, userFile(dir, "carol"), content[:len(content)-10])
	writeAll(t, dir+"/room.jsonl", []byte("torn"))
	l, log := newLog()
	s := mustOpen(t, dir, Options{Log: log})
	if !strings.Contains(l.String(), "file=room.jsonl offset=0 bytes=4") {
		t.Errorf("the shared file was not mended at once: %s", l)
	}
	same(t, "carol", tail(t, s, "carol", 10), all[:4])
	start := bytes.LastIndexByte(content[:len(content)-1], '\n') + 1
	if want := fmt.Sprintf("file=carol.jsonl offset=%d bytes=%d", start, len(content)-10-start); !strings.Contains(l.String(), want) {
		t.Errorf("want %q in the log: %s", want, l)
	}
	if got := readAll(t, userFile(dir, "carol")+".torn"); string(got) != string(content[start:len(content)-10])+"\n" {
		t.Errorf("set aside: %q", got)
	}
	if got := string(readAll(t, dir+"/room.jsonl.torn")); got != "torn\n" {
		t.Errorf("set aside: %q", got)
	}
	if !bytes.Equal(readAll(t, userFile(dir, "carol")), content[:start]) {
		t.Error("the file does not end with its last whole line")
	}
}

// TestLongJunk: no line is so long that it is held in memory or stops anything.
func TestLongJunk(t *testing.T) {
	content, all := makeSmall(t, t.TempDir())
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	junk := bytes.Repeat([]byte("junk"), maxLine)
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

// TestOddThings: what stands in the place of a file stops its owner only.
func TestOddThings(t *testing.T) {
	dir := t.TempDir()
	writeAll(t, dir+"/users/real.jsonl", nil)
	for nick, make := range map[string]func(string) error{
		"folder":  func(p string) error { return os.Mkdir(p, 0o700) },
		"pipe":    func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"link":    func(p string) error { return os.Symlink("real.jsonl", p) },
		"outside": func(p string) error { return os.Symlink("/etc/passwd", p) },
		"nowhere": func(p string) error { return os.Symlink("nothing", p) },
	} {
		if err := make(userFile(dir, nick)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir+"/room.jsonl", 0o700); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir, Options{})
	for _, owner := range []string{"folder", "pipe", "link", "outside", "nowhere", room.RoomHistory} {
		wantStorage(t, put(s, room.Record{Owner: "bob", Message: said(1, "bob")}, room.Record{Owner: owner, Message: said(1, "bob")}))
		_, err := room.Collect(s.Tail(owner, 1, nil))
		wantStorage(t, err)
		_, err = room.Collect(s.Unread(owner))
		wantStorage(t, err)
	}
	mustPut(t, s, to(direct(2, "bob", "carol"))...)
	sameIDs(t, "bob", tail(t, s, "bob", 10), "id-000000002")
	if err := os.Remove(userFile(dir, "folder")); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, to(direct(3, "bob", "folder"))...)
	sameIDs(t, "folder", unread(t, s, "folder"), "id-000000003")
}

// TestChangedByOthers: a file that somebody moves away, cuts or writes to while
// the server runs is read anew; nothing is written over.
func TestChangedByOthers(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	path := userFile(dir, "carol")
	mustPut(t, s, room.Record{Owner: "carol", Message: direct(1, "bob", "carol")})
	foreign := mustLine(t, direct(2, "bob", "carol"))
	writeAll(t, path, slices.Concat(readAll(t, path), foreign))
	mustPut(t, s, room.Record{Owner: "carol", Message: direct(3, "bob", "carol")})
	sameIDs(t, "appended to", unread(t, s, "carol"), "id-000000001", "id-000000002", "id-000000003")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, room.Record{Owner: "carol", Message: direct(4, "bob", "carol")})
	sameIDs(t, "moved away", unread(t, s, "carol"), "id-000000004")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, room.Record{Owner: "carol", Message: direct(5, "bob", "carol")})
	sameIDs(t, "cut", tail(t, s, "carol", 10), "id-000000005")
	copied := copyDir(t, dir)
	s = reopen(t, s, dir)
	sameIDs(t, "after a restart", tail(t, s, "carol", 10), "id-000000005")
	sameIDs(t, "after a kill", tail(t, mustOpen(t, copied, Options{}), "carol", 10), "id-000000005")
}

// TestFolderRemoved: nothing is acknowledged that is written to files without
// names.
func TestFolderRemoved(t *testing.T) {
	dir := t.TempDir() + "/history"
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, to(direct(1, "bob", "carol"))...)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	wantStorage(t, put(s, to(direct(2, "bob", "carol"))...))
	wantStorage(t, put(s, to(direct(3, "eve", "dan"))...))
}
