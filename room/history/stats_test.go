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

	"whoelse/room"
)

// fullDisk fails all that changes something.
func fullDisk(_ int, op string) fault {
	switch op {
	case "read", "lstat", "stat", "open", "names":
		return fault{}
	}
	return fault{err: syscall.ENOSPC}
}

// watched is a store on fs in virtual time, with its log.
func watched(t *testing.T, opts Options, test func(fs *memFS, s *Store, l *logs)) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMemFS()
		var l *logs
		l, opts.Log = newLog()
		s, err := open(fs.folder(), opts)
		if err != nil {
			t.Fatal(err)
		}
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
	watched(t, Options{JournalBytes: 4000}, func(_ *memFS, s *Store, _ *logs) {
		if st := s.Stats(); st != (Stats{}) {
			t.Errorf("at first %+v", st)
		}
		mustPut(t, s, to(direct(1, "ann", "bob"))...)
		st := s.Stats()
		if st.JournalSyncs != 1 || st.JournalBytes < 200 || st.JournalBytes > 1000 || st.Refused != 0 || st.Trouble != nil {
			t.Errorf("after a message %+v", st)
		}
		for n := range 30 {
			mustPut(t, s, to(direct(2+n, "ann", "bob"))...)
		}
		if err := put(s, room.Record{Owner: "ann", Message: &room.Message{Text: strings.Repeat("x", maxLine)}}); err == nil {
			t.Error("too long a line is kept")
		}
		synctest.Wait()
		st = s.Stats()
		if st.JournalSyncs != 31 || st.Refused != 1 || st.HistorySyncs < 2 || st.JournalsSealed != 0 || st.JournalBytes > 5000 {
			t.Errorf("in the end %+v", st)
		}
	})
}

// TestTroubleIsTold: while nothing is accepted that can be asked for, and the log
// says so once, however long it lasts and however often somebody tries.
func TestTroubleIsTold(t *testing.T) {
	watched(t, Options{}, func(fs *memFS, s *Store, l *logs) {
		ctx := context.Background()
		mustPut(t, s, to(direct(1, "ann", "bob"))...)
		if err := s.Probe(ctx); err != nil {
			t.Errorf("all is well, and: %v", err)
		}
		for round := 1; round <= 2; round++ {
			fs.fail(fullDisk)
			for n := range 10 {
				wantStorage(t, put(s, to(direct(10+n, "ann", "bob"))...))
				time.Sleep(retryAfter)
			}
			st := s.Stats()
			if !errors.Is(st.Trouble, syscall.ENOSPC) || st.Refused != uint64(10*round) || st.JournalBytes != 0 {
				t.Errorf("in trouble: %+v", st)
			}
			if err := s.Probe(ctx); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("in trouble: %v", err)
			}
			fs.fail(nil)
			time.Sleep(2 * retryAfter)
			if err := s.Probe(ctx); err != nil { // nobody has to send something first
				t.Errorf("the disk is well, and: %v", err)
			}
			if st := s.Stats(); st.Trouble != nil || st.Refused != uint64(10*round) {
				t.Errorf("the disk is well: %+v", st)
			}
			mustPut(t, s, to(direct(100+round, "ann", "bob"))...)
			l.logged(t, round, slog.LevelError, "nothing is accepted until")
			l.logged(t, round, slog.LevelInfo, "a journal can be written again")
		}
	})
}

// TestBehindIsTold: a history that can't be written, of which the log tells once
// when it begins and once when it ends; and journals that have to stay for it.
func TestBehindIsTold(t *testing.T) {
	watched(t, Options{}, func(fs *memFS, s *Store, l *logs) {
		mustPut(t, s, to(direct(1, "ann", "bob"))...)
		step := fs.count()
		fs.fail(func(n int, op string) fault { // the first write is the journal's
			if op != "write" || n < step+3 {
				return fault{}
			}
			return fault{err: syscall.EIO}
		})
		mustPut(t, s, room.Record{Owner: "bob", Message: direct(2, "ann", "bob")})
		if st := s.Stats(); st.Behind != 1 || st.Trouble != nil {
			t.Fatalf("behind: %+v", st)
		}
		for range 5 {
			wantStorage(t, put(s, room.Record{Owner: "bob", Message: direct(3, "ann", "bob")}))
		}
		l.logged(t, 1, slog.LevelError, "could not be written to the file yet")
		fs.fail(nil)
		mustPut(t, s, room.Record{Owner: "bob", Message: direct(4, "ann", "bob")})
		if st := s.Stats(); st.Behind != 0 || st.Refused != 5 {
			t.Errorf("caught up: %+v", st)
		}
		l.logged(t, 1, slog.LevelInfo, "the file has caught up")
	})
}

// TestPiledUpIsTold: journals that can't be removed wait, and the log tells of it
// once when it begins and once when it ends.
func TestPiledUpIsTold(t *testing.T) {
	watched(t, Options{JournalBytes: 1000}, func(fs *memFS, s *Store, l *logs) {
		fs.fail(func(_ int, op string) fault {
			if op == "remove" {
				return fault{err: syscall.EACCES}
			}
			return fault{}
		})
		for n := range 20 {
			mustPut(t, s, to(direct(1+n, "ann", "bob"))...)
			time.Sleep(2 * retryAfter)
		}
		if st := s.Stats(); st.JournalsSealed != maxSealed {
			t.Errorf("%+v", st)
		}
		l.logged(t, 1, slog.LevelError, "can't be removed")
		fs.fail(nil)
		time.Sleep(2 * retryAfter)
		mustPut(t, s, to(direct(100, "ann", "bob"))...)
		synctest.Wait()
		if st := s.Stats(); st.JournalsSealed != 0 {
			t.Errorf("%+v", st)
		}
		l.logged(t, 1, slog.LevelInfo, "journals are removed again")
	})
}

// TestProbeOfAHangingDisk: who asks waits no longer than they want to.
func TestProbeOfAHangingDisk(t *testing.T) {
	watched(t, Options{}, func(_ *memFS, s *Store, _ *logs) {
		hangs := make(chan struct{})
		s.Append(func(error) { <-hangs }, room.Record{Owner: "bob", Message: direct(1, "ann", "bob")})
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, errors.New("no answer"))
		defer cancel()
		if err := s.Probe(ctx); err == nil || err.Error() != "no answer" {
			t.Errorf("got %v", err)
		}
		close(hangs)
		if err := s.Probe(context.Background()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wantStorage(t, s.Probe(context.Background()))
	})
}
