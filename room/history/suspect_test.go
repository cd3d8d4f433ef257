package history

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/room"
)

// TestRewriteBesideTheWriter: what the journal has of a batch that was refused then is
// not written to any file.
func TestRewriteBesideTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{OpenFiles: 1})
		mustPut(t, s, to(direct(1, "ann", "bob"))...)

		s.ck.hold("nobody", 0) // the checkpointer leaves the journals alone
		refuse, rewriting, go1, go2 := make(chan bool), make(chan bool), make(chan bool), make(chan bool)
		fs.watch(func(op, name string) {
			if op == "sync" && name == "000001.log" {
				refuse <- true // its lines are in the journal's file
				<-go1
			}
		})
		refused := make(chan error, 1)
		s.Append(func(err error) { refused <- err }, room.Record{Owner: "bob", Message: direct(2, "ann", "bob")})
		<-refuse
		s.files.clear()
		fs.watch(func(op, name string) {
			if op == "open" && name == "ann.jsonl" { // the first; who waits for bob's would not get it
				fs.watch(nil)
				rewriting <- true // it has read the journals
				<-go2
			}
		})
		ended := make(chan error, 1)
		go func() { ended <- s.rewrite() }()
		<-rewriting
		failed := false
		fs.fail(func(_ int, op string) fault {
			if op == "sync" && !failed {
				failed = true
				return fault{err: errDead}
			}
			return fault{}
		})
		go1 <- true
		wantStorage(t, <-refused)
		time.Sleep(2 * retryAfter)
		mustPut(t, s, room.Record{Owner: "bob", Message: direct(3, "ann", "bob")})
		go2 <- true
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.ck.free("nobody")
		got := ids(unread(t, s, "bob"))
		mustClose(t, s)
		if !slices.Equal(got, []string{"id-000000001", "id-000000003"}) {
			t.Errorf("bob has %v", got)
		}
	})
}

// TestTrimWhileSuspect: an fsync failed, and the file does not give what was written to it
// until that was written again. Nothing is taken for damaged, and so removed, before.
func TestTrimWhileSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{MaxBytes: 20_000, JournalBytes: 10_000})
		s.ck.hold("nobody", 0) // the checkpointer leaves the journals alone
		conversation(t, s, 0, 40, func(n int) bool { return n == 3 })
		fs.mu.Lock()
		bob := fs.root.names["users"].names["bob.jsonl"]
		clear(bob.data[:3000])
		fs.mu.Unlock()
		s.ck.suspect.Store(true)
		conversation(t, s, 40, 60, func(int) bool { return false })
		s.ck.free("nobody")
		synctest.Wait()
		conversation(t, s, 100, 60, func(int) bool { return false })
		got := ids(unread(t, s, "bob"))
		size := len(fileIn(fs, "users", "bob.jsonl"))
		mustClose(t, s)
		if !slices.Equal(got, []string{"id-000000003"}) || size > 20_000 {
			t.Errorf("unread are %v, in %d bytes", got, size)
		}
	})
}

// TestManyFilesOnAnotherFileSystem: the nicks' histories may be on a file system of their
// own.
func TestManyFilesOnAnotherFileSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		s := mustOpenIn(t, fs, Options{ManyFiles: 1, JournalBytes: 300})
		fs.root.names["users"].mounted = true
		for n := range 20 {
			mustPut(t, s, append(to(direct(n, "ann", "bob")), room.Record{Owner: room.RoomHistory, Message: said(100+n, "ann")})...)
			synctest.Wait()
		}
		after := fs.crash(rand.New(rand.NewPCG(1, 2)))
		mustClose(t, s)
		s = mustOpenIn(t, after, Options{})
		got, room := tail(t, s, "bob", 100), tail(t, s, room.RoomHistory, 100)
		mustClose(t, s)
		if len(got) != 20 || len(room) != 20 {
			t.Errorf("%d and %d messages of 20", len(got), len(room))
		}
	})
}
