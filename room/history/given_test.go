package history

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// TestGiven: a store takes the numbers that it is given, gaps and all, also where a history is late, which
// then catches up; what is no message makes no line.
func TestGiven(t *testing.T) {
	watched(t, Options{Given: true}, func(fs *disktest.FS, s *Store, l *logs) {
		commit := func(seq uint64, e *room.Event) {
			t.Helper()
			if err := s.Commit([]room.Entry{{Seq: seq, Event: e}}); err != nil {
				t.Fatal(err)
			}
		}
		state := event(direct(2, "", "ann"))
		state.Kind, state.Doc = room.KindState, "bans"
		commit(40, toOne(1, "bob"))
		failWrites(fs)
		commit(42, toOne(2, "bob"))
		synctest.Wait()
		if err := put(s, toOne(3, "bob")); err == nil {
			t.Errorf("an append: %v", err)
		}
		commit(50, toOne(3, "bob"))
		commit(51, state)
		commit(60, state)
		synctest.Wait()
		if n := s.Stats().Late; n != 1 {
			t.Errorf("%d are late", n)
		}
		fs.FailWrites(nil)
		time.Sleep(2 * retryAfter)
		synctest.Wait()
		l.logged(t, 1, slog.LevelInfo, "history: written again")
		sameIDs(t, "bob", unreadOf(t, s, "bob"), "id-000000001", "id-000000002", "id-000000003")
		if s.Last() != 60 || s.LastID() != "id-000000003" {
			t.Errorf("ends with %d, %s", s.Last(), s.LastID())
		}
		nicks, err := s.Nicks()
		if err != nil || len(nicks) != 1 {
			t.Errorf("%v, %v", nicks, err)
		}
		mustClose(t, s)
		s = openIn(t, fs, Options{Given: true})
		defer mustClose(t, s)
		if s.Last() != 60 {
			t.Errorf("opened again, it ends with %d", s.Last())
		}
		commit(61, toOne(4, "bob"))
		synctest.Wait()
		sameIDs(t, "bob", unreadOf(t, s, "bob"), "id-000000001", "id-000000002", "id-000000003", "id-000000004")
	})
}
