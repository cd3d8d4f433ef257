package history

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
	"whoelse/room/history/record"
)

// countOps counts the operations of a kind that f does.
func countOps(fs *disktest.FS, kind string, f func()) int {
	n := 0
	fs.Fail(func(_ int, op string) disktest.Fault {
		if op == kind {
			n++
		}
		return disktest.Fault{}
	})
	f()
	fs.Fail(nil)
	return n
}

func countReads(fs *disktest.FS, f func()) int { return countOps(fs, "read", f) }

// fillHistory gives carol n messages, of which the last three are unread.
func fillHistory(tb testing.TB, s *Store, n int) {
	tb.Helper()
	for i := range n {
		s.Append(toOne(i, "carol"), nil)
		if i < n-3 && (i%50 == 0 || i == n-4) {
			var all []string
			for k := max(0, i-50); k <= i; k++ {
				all = append(all, fmt.Sprintf("id-%09d", k))
			}
			s.Append(read("carol", all...), nil)
		}
		if i%10_000 == 0 {
			mustPut(tb, s, read("~guest", "x"))
		}
	}
	mustPut(tb, s, read("~guest", "x"))
}

// TestCostOfLongHistory: what is read does not grow with the history, with
// nothing in memory.
func TestCostOfLongHistory(t *testing.T) {
	cost := map[int][2]int{}
	for _, n := range []int{10, 3000, 30_000} {
		fs := disktest.New()
		s := openIn(t, fs, Options{})
		fillHistory(t, s, n)
		cold := countReads(fs, func() {
			s.forget("carol")
			if got := unreadOf(t, s, "carol"); len(got) != 3 {
				t.Errorf("%d unread of %d", len(got), n)
			}
		})
		newest := countReads(fs, func() {
			if got := tail(t, s, "carol", 50); len(got) != min(n, 50) {
				t.Errorf("%d newest of %d", len(got), n)
			}
		})
		cost[n] = [2]int{cold, newest}
		mustClose(t, s)
	}
	t.Logf("reads for Unread and Tail by length: %v", cost)
	for n, c := range cost {
		if c[0] > 40 || c[1] > 3 { // places are looked at
			t.Errorf("with %d records Unread reads %d times, Tail %d times", n, c[0], c[1])
		}
	}
}

// TestUnreadFarBack: what was never read stays unread, however much follows it,
// and costs no search.
func TestUnreadFarBack(t *testing.T) {
	fs := disktest.New()
	s := openIn(t, fs, Options{})
	mustPut(t, s, toOne(0, "carol"))
	for n := 1; n < 20_000; n++ {
		s.Append(event(direct(n, "carol", "~guest")), nil)
	}
	mustPut(t, s, read("~guest", "x"))
	s.forget("carol")
	reads := countReads(fs, func() { sameIDs(t, "unread", unreadOf(t, s, "carol"), "id-000000000") })
	if reads > 40 {
		t.Errorf("%d reads", reads)
	}
	mustClose(t, s)
}

// TestManyUnreadInOrder: reading a large inbox is one walk through the file, also where the
// lines of it are not in their order.
func TestManyUnreadInOrder(t *testing.T) {
	for _, edited := range []bool{false, true} {
		fs := disktest.New()
		s := openIn(t, fs, Options{})
		const n = 3000
		fill(t, s, "carol", n)
		mustClose(t, s)
		text := fileIn(fs, "users", "carol.jsonl")
		if edited {
			lines := bytes.SplitAfter(text, []byte("\n"))
			for i, j := 0, len(lines)-2; i < j; i, j = i+1, j-1 {
				lines[i], lines[j] = lines[j], lines[i]
			}
			setFile(fs, "users", "carol.jsonl", bytes.Join(lines, nil))
		}
		s = openIn(t, fs, Options{})
		reads := countReads(fs, func() {
			if got := unreadOf(t, s, "carol"); len(got) != n {
				t.Errorf("edited %v: %d unread", edited, len(got))
			}
		})
		most := 5*len(text)/(16<<10) + 20
		if edited {
			most += n * 2 // each at its place
		}
		if reads > most {
			t.Errorf("edited %v: %d reads for %d bytes", edited, reads, len(text))
		}
		mustClose(t, s)
	}
}

// TestMissingBytes: where bytes are missing, nothing unread is forgotten or made up.
func TestMissingBytes(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	fillHistory(t, s, 500)
	mustClose(t, s)
	content := readAll(t, userFile(dir, "carol"))
	for _, from := range []int{0, len(content) / 3, len(content) / 2} {
		at := from + bytes.Index(content[from:], []byte(`,"id":`)) + 5 // in a message, not in a mark
		writeAll(t, userFile(dir, "carol"), append(append([]byte{}, content[:at]...), content[at+1:]...))
		s := mustOpen(t, dir, Options{})
		sameIDs(t, fmt.Sprint("without byte ", at), unreadOf(t, s, "carol"), "id-000000497", "id-000000498", "id-000000499")
		mustPut(t, s, read("carol", "id-000000498"))
		s.forget("carol")
		sameIDs(t, "after a mark", unreadOf(t, s, "carol"), "id-000000497", "id-000000499")
		_ = s.Close()
	}
}

// TestOpenLooksAtNoNick: opening does not depend on how many nicks there are.
func TestOpenLooksAtNoNick(t *testing.T) {
	count := func(nicks int) int {
		fs := disktest.New()
		s := openIn(t, fs, Options{})
		mustPut(t, s, event(direct(1, "ann", "bob")))
		mustClose(t, s)
		users, _ := fs.Folder().Sub("users")
		for n := range nicks {
			f, _ := users.Open(fmt.Sprintf("n%d.jsonl", n), true)
			_ = f.Close()
		}
		steps := fs.Steps()
		s = openIn(t, fs, Options{})
		steps = fs.Steps() - steps
		mustClose(t, s)
		return steps
	}
	if few, many := count(1), count(10_000); few != many {
		t.Errorf("%d operations with one nick, %d with many", few, many)
	}
}

// TestSharedFsync: all that waits shares one fsync.
func TestSharedFsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := disktest.New()
		s := openIn(t, fs, Options{})
		mustPut(t, s, toOne(0, "carol"))
		there, goOn := stopAt(fs, "sync", "new.tmp") // the segment was made with that name
		var all sync.WaitGroup
		all.Add(301)
		enter(s, toOne(1, "carol"), func(room.Entry, error) { all.Done() })
		<-there
		syncs := countOps(fs, "sync", func() {
			for n := range 300 {
				enter(s, event(direct(10+n, fmt.Sprint("a", n), fmt.Sprint("b", n))), func(room.Entry, error) { all.Done() })
			}
			goOn <- true
			all.Wait()
		})
		if syncs != 2 {
			t.Errorf("%d fsyncs", syncs)
		}
		mustClose(t, s)
	})
}

// TestCostOfALargeInbox: a message costs the same however many are unread.
func TestCostOfALargeInbox(t *testing.T) {
	bytesFor := func(n int) uint64 {
		s := openIn(t, disktest.New(), Options{})
		defer mustClose(t, s)
		fill(t, s, "carol", n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const more = 1000 // the file in memory is copied now and then as it grows
		for i := range more {
			mustPut(t, s, toOne(n+i, "carol"))
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) / more
	}
	if few, many := bytesFor(10), bytesFor(20_000); many > 5*few+150_000 { // a state line falls due now and then
		t.Errorf("with 10 unread messages one more allocates %d bytes, with 20,000 %d", few, many)
	}
}

// TestCloseLeavesNoSegment: a clean end leaves nothing to recover.
func TestCloseLeavesNoSegment(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{SegmentBytes: 10_000})
	for n := range 300 {
		mustPut(t, s, event(direct(n, "bob", "carol")))
	}
	mustClose(t, s)
	left, err := os.ReadDir(filepath.Join(dir, "log"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}

// TestSegmentsAreReleased: a running server keeps what it needs of the log, and no more; while a
// backup holds them, none goes, and that costs one checkpoint for each segment.
func TestSegmentsAreReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := disktest.New()
		s := openIn(t, fs, Options{SegmentBytes: 3000})
		talk := func(from, n int) {
			for i := range n {
				mustPut(t, s, event(direct(from+i, "ann", "bob")))
				synctest.Wait()
			}
		}
		talk(0, 200)
		if n := len(namesIn(fs, logFolder)); n > 1 {
			t.Errorf("%d segments", n)
		}
		backup, err := fs.Folder().Lock(backupLock)
		if err != nil {
			t.Fatal(err)
		}
		renames := countOps(fs, "rename", func() { talk(200, 200) })
		n := len(namesIn(fs, logFolder))
		if n < 8 {
			t.Errorf("while a backup runs %d segments", n)
		}
		if renames > 2*n+4 { // a segment and a checkpoint are renamed
			t.Errorf("%d renames for %d segments", renames, n)
		}
		if err := backup.Close(); err != nil {
			t.Fatal(err)
		}
		talk(400, 20)
		if n := len(namesIn(fs, logFolder)); n > 1 {
			t.Errorf("after it %d segments", n)
		}
		sameIDs(t, "bob", tail(t, s, "bob", 2), "id-000000418", "id-000000419")
		mustClose(t, s)
		if n := len(namesIn(fs, logFolder)); n > 0 {
			t.Errorf("after Close %d segments", n)
		}
	})
}

// TestStateLinesStaySmall: they are a small part of a file, also where much is unread.
func TestStateLinesStaySmall(t *testing.T) {
	fs := disktest.New()
	s := openIn(t, fs, Options{})
	fill(t, s, "carol", 20_000)
	mustClose(t, s)
	text := fileIn(fs, "users", "carol.jsonl")
	states := 0
	for line := range bytes.SplitAfterSeq(text, []byte("\n")) {
		if bytes.Contains(line, fmt.Appendf(nil, `"kind":%q`, record.KindState)) {
			states += len(line)
		}
	}
	if states == 0 || states > len(text)/5 {
		t.Errorf("%d bytes of %d", states, len(text))
	}
}
