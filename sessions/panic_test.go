package sessions_test

import (
	"testing"
	"time"
)

// A session that makes the server panic ends, and leaves no ghost in the room.
func TestPanicLeavesNoGhost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bob := r.pipe("bob")
	bob.typed("hello\n")
	bob.sees("hello")
	r.motd = motdPanics
	bob.typed("/motd\n")
	for late := time.Now().Add(patience); r.room.Stats().Sessions > 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("bob is still there")
		}
	}
}
