package render_test

import (
	"testing"

	"whoelse/room"
	"whoelse/sessions/render"
)

// BenchmarkEvent is what each session costs that a line of the room goes to.
func BenchmarkEvent(b *testing.B) {
	e := &room.Update{Message: message(room.KindSay, "bob", "hello there, how are you all today?")}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = render.Event(dst[:0], e, "me", loud)
	}
}
