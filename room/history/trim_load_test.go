package history

import (
	"fmt"
	"sync"
	"testing"

	"whoelse/room"
)

// TestTrimUnderLoad has people write and read while histories are shortened.
func TestTrimUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{MaxBytes: 8000, RoomMaxBytes: 20_000, Owners: 3, OpenFiles: 2, JournalBytes: 20_000})
	const writers, each = 4, 140
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			from, reader := fmt.Sprint("w", w), fmt.Sprint("r", w)
			for i := range each {
				m := direct(w*each+i, from, reader)
				recs := append(to(m), room.Record{Owner: room.RoomHistory, Message: m})
				if err := put(s, recs...); err != nil {
					t.Error(err)
				}
				got, err := room.Collect(s.Unread(reader))
				if err != nil || len(got) == 0 || got[len(got)-1].ID != m.ID {
					t.Errorf("%s is not the last unread of %v: %v", m.ID, ids(got), err)
				}
				if i%7 != 0 {
					if err := put(s, read(reader, m.ID)); err != nil {
						t.Error(err)
					}
				}
				if last, err := room.Collect(s.Tail(room.RoomHistory, 50, nil)); err != nil || len(last) == 0 {
					t.Errorf("the room: %d messages: %v", len(last), err)
				}
			}
		})
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := room.Collect(s.Tail("w0", 1, nil)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
	close(done)
	readers.Wait()
	s = reopen(t, s, dir)
	for w := range writers {
		var want []string
		for i := 0; i < each; i += 7 {
			want = append(want, fmt.Sprintf("id-%09d", w*each+i))
		}
		sameIDs(t, "unread", unread(t, s, fmt.Sprint("r", w)), want...)
		if size := len(readAll(t, userFile(dir, fmt.Sprint("w", w)))); size > 20_000 {
			t.Errorf("w%d has %d bytes", w, size)
		}
	}
	if s.Damaged() > 0 {
		t.Errorf("%d damaged", s.Damaged())
	}
}
