package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/room"
)

// fileIn returns what bob's file, or another, holds in a file system in memory.
func fileIn(fs *memFS, path ...string) []byte {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.root
	for _, name := range path {
		if n = n.names[name]; n == nil {
			return nil
		}
	}
	return slices.Clone(n.data)
}

// conversation has ann write n messages to bob, who reads all but those whose
// number want returns true for. It returns the messages.
func conversation(t *testing.T, s *Store, from, n int, unread func(int) bool) (all []*room.Message) {
	t.Helper()
	for i := from; i < from+n; i++ {
		m := direct(i, "ann", "bob")
		m.Time = time.Now().UTC().Truncate(time.Millisecond)
		all = append(all, m)
		mustPut(t, s, to(m)...)
		if !unread(i) {
			mustPut(t, s, read("bob", m.ID))
		}
		if i%20 == 0 {
			synctest.Wait()
		}
	}
	synctest.Wait()
	return all
}

func mustOpenIn(t *testing.T, fs *memFS, opts Options) *Store {
	t.Helper()
	s, err := open(fs.folder(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// suffixOf sees that got is the end of all.
func suffixOf(t *testing.T, what string, got, all []*room.Message) {
	t.Helper()
	if len(got) == 0 || len(got) > len(all) {
		t.Fatalf("%s: %d of %d messages", what, len(got), len(all))
	}
	same(t, what, got, all[len(all)-len(got):])
}

// TestTrimBySize: the file stays below its limit; what is unread stays, however old,
// and of the rest the newest; all of it after a restart, too.
func TestTrimBySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 64 << 10
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{MaxBytes: limit})
		all := conversation(t, s, 0, 2000, func(i int) bool { return i < 50 && i%10 == 3 })
		early := []*room.Message{all[3], all[13], all[23], all[33], all[43]}
		if size := len(fileIn(fs, "users", "bob.jsonl")); size > limit || size < limit/2 {
			t.Errorf("%d bytes, the limit is %d", size, limit)
		}
		look := func(what string) {
			t.Helper()
			same(t, what+", unread", unread(t, s, "bob"), early)
			got := tail(t, s, "bob", 1e6)
			same(t, what+", kept", got[:len(early)], early)
			suffixOf(t, what+", the rest", got[len(early):], all)
			suffixOf(t, what+", what ann sent", tail(t, s, "ann", 1e6), all)
			if s.Damaged() > 0 {
				t.Errorf("%s: %d damaged", what, s.Damaged())
			}
		}
		look("before a restart")
		mustClose(t, s)
		s = mustOpenIn(t, fs, Options{MaxBytes: limit})
		look("after a restart")

		mustPut(t, s, read("bob", early[1].ID))
		early = slices.Delete(early, 1, 2)
		all = append(all, conversation(t, s, 2000, 2000, func(int) bool { return false })...)
		look("when one was read")
		mustClose(t, s)
		if fileIn(fs, "users", "bob.jsonl.tmp") != nil {
			t.Error("a temporary file is left")
		}
	})
}

// TestCostAfterTrim: what is unread is found without reading everything, also right
// after a history was shortened.
func TestCostAfterTrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 128 << 10
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{MaxBytes: limit})
		fillHistory(t, s, 2000)
		for size := 0; ; {
			mustPut(t, s, to(direct(1, "carol", "bob"))...)
			synctest.Wait()
			was := size
			if size = len(fileIn(fs, "users", "carol.jsonl")); size < was {
				break
			}
		}
		reads := fs.countReads(func() {
			s.owners.forget("carol")
			if got := unread(t, s, "carol"); len(got) != 3 {
				t.Errorf("%d unread", len(got))
			}
		})
		if reads > 12 {
			t.Errorf("%d reads", reads)
		}
		mustClose(t, s)
	})
}

// TestTrimShared: the room's history has a limit of its own.
func TestTrimShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{RoomMaxBytes: 10_000})
		var all []*room.Message
		for i := range 1000 {
			all = append(all, said(i, "ann"))
			mustPut(t, s, room.Record{Owner: room.RoomHistory, Message: all[i]}, room.Record{Owner: "ann", Message: all[i]})
			synctest.Wait()
		}
		if size := len(fileIn(fs, "room.jsonl")); size > 10_000 {
			t.Errorf("%d bytes", size)
		}
		suffixOf(t, "room", tail(t, s, room.RoomHistory, 1e6), all)
		same(t, "ann, who has no limit", tail(t, s, "ann", 1e6), all)
		mustClose(t, s)
	})
}

// TestTrimUnreadOnly: where all is unread nothing goes, and the file is not looked
// through at every message.
func TestTrimUnreadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		creates := 0
		fs.fail(func(_ int, op string) fault {
			if op == "create" {
				creates++
			}
			return fault{}
		})
		s := mustOpenIn(t, fs, Options{MaxBytes: 20_000})
		all := conversation(t, s, 0, 500, func(int) bool { return true })
		same(t, "unread", unread(t, s, "bob"), all)
		if creates > 30 {
			t.Errorf("%d files created for 500 messages", creates)
		}
		mustClose(t, s)
	})
}

// TestTrimReceipts: that something was read is not kept for ever by nobody reading
// of it.
func TestTrimReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{MaxBytes: 20_000})
		for i := range 500 {
			m := direct(i, "ann", "bob")
			m.Kind = room.KindReceipt
			mustPut(t, s, room.Record{Owner: "bob", Message: m})
			synctest.Wait()
		}
		got := unread(t, s, "bob")
		suffixOf(t, "unread", got, tail(t, s, "bob", 1e6))
		if size := len(fileIn(fs, "users", "bob.jsonl")); size > 20_000 || len(got) < 20 {
			t.Errorf("%d bytes, %d receipts", size, len(got))
		}
		mustClose(t, s)
		s = mustOpenIn(t, fs, Options{})
		same(t, "after a restart", unread(t, s, "bob"), got)
		mustClose(t, s)
	})
}

// TestTrimSetsDamageAside: what is damaged among what goes is saved.
func TestTrimSetsDamageAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{})
		all := conversation(t, s, 0, 200, func(i int) bool { return i == 50 })
		mustClose(t, s)
		bob := fs.root.names["users"].names["bob.jsonl"]
		for _, n := range []int{10, 11, 20, 50} { // the last was unread
			at := bytes.Index(bob.data, []byte(fmt.Sprintf(`"message %d"`, n)))
			bob.data[at+1] = 'M'
		}
		bob.disk = slices.Clone(bob.data)
		s = mustOpenIn(t, fs, Options{MaxBytes: 15_000}) // the limit is new: nobody has to write
		synctest.Wait()
		suffixOf(t, "bob", tail(t, s, "bob", 1e6), all)
		torn := fileIn(fs, "users", "bob.jsonl.torn")
		if lines := strings.Count(string(torn), "\n"); lines != 4 || strings.Count(string(torn), `"Message `) != 4 {
			t.Errorf("set aside:\n%s", torn)
		}
		mustClose(t, s)
	})
}

// TestSweepCleansUp: what an interrupted rewriting has left goes.
func TestSweepCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{})
		mustPut(t, s, to(direct(1, "ann", "bob"))...)
		mustClose(t, s)
		users, _ := fs.folder().sub("users")
		if err := writeFile(users, "bob.jsonl", []byte("half")); err != nil {
			t.Fatal(err)
		}
		if err := users.rename("bob.jsonl", "bob.jsonl.tmp"); err != nil {
			t.Fatal(err)
		}
		s = mustOpenIn(t, fs, Options{MaxBytes: 1 << 20})
		synctest.Wait()
		mustClose(t, s)
		if fileIn(fs, "users", "bob.jsonl.tmp") != nil {
			t.Error("it is still there")
		}
	})
}

// TestTrimHeadDamaged: when the line that tells how much was removed is damaged,
// and then the process is killed, what waits in the journal is not lost.
func TestTrimHeadDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{MaxBytes: 10_000})
		all := conversation(t, s, 0, 300, func(i int) bool { return i > 290 })
		killed := fs.killed()
		mustClose(t, s)
		bob := killed.root.names["users"].names["bob.jsonl"]
		bob.data[12] ^= 1
		for cut := range 3 { // and a part of the end never made it to the disk
			fs := killed.crash(rand.New(rand.NewPCG(1, uint64(cut))))
			bob := fs.root.names["users"].names["bob.jsonl"]
			bob.data = bob.data[:len(bob.data)-cut*70]
			s := mustOpenIn(t, fs, Options{})
			same(t, "unread", unread(t, s, "bob"), all[291:])
			if len(bob.data) > 20_000 {
				t.Errorf("the file has %d bytes", len(bob.data))
			}
			mustClose(t, s)
		}
	})
}
