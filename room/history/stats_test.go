package history

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// watched is a store in virtual time, with its log.
func watched(t *testing.T, opts Options, test func(fs *disktest.FS, s *Store, l *logs)) {
	t.Helper()
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		var l *logs
		l, opts.Log = newLog()
		s := openIn(t, fs, opts)
		defer func() { _ = s.Close() }()
		test(fs, s, l)
	})
}

// logged fails the test unless so many lines of the log have text.
func (l *logs) logged(t *testing.T, want int, level slog.Level, text string) {
	t.Helper()
	n := 0
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, "level="+level.String()) && strings.Contains(line, text) {
			n++
		}
	}
	if n != want {
		t.Errorf("%d lines say %q, want %d:\n%s", n, text, want, l)
	}
}

func TestStats(t *testing.T) {
	watched(t, Options{SegmentBytes: 4000}, func(_ *disktest.FS, s *Store, _ *logs) {
		if st := s.Stats(); st != (Stats{}) {
			t.Errorf("at first %+v", st)
		}
		mustPut(t, s, event(direct(1, "ann", "bob")))
		st := s.Stats()
		if st.Log.Syncs != 1 || st.Log.Bytes < 100 || st.Log.Bytes > 500 || st.Log.Refused != 0 || st.Log.Trouble != nil || st.Log.Segments != 1 {
			t.Errorf("after a message %+v", st)
		}
		for n := range 50 {
			mustPut(t, s, event(direct(2+n, "ann", "bob")))
		}
		long := event(direct(100, "ann", "bob"))
		long.Text = strings.Repeat("x", 1<<18)
		if err := put(s, long); !errors.Is(err, room.ErrInvalid) {
			t.Errorf("too long an event: %v", err)
		}
		_ = tail(t, s, "bob", 10)
		synctest.Wait()
		st = s.Stats()
		if st.Log.Syncs != 51 || st.Log.Refused != 1 || st.Synced < 2 || st.Log.Segments != 1 || st.Log.Bytes > 5000 || st.Searched != 10 || st.Late != 0 || st.Damaged != 0 {
			t.Errorf("in the end %+v", st)
		}
	})
}

// TestLateIsTold: a history that can't be written, of which the log tells once
// when it begins and once when it ends. Others go on, and segments stay for it.
func TestLateIsTold(t *testing.T) {
	watched(t, Options{SegmentBytes: 1000}, func(fs *disktest.FS, s *Store, l *logs) {
		mustPut(t, s, toOne(1, "bob"))
		failWrites(fs)
		mustPut(t, s, toOne(2, "bob"))
		if st := s.Stats(); st.Late != 1 || st.Log.Trouble != nil {
			t.Fatalf("late: %+v", st)
		}
		err := put(s, toOne(3, "bob"))
		wantStorage(t, err)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v", err)
		}
		sameIDs(t, "bob can be read", unreadOf(t, s, "bob"), "id-000000001", "id-000000002")
		if n, err := s.Waiting("ann"); n != 0 || err != nil {
			t.Errorf("%d %v", n, err)
		}
		for range 30 {
			mustPut(t, s, read("~guest", "x")) // belongs to no history
			time.Sleep(retryAfter)
		}
		l.logged(t, 1, slog.LevelError, "can't be written; its lines stay in the log, and are tried again\" file=users/bob.jsonl")
		if n := s.Stats().Log.Segments; n < 3 {
			t.Errorf("%d segments", n)
		}
		fs.FailWrites(nil)
		time.Sleep(2 * retryAfter)
		mustPut(t, s, toOne(4, "bob"))
		synctest.Wait()
		if st := s.Stats(); st.Late != 0 || st.Log.Segments > 1 {
			t.Errorf("written again: %+v", st)
		}
		l.logged(t, 1, slog.LevelInfo, "written again\" file=users/bob.jsonl")
		sameIDs(t, "bob", unreadOf(t, s, "bob"), "id-000000001", "id-000000002", "id-000000004")
	})
}

// TestPiledUpIsTold: segments that can't be removed wait, and the log tells of it
// once when it begins and once when it ends.
func TestPiledUpIsTold(t *testing.T) {
	watched(t, Options{SegmentBytes: 1000}, func(fs *disktest.FS, s *Store, l *logs) {
		fs.Fail(func(_ int, op string) disktest.Fault {
			if op == "lock" {
				return disktest.Fault{Err: syscall.EACCES}
			}
			return disktest.Fault{}
		})
		for n := range 20 {
			mustPut(t, s, event(direct(1+n, "ann", "bob")))
			time.Sleep(2 * retryAfter)
		}
		if n := s.Stats().Log.Segments; n < 3 {
			t.Errorf("%d segments", n)
		}
		l.logged(t, 1, slog.LevelError, "no checkpoint can be made")
		fs.Fail(nil)
		time.Sleep(2 * retryAfter)
		synctest.Wait()
		if n := s.Stats().Log.Segments; n != 1 {
			t.Errorf("%d segments", n)
		}
		l.logged(t, 1, slog.LevelInfo, "checkpoints are made again")
	})
}

// TestProbeOfAHangingDisk: who asks waits no longer than they want to.
func TestProbeOfAHangingDisk(t *testing.T) {
	watched(t, Options{}, func(fs *disktest.FS, s *Store, _ *logs) {
		there, goOn := stopAt(fs, "sync", "new.tmp")
		s.Append(toOne(1, "bob"), nil)
		<-there
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, errors.New("no answer"))
		defer cancel()
		if err := s.Probe(ctx); err == nil || err.Error() != "no answer" {
			t.Errorf("got %v", err)
		}
		goOn <- true
		if err := s.Probe(context.Background()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wantStorage(t, s.Probe(context.Background()))
	})
}

// TestWaiting: a store that starts anew counts the same, and what can't be read
// can't be counted. StillUnread knows ids that are there, were read, and never were.
func TestWaiting(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	wants := func(owner string, want int) {
		t.Helper()
		if n, err := s.Waiting(owner); n != want || err != nil {
			t.Errorf("%d wait for %s, want %d; %v", n, owner, want, err)
		}
	}
	wants("bob", 0)
	mustPut(t, s, event(direct(1, "ann", "bob")), event(direct(2, "ann", "bob", "cid")), receiptsTo(3, "bob", 1))
	for range 2 { // the second time from the file; then with a state line
		wants("bob", 2)
		wants("ann", 0)
		for i := range 100 {
			mustPut(t, s, event(direct(10+i, "bob", "ann")), read("ann", direct(10+i, "").ID))
		}
		s = reopen(t, s, dir)
	}
	mustPut(t, s, read("bob", "id-000000001", "id-000000003"))
	wants("bob", 1)
	got, err := s.StillUnread("bob", []string{"id-000000002", "id-000000001", "id-000000010", "other"})
	if err != nil || len(got) != 1 || !got["id-000000002"] {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := s.Waiting("../bob"); !errors.Is(err, room.ErrStorage) || !errors.Is(err, errOwner) {
		t.Errorf("got %v", err)
	}
	if _, err := s.StillUnread("../bob", nil); !errors.Is(err, errOwner) {
		t.Errorf("got %v", err)
	}
}
