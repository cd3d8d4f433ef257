package sessions

import (
	"sync/atomic"
	"time"
)

// How far apart a screen is drawn again because its window changed, at least: drawEvery, and as long as drawBytes a second
// take for what was drawn.
const (
	drawEvery = 100 * time.Millisecond
	drawBytes = 64 << 10
)

// window follows the changes of a terminal's window, however many there are; the last one is always followed. changed is for
// any goroutine, the other methods are for the writing one.
type window struct {
	poke  func() // has the writing goroutine run
	state atomic.Int32
	next  time.Time // when it may be drawn again
}

// The states of a window.
const (
	isFollowed int32 = iota
	hasChanged
	isLate // it has changed, and a timer runs
)

// changed notes a change. It does not wait.
func (w *window) changed() {
	if w.state.CompareAndSwap(isFollowed, hasChanged) {
		w.poke()
	}
}

// due reports whether a change is to be followed now; if not yet, poke is called when it is. Whoever asks follows it
// to the size that the window has afterwards.
func (w *window) due() bool {
	if w.state.Load() != hasChanged {
		return false
	}
	wait := time.Until(w.next)
	if wait <= 0 {
		w.state.Store(isFollowed)
		return true
	}
	w.state.Store(isLate)
	time.AfterFunc(wait, func() {
		w.state.Store(hasChanged)
		w.poke()
	})
	return false
}

// drawn notes that a change was followed, with so many bytes.
func (w *window) drawn(bytes int) {
	w.next = time.Now().Add(drawEvery + time.Duration(bytes)*time.Second/drawBytes)
}
