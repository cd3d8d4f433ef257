package history

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"whoelse/room"
)

// mustRepair repairs, and sees that all is well then.
func mustRepair(t testing.TB, m *memFS) {
	t.Helper()
	if err := repair(t.Context(), m.folder(), nil, Checking{}); err != nil {
		t.Fatal(err)
	}
	wantWell(t, m)
}

func wantWell(t testing.TB, m *memFS) {
	t.Helper()
	sum, list := checkIn(t, m)
	if sum.Damaged+sum.Trouble+sum.Waiting != 0 {
		t.Fatalf("after a repair: %+v %v", sum, list)
	}
	for _, f := range list {
		if !strings.HasPrefix(f.What, "set aside earlier") && !strings.HasSuffix(f.File, ".tmp") {
			t.Errorf("after a repair: %v", f)
		}
	}
}

// content is what is in a file of users, nil without one.
func (m *memFS) content(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.root.names["users"].names[name]; n != nil {
		return slices.Clone(n.data)
	}
	return nil
}

// messagesOf opens a folder that is well, and returns carol's messages and those that
// are unread.
func messagesOf(t testing.TB, m *memFS) (all, fresh []*room.Message) {
	t.Helper()
	l, log := newLog()
	s, err := open(m.folder(), Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	all, fresh = tail(t, s, "carol", 1000), unread(t, s, "carol")
	if s.Damaged() != 0 {
		t.Errorf("%d damaged: %s", s.Damaged(), l)
	}
	return all, fresh
}

// TestRepairOfEveryFlippedByte: check finds it, repair mends it, and nothing is lost
// but the record that it was in; what was set aside has the damaged bytes.
func TestRepairOfEveryFlippedByte(t *testing.T) {
	content, all := makeSmall(t, t.TempDir())
	for i := range content {
		for _, bits := range []byte{1 << (i % 8), content[i] ^ '\n', content[i]} {
			if bits == 0 {
				continue
			}
			b := slices.Clone(content)
			b[i] ^= bits
			what := fmt.Sprintf("byte %d ^ %x", i, bits)
			oneRepair(t, what, b, all, 1)
		}
	}
}

func TestRepairOfEveryMissingByte(t *testing.T) {
	content, all := makeSmall(t, t.TempDir())
	for i := range content {
		oneRepair(t, fmt.Sprint("without byte ", i), slices.Delete(slices.Clone(content), i, i+1), all, 1)
		if i > 0 {
			oneRepair(t, fmt.Sprint("before byte ", i), content[:i], all, len(all))
		}
	}
}

// oneRepair mends a damaged history, in which at most so many records may be lost.
func oneRepair(t *testing.T, what string, damaged []byte, all []*room.Message, most int) {
	t.Helper()
	m := withCarol(damaged)
	reading, _ := openDamagedQuietly(t, damaged)
	sum, _ := checkIn(t, m)
	ends := bytes.HasSuffix(damaged, []byte("\n"))
	if whole := wholeLines(&memFile{m: m, n: m.root.names["users"].names["carol.jsonl"]}, 0, int64(len(damaged))); (sum.Damaged == 0) != (whole && ends) {
		t.Fatalf("%s: check finds %d damages", what, sum.Damaged)
	}
	mustRepair(t, m)
	got, fresh := messagesOf(t, m)
	same(t, what+": what was readable before", got, reading)
	if n := lost(t, what, got, all); n > most {
		t.Fatalf("%s: %d records are lost", what, n)
	}
	for _, msg := range fresh {
		if !slices.Contains(ids(got), msg.ID) {
			t.Errorf("%s: %s is unread, and gone", what, msg.ID)
		}
	}
	wantKept(t, what, damaged, m)
}

// openDamagedQuietly is what a server shows of a damaged history.
func openDamagedQuietly(t testing.TB, content []byte) (all, fresh []*room.Message) {
	t.Helper()
	s, err := open(withCarol(content).folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	return tail(t, s, "carol", 1000), unread(t, s, "carol")
}

// wantKept sees that every byte is still somewhere: each line in the file or in what
// was set aside, or, where only a newline was lost, as its records.
func wantKept(t testing.TB, what string, damaged []byte, m *memFS) {
	t.Helper()
	now, torn := m.content("carol.jsonl"), m.content("carol.jsonl.torn")
	for _, l := range bytes.Split(damaged, []byte("\n")) {
		found, _ := decodeLine(l)
		if bytes.Contains(torn, l) || bytes.Contains(now, l) || len(found) > 0 && beside(l, found) == 0 {
			continue
		}
		t.Fatalf("%s: %q is nowhere", what, l)
	}
}

// TestRepairKeepsUnread: what is unread stays so, wherever it comes to stand, and what
// a state line knew to be read stays read.
func TestRepairKeepsUnread(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range 400 {
		s.Append(nil, room.Record{Owner: "carol", Message: direct(n, "bob", "carol")})
		if n%3 == 0 {
			mustPut(t, s, read("carol", direct(n, "bob", "carol").ID))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content := readAll(t, userFile(dir, "carol"))
	content[10] ^= 1
	marks := bytes.Index(content, []byte(`"kind":"read"`))
	content[marks] ^= 1
	copy(content[20_000:], make([]byte, 1000))
	joint := 30_000 + bytes.IndexByte(content[30_000:], '\n')
	content[joint] = ' '
	before, unreadBefore := openDamagedQuietly(t, content)
	m := withCarol(content)
	mustRepair(t, m)
	all, fresh := messagesOf(t, m)
	same(t, "messages", all, before)
	same(t, "unread", fresh, unreadBefore)
	if len(fresh) < 250 {
		t.Fatalf("only %d are unread", len(fresh))
	}
	text := bytes.TrimSuffix(m.content("carol.jsonl"), []byte("\n"))
	last := text[bytes.LastIndexByte(text, '\n')+1:]
	if e, ok := decode(last); !ok || e.mark == nil || !e.mark.credible(int64(len(text)-len(last))) {
		t.Errorf("the last line is %.100s", last)
	}
}

// TestRepairLeavesTheGoodAlone: a file without damage is not written.
func TestRepairLeavesTheGoodAlone(t *testing.T) {
	dir := t.TempDir()
	content, _ := makeSmall(t, dir)
	writeAll(t, userFile(dir, "Nobody"), []byte("x"))
	if err := os.Mkdir(userFile(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(userFile(dir, "carol"))
	if err != nil {
		t.Fatal(err)
	}
	var told []Finding
	if err := Repair(t.Context(), dir, nil, Checking{Tell: func(f Finding) { told = append(told, f) }}); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(userFile(dir, "carol"))
	if err != nil || !os.SameFile(before, after) || !bytes.Equal(readAll(t, userFile(dir, "carol")), content) {
		t.Error("a good history was written anew")
	}
	if len(told) != 1 || told[0].Grade != Trouble || told[0].File != "users/folder.jsonl" {
		t.Errorf("told: %v", told)
	}
	if string(readAll(t, userFile(dir, "Nobody"))) != "x" {
		t.Error("what is no history was changed")
	}
}

// TestRepairOfEverything: the shared histories, the greatest id, journals.
func TestRepairOfEverything(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range 3 {
		mustPut(t, s, room.Record{Owner: room.RoomHistory, Message: said(n, "bob")})
	}
	mustPut(t, s, to(direct(7, "bob", "carol"))...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text := readAll(t, dir+"/room.jsonl")
	text[10] ^= 1
	writeAll(t, dir+"/room.jsonl", text)
	writeAll(t, dir+"/state.json", []byte("{"))
	good := appendRecord(nil, true, 0, "dan", mustLine(t, direct(8, "bob", "dan")))
	bad := bytes.Replace(good, []byte("message"), []byte("Message"), 1)
	first := slices.Concat(header(0, 0), bad, good)
	writeAll(t, dir+"/journal/000001.log", first)
	writeAll(t, dir+"/journal/000002.log", header(1, int64(len(first))))
	sum, _ := checkDir(t, dir)
	if sum.Damaged != 3 {
		t.Errorf("%+v", sum)
	}
	if err := Repair(t.Context(), dir, nil, Checking{}); err != nil {
		t.Fatal(err)
	}
	sum, said := checkDir(t, dir)
	wantLines(t, said, "room.jsonl.torn: set aside earlier: 1 line,", "journal/000001.log.torn: set aside earlier: 1 line,", "state.json.torn: set aside earlier: 1 line, 2 bytes")
	if sum.Damaged+sum.Trouble+sum.Waiting != 0 {
		t.Errorf("%+v\n%s", sum, said)
	}
	s = mustOpen(t, dir, Options{})
	sameIDs(t, "room", tail(t, s, room.RoomHistory, 10), "id-000000001", "id-000000002")
	sameIDs(t, "dan", unread(t, s, "dan"), "id-000000008")
	if s.LastID() != "id-000000008" {
		t.Errorf("the greatest id is %s", s.LastID())
	}
}

func TestRepairIsRefusedBesideAServer(t *testing.T) {
	dir := t.TempDir()
	makeSmall(t, dir)
	s := mustOpen(t, dir, Options{})
	before := snapshot(t, dir)
	if err := Repair(t.Context(), dir, nil, Checking{}); !errors.Is(err, ErrInUse) {
		t.Errorf("beside a server: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_ = before
	if err := Repair(t.Context(), dir+"/nothing", nil, Checking{}); !os.IsNotExist(err) {
		t.Errorf("without a folder: %v", err)
	}
}

// TestRepairOfAnything: whatever was done to a history, a repair keeps what a server
// shows of it.
func TestRepairOfAnything(t *testing.T) {
	content, _ := makeSmall(t, t.TempDir())
	rapid.Check(t, func(rt *rapid.T) {
		b := slices.Clone(content)
		for range rapid.IntRange(1, 6).Draw(rt, "changes") {
			at := rapid.IntRange(0, len(b)).Draw(rt, "at")
			n := min(rapid.IntRange(0, 300).Draw(rt, "n"), len(b)-at)
			with := rapid.SampledFrom([][]byte{nil, {'\n'}, make([]byte, 50), []byte("}"), content[:200], []byte(`,"crc":"00000000"}`)}).Draw(rt, "with")
			b = slices.Replace(b, at, at+n, with...)
		}
		before, freshBefore := openDamagedQuietly(t, b)
		m := withCarol(b)
		mustRepair(t, m)
		after, fresh := messagesOf(t, m)
		same(t, "messages", after, before)
		same(t, "unread", fresh, freshBefore)
		wantKept(t, "anything", b, m)
	})
}
