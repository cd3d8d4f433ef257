package sessions

import (
	"bytes"
	"testing"

	"whoelse/room"
)

// A frame is made once for all programs: the second one gets the bytes of the first, whatever
// has become of the message.
func TestFramesAreShared(t *testing.T) {
	m := &Manager{}
	u := &room.Update{Message: &room.Message{Kind: room.KindSay, From: "bob", Text: "hi"}}
	first := m.frames(nil, []item{{event: u}, {event: u}})
	u.Message.Text = "something else"
	second := m.frames([]byte("before\n"), []item{{event: u}})
	if want := append([]byte("before\n"), first[:len(first)/2]...); !bytes.Equal(second, want) {
		t.Errorf("got  %s\nwant %s", second, want)
	}
}

// What came before LIST is not told behind it, except messages.
func TestListIsNewerThanChanges(t *testing.T) {
	said, came := item{event: &room.Update{Message: &room.Message{}}}, item{event: &room.Update{Presence: &room.Change{}}}
	p := &program{queue: []item{came, said, came}}
	p.dropChanges()
	if len(p.queue) != 1 || p.queue[0].event != said.event {
		t.Errorf("%d are left", len(p.queue))
	}
}
