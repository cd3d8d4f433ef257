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

// LIST grows with the number of people: a program that is slow has many changes waiting, but no LIST for
// each of them. The newest serves for all.
func TestListsAreNotKept(t *testing.T) {
	m := &Manager{cfg: Config{Room: new(room.Room)}}
	slow := &program{session: &session{manager: m}}
	for range 3 {
		u := &room.Update{Presence: &room.Change{}}
		slow.Put(u, nil)
		m.frames(nil, []item{{event: u}}) // a program that is not slow
	}
	for _, it := range slow.updates.queue {
		for _, kept := range it.event.Rendered.Range {
			t.Errorf("%s is kept", kept)
		}
	}
	if got := m.frames(nil, slow.updates.queue[:1]); string(got) != `{"CMD":"LIST","DATA":[]}`+"\n" {
		t.Errorf("got %s", got)
	}
}

// What came before LIST is not told behind it, except messages.
func TestListIsNewerThanChanges(t *testing.T) {
	said, came := item{event: &room.Update{Message: &room.Message{}}}, item{event: &room.Update{Presence: &room.Change{}}}
	updates := gate{queue: []item{came, said, came}}
	updates.drop(isChange)
	if len(updates.queue) != 1 || updates.queue[0].event != said.event {
		t.Errorf("%d are left", len(updates.queue))
	}
}
