package history

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"whoelse/room"
)

// countReads counts what f reads.
func (m *memFS) countReads(f func()) int {
	n := 0
	m.fail(func(_ int, op string) fault {
		if op == "read" {
			n++
		}
		return fault{}
	})
	f()
	m.fail(nil)
	return n
}

// TestCostOfLongHistory: what is read does not grow with the history, with
// nothing in memory.
func TestCostOfLongHistory(t *testing.T) {
	cost := map[int][2]int{}
	for _, n := range []int{10, 3000, 50_000} {
		fs := newMemFS()
		s, err := open(fs.folder(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		fillHistory(t, s, n)
		cold := fs.countReads(func() {
			s.owners.forget("carol")
			if got := unread(t, s, "carol"); len(got) != 3 {
				t.Errorf("%d unread of %d", len(got), n)
			}
		})
		newest := fs.countReads(func() {
			if got := tail(t, s, "carol", 50); len(got) != min(n, 50) {
				t.Errorf("%d newest of %d", len(got), n)
			}
		})
		cost[n] = [2]int{cold, newest}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("reads for Unread and Tail by length: %v", cost)
	for n, c := range cost {
		if c[0] > 12 || c[1] > 2 {
			t.Errorf("with %d records Unread reads %d times, Tail %d times", n, c[0], c[1])
		}
	}
}

// TestUnreadFarBack: what was never read stays unread, however much follows it,
// and costs no search.
func TestUnreadFarBack(t *testing.T) {
	fs := newMemFS()
	s, err := open(fs.folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	mustPut(t, s, to(direct(0, "bob", "carol"))...)
	for n := 1; n < 20_000; n++ {
		s.Append(nil, to(direct(n, "carol", "bob"))[0])
	}
	mustPut(t, s)
	s.owners.forget("carol")
	reads := fs.countReads(func() { sameIDs(t, "unread", unread(t, s, "carol"), "id-000000000") })
	if reads > 12 {
		t.Errorf("%d reads", reads)
	}
}

// TestShiftedOffsets: where bytes are missing, the offsets that follow are not
// to be trusted, and nothing unread is forgotten or made up.
func TestShiftedOffsets(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	fillHistory(t, s, 500)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content := readAll(t, userFile(dir, "carol"))
	for _, from := range []int{0, len(content) / 3, len(content) / 2} {
		at := from + bytes.Index(content[from:], []byte(`{"id":`)) + 5 // in a message, not in a mark
		writeAll(t, userFile(dir, "carol"), append(append([]byte{}, content[:at]...), content[at+1:]...))
		s := mustOpen(t, dir, Options{})
		sameIDs(t, fmt.Sprint("without byte ", at), unread(t, s, "carol"), "id-000000497", "id-000000498", "id-000000499")
		mustPut(t, s, read("carol", "id-000000498"))
		s.owners.forget("carol")
		sameIDs(t, "after a mark", unread(t, s, "carol"), "id-000000497", "id-000000499")
		_ = s.Close()
	}
}

// TestShiftedState: the same for an unread message that state lines list at an
// offset where it no longer is.
func TestShiftedState(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := range 500 {
		m := direct(n, "carol", "bob")
		if n == 50 {
			m = direct(n, "bob", "carol")
		}
		s.Append(nil, room.Record{Owner: "carol", Message: m})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content := readAll(t, userFile(dir, "carol"))
	if !bytes.Contains(content, []byte(`"kind":"state"`)) {
		t.Fatal("no state line was written")
	}
	for what, shifted := range map[string][]byte{
		"a byte less": content[1:],
		"a byte more": append([]byte("x"), content...),
	} {
		writeAll(t, userFile(dir, "carol"), shifted)
		s = mustOpen(t, dir, Options{})
		sameIDs(t, what, unread(t, s, "carol"), "id-000000050")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOpenLooksAtNoNick: opening does not depend on how many nicks there are.
func TestOpenLooksAtNoNick(t *testing.T) {
	count := func(nicks int) int {
		fs := newMemFS()
		users := fs.node(true)
		for n := range nicks {
			users.names[fmt.Sprintf("n%d.jsonl", n)] = fs.node(false)
		}
		fs.root.names["users"] = users
		s, err := open(fs.folder(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		return fs.steps
	}
	if few, many := count(1), count(100_000); few != many {
		t.Errorf("%d operations with one nick, %d with many", few, many)
	}
}

// TestSharedFsync: all that waits shares one fsync.
func TestSharedFsync(t *testing.T) {
	fs := newMemFS()
	s, err := open(fs.folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	mustPut(t, s)
	var all sync.WaitGroup
	syncs := 0
	fs.fail(func(_ int, op string) fault {
		if op == "sync" {
			syncs++
		}
		return fault{}
	})
	all.Add(301)
	s.Append(func(error) { // the writer is busy with this one meanwhile
		for n := range 300 {
			s.Append(func(error) { all.Done() }, to(direct(n, fmt.Sprint("a", n), fmt.Sprint("b", n)))...)
		}
		all.Done()
	}, to(direct(1000, "bob", "carol"))...)
	all.Wait()
	fs.fail(nil)
	if syncs != 2 {
		t.Errorf("%d fsyncs", syncs)
	}
}

// TestCloseLeavesNoJournal: a clean end leaves nothing to recover.
func TestCloseLeavesNoJournal(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{JournalBytes: 10_000})
	for n := range 500 {
		mustPut(t, s, to(direct(n, "bob", "carol"))...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "journal"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}
