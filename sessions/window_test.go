package sessions

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A window that changes all the time is drawn again a few times a second, less often where that is much, and at last in
// the size that it has then.
func TestWindowThatChanges(t *testing.T) {
	for bytes, most := range map[int]int{0: 101, drawBytes / 2: 19} {
		synctest.Test(t, func(t *testing.T) {
			var size atomic.Int64
			shown, drawn := int64(0), 0
			pokes := make(chan bool, 100)
			defer close(pokes)
			w := window{poke: func() { pokes <- true }}
			go func() {
				for range pokes {
					if w.due() {
						shown = size.Load()
						drawn++
						w.drawn(bytes)
					}
				}
			}()
			for range 1000 { // within 10 seconds
				size.Add(1)
				w.changed()
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if drawn > most || drawn < most/2 || shown != size.Load() {
				t.Errorf("%d bytes: drawn %d times, at last as it was after %d of %d changes", bytes, drawn, shown, size.Load())
			}
			size.Add(1)
			w.changed()
			synctest.Wait()
			if shown != size.Load() {
				t.Error("a change after a while waits")
			}
		})
	}
}
