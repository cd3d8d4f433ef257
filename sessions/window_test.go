package sessions

import (
	"testing"
	"testing/synctest"
	"time"
)

// A window that changes all the time is drawn again a few times a second, less often where that is much, and at last in
// the size that it has then.
func TestWindowThatChanges(t *testing.T) {
	for bytes, most := range map[int]int{0: 101, drawBytes / 2: 19} {
		synctest.Test(t, func(t *testing.T) {
			size, shown, drawn := 0, 0, 0
			var w window
			w.poke = func() {
				if w.due() {
					shown = size
					drawn++
					w.drawn(bytes)
				}
			}
			for range 1000 { // within 10 seconds
				size++
				w.changed()
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if drawn > most || drawn < most/2 || shown != size {
				t.Errorf("%d bytes: drawn %d times, at last as it was after %d of %d changes", bytes, drawn, shown, size)
			}
			size++
			if w.changed(); shown != size {
				t.Error("a change after a while waits")
			}
		})
	}
}
