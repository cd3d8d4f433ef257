package history

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"whoelse/internal/disk"
	"whoelse/internal/disk/disktest"
	"whoelse/room"
	"whoelse/room/history/record"
	"whoelse/room/internal/jsonl"
)

// mustRepair repairs, and sees that all is well then.
func mustRepair(t testing.TB, m *disktest.FS) {
	t.Helper()
	if err := repair(t.Context(), m.Folder(), nil, Checking{}); err != nil {
		t.Fatal(err)
	}
	wantWell(t, m)
}

func wantWell(t testing.TB, m *disktest.FS) {
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

// messagesOf is what a server has of carol's messages, and of those that are unread. It
// sees nothing damaged, if all should be well.
func messagesOf(t testing.TB, m *disktest.FS, well bool) (all, fresh []*room.Message) {
	t.Helper()
	l, log := newLog()
	s, err := open(m.Folder(), Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	all, fresh = tail(t, s, "carol", 1000), unreadOf(t, s, "carol")
	if n := s.Stats().Damaged; well && n != 0 {
		t.Errorf("%d damaged: %s", n, l)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return all, fresh
}

// TestRepairOfEveryFlippedByte: check finds it, repair mends it, and nothing is lost
// but the record that it was in; what was set aside has the damaged bytes.
func TestRepairOfEveryFlippedByte(t *testing.T) {
	content, all := makeSmall(t, t.TempDir())
	for i := 0; i < len(content); i += stride(len(content), 1) {
		for _, bits := range []byte{1 << (i % 8), content[i] ^ '\n', content[i]} {
			if bits == 0 {
				continue
			}
			b := slices.Clone(content)
			b[i] ^= bits
			oneRepair(t, fmt.Sprintf("byte %d ^ %x", i, bits), b, all, 1)
		}
	}
}

func TestRepairOfEveryMissingByte(t *testing.T) {
	content, all := makeSmall(t, t.TempDir())
	for i := 0; i < len(content); i += stride(len(content), 1) {
		oneRepair(t, fmt.Sprint("without byte ", i), slices.Delete(slices.Clone(content), i, i+1), all, 1)
		if i > 0 {
			oneRepair(t, fmt.Sprint("before byte ", i), content[:i], all, len(all))
		}
	}
}

// oneRepair mends a damaged history, in which at most so many records may be lost.
func oneRepair(t *testing.T, what string, content []byte, all []*room.Message, most int) {
	t.Helper()
	reading, _ := messagesOf(t, withCarol(t, content, pointOfSmall), false)
	m := withCarol(t, content, pointOfSmall)
	sum, _ := checkIn(t, m)
	if well := wellFormed(content); (sum.Damaged == 0) != well {
		t.Fatalf("%s: check finds %d damages", what, sum.Damaged)
	}
	mustRepair(t, m)
	got, fresh := messagesOf(t, m, true)
	same(t, what+": what was readable before", got, reading)
	lost := 0
	for _, msg := range all {
		if !slices.Contains(ids(got), msg.ID) {
			lost++
		}
	}
	if lost > most {
		t.Fatalf("%s: %d records are lost", what, lost)
	}
	for _, msg := range fresh {
		if !slices.Contains(ids(got), msg.ID) {
			t.Errorf("%s: %s is unread, and gone", what, msg.ID)
		}
	}
	wantKept(t, what, content, m)
}

// wellFormed reports whether there are nothing but whole lines.
func wellFormed(content []byte) bool {
	for l := range bytes.Lines(content) {
		if _, whole := record.Parse(jsonl.Line{Data: bytes.TrimSuffix(l, []byte("\n"))}); !whole || l[len(l)-1] != '\n' {
			return false
		}
	}
	return true
}

// wantKept sees that every byte is still somewhere: each line in the file or in what
// was set aside, or, where only a newline was lost, as its records.
func wantKept(t testing.TB, what string, content []byte, m *disktest.FS) {
	t.Helper()
	now, torn := contentOf(t, m, "users", "carol.jsonl"), contentOf(t, m, "users", "carol.jsonl.torn")
	for _, l := range bytes.Split(content, []byte("\n")) {
		rest := len(l)
		found, _ := jsonl.Records(l)
		for _, r := range found {
			if bytes.Contains(now, r.Data) {
				rest -= len(r.Data)
			}
		}
		if !bytes.Contains(torn, l) && !bytes.Contains(now, l) && rest > 0 {
			t.Fatalf("%s: %q is nowhere", what, l)
		}
	}
}

// TestRepairKeepsUnread: what is unread stays so, whatever is damaged, out of order, or in one line;
// the new file ends with a state line.
func TestRepairKeepsUnread(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range 400 {
		mustPut(t, s, event(direct(n, "bob", "carol")))
		if n%3 == 0 {
			mustPut(t, s, read("carol", direct(n, "bob", "carol").ID))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content := readAll(t, userFile(dir, "carol"))
	content[10] ^= 1
	copy(content[20_000:], make([]byte, 1000))
	joint := 30_000 + bytes.IndexByte(content[30_000:], '\n')
	content[joint] = ' '
	lines := bytes.SplitAfter(content, []byte("\n"))
	lines[200], lines[201], lines[300], lines[20] = lines[201], lines[200], lines[20], lines[300]
	content = bytes.Join(lines, nil)
	point := checkpoint{Seq: 534, LastID: "mark-999999999"}
	before, unreadBefore := messagesOf(t, withCarol(t, content, point), false)
	m := withCarol(t, content, point)
	mustRepair(t, m)
	all, fresh := messagesOf(t, m, true)
	slices.SortFunc(before, func(a, b *room.Message) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(unreadBefore, func(a, b *room.Message) int { return strings.Compare(a.ID, b.ID) })
	same(t, "messages", all, before)
	same(t, "unread", fresh, unreadBefore)
	if len(fresh) < 250 {
		t.Fatalf("only %d are unread", len(fresh))
	}
	text := bytes.TrimSuffix(contentOf(t, m, "users", "carol.jsonl"), []byte("\n"))
	last := text[bytes.LastIndexByte(text, '\n')+1:]
	if recs, _ := record.Parse(jsonl.Line{Data: last}); len(recs) != 1 || recs[0].State == nil || len(recs[0].State.Unread) != len(fresh) {
		t.Errorf("the last line is %.100s", last)
	}
}

// TestRepairLeavesTheGoodAlone: a file without damage is not written, nor what is not a history.
func TestRepairLeavesTheGoodAlone(t *testing.T) {
	dir := t.TempDir()
	makeSmall(t, dir)
	writeAll(t, userFile(dir, "Nobody"), []byte("x"))
	if err := os.Mkdir(userFile(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := everything(t, dir)
	told := 0
	if err := Repair(t.Context(), dir, nil, Checking{Tell: func(f Problem) {
		if f.Severity == Damage {
			told++
		}
	}}); err != nil || told != 0 {
		t.Errorf("%d mended, %v", told, err)
	}
	if after := everything(t, dir); after != before {
		t.Errorf("repairing changed the folder from\n%s to\n%s", before, after)
	}
	s := mustOpen(t, dir, Options{})
	if err := Repair(t.Context(), dir, nil, Checking{}); !errors.Is(err, ErrInUse) {
		t.Errorf("beside a server: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Repair(t.Context(), dir+"/nothing", nil, Checking{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
}

// hurt is a folder of a server that was killed, with damage of every kind: in the middle of carol's
// history, beyond its checkpoint, in the log, and in the checkpoint if asked for. Only two messages
// are lost.
func hurt(t testing.TB) (m *disktest.FS, damaged [][]byte, all []string) {
	t.Helper()
	m = disktest.New()
	s, err := open(m.Folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	follow(s)
	put := func(n int) {
		mustPut(t, s, event(direct(n, "bob", "carol")))
		all = append(all, direct(n, "", "").ID)
	}
	for n := range 4 {
		put(n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = open(m.Folder(), Options{}); err != nil {
		t.Fatal(err)
	}
	follow(s)
	for n := 4; n < 8; n++ {
		put(n)
	}
	killed := m.Killed()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flip := func(dir, name string, line int) []byte {
		lines := bytes.SplitAfter(contentOf(t, killed, dir, name), []byte("\n"))
		lines[line][30] ^= 1
		in, err := killed.Folder().Sub(dir)
		if err := errors.Join(err, disk.WriteFile(in, name, bytes.Join(lines, nil))); err != nil {
			t.Fatal(err)
		}
		return bytes.TrimSuffix(lines[line], []byte("\n"))
	}
	damaged = append(damaged, flip("users", "carol.jsonl", 1)) // is lost
	damaged = append(damaged, flip("users", "carol.jsonl", 6)) // is in the log
	flip("log", "00000000000000000005.jsonl", 1)               // is in the histories
	return killed, damaged, slices.Delete(all, 1, 2)
}

// TestRepairDies ends the process before each operation in turn, cuts the power or not, and
// repairs again.
func TestRepairDies(t *testing.T) {
	t.Parallel()
	n := 1
	for ; ; n++ {
		m, damaged, want := hurt(t)
		start := m.Steps()
		m.Fail(func(step int, _ string) disktest.Fault { return disktest.Fault{Dead: step == start+n, Part: true} })
		err := repair(t.Context(), m.Folder(), nil, Checking{})
		wantRepaired(t, fmt.Sprint("killed at ", n), m.Killed(), damaged, want)
		for seed := range few(8) {
			wantRepaired(t, fmt.Sprintf("power cut %d at %d", seed, n), m.Crash(rand.New(rand.NewPCG(seed, uint64(n)))), damaged, want)
		}
		if err == nil {
			break
		}
	}
	if n < 50 {
		t.Errorf("only %d operations", n)
	}
}

// TestRepairFails has each operation fail in turn, and repairs again.
func TestRepairFails(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		m, damaged, want := hurt(t)
		start := m.Steps()
		m.Fail(func(step int, _ string) disktest.Fault {
			if step == start+n {
				return disktest.Fault{Err: errors.New("no"), Part: n%2 == 0, Takes: n%3 == 0}
			}
			return disktest.Fault{}
		})
		_ = repair(t.Context(), m.Folder(), nil, Checking{})
		over := m.Steps() < start+n
		m.Fail(nil)
		if now, _ := m.Open(); now != 0 {
			t.Fatalf("failed at %d: %d files are open", n, now)
		}
		wantRepaired(t, fmt.Sprint("failed at ", n), m.Killed(), damaged, want)
		if over {
			return
		}
	}
}

// wantRepaired repairs once more, which completes what was begun.
func wantRepaired(t *testing.T, what string, m *disktest.FS, damaged [][]byte, want []string) {
	t.Helper()
	if err := repair(t.Context(), m.Folder(), nil, Checking{}); err != nil {
		t.Fatalf("%s: again: %v", what, err)
	}
	wantWell(t, m)
	m = m.Crash(rand.New(rand.NewPCG(1, 1)))
	all, fresh := messagesOf(t, m, true)
	if !slices.Equal(ids(all), want) || !slices.Equal(ids(fresh), want) {
		t.Fatalf("%s: %v, of which %v are unread; want %v", what, ids(all), ids(fresh), want)
	}
	for _, line := range damaged {
		if torn := contentOf(t, m, "users", "carol.jsonl.torn"); !bytes.Contains(torn, line) {
			t.Fatalf("%s: %q is nowhere", what, line)
		}
	}
}

// TestRepairKeepsWhatAStartDrops: damaged events and a damaged checkpoint are kept in .torn files.
func TestRepairKeepsWhatAStartDrops(t *testing.T) {
	m, _, want := hurt(t)
	if err := disk.WriteFile(m.Folder(), checkpointFile, []byte("{nothing")); err != nil {
		t.Fatal(err)
	}
	mustRepair(t, m)
	if torn := contentOf(t, m, "log", "00000000000000000005.jsonl.torn"); bytes.Count(torn, []byte("\n")) != 1 || len(torn) < 100 {
		t.Errorf("of the log: %q", torn)
	}
	if torn, _ := disk.ReadFile(m.Folder(), checkpointFile+".torn", 100); string(torn) != "{nothing\n" {
		t.Errorf("of the checkpoint: %q", torn)
	}
	all, _ := messagesOf(t, m, true)
	sameIDs(t, "messages", all, want...)
}
