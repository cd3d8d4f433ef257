package log

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// TestAnswersInOrder: what is refused is answered in its turn, between what is accepted.
func TestAnswersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustOpen(t, mustSub(t, disktest.New()), Options{})
		var answers, want []string // of the follower's goroutine until it has ended
		l.Follow(func(batch []room.Entry) {
			for _, e := range batch {
				answers = append(answers, e.ID)
			}
		})
		for n := range 100 {
			e := direct(n)
			want = append(want, e.ID)
			failed := func(error) { answers = append(answers, e.ID) }
			switch {
			case n%5 == 1:
				l.Refuse(room.ErrStorage, failed)
				continue
			case n%5 == 3:
				e.Text = strings.Repeat("x", 200<<10) // too long
			}
			l.Append(e, failed)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(answers, want) {
			t.Errorf("answered were %q", answers)
		}
	})
}
