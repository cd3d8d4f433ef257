package sessions

import (
	"testing"

	"whoelse/sessions/parse"
)

// Whatever can be typed does something, in the room and as a command, or says where
// it works.
func TestEveryCommandHasAHandler(t *testing.T) {
	for _, c := range parse.Commands {
		if (commands[c.Name] != nil) == inRoomOnly[c.Name] {
			t.Errorf("%s has a handler: %v, and works only in the room: %v", c.Name, commands[c.Name] != nil, inRoomOnly[c.Name])
		}
	}
	for name := range commands {
		if c := parse.Find(name); c == nil || c.Name != name {
			t.Errorf("%s has a handler, and can't be typed", name)
		}
	}
}
