package sessions_test

import (
	"fmt"
	"strings"
	"testing"

	"whoelse/room"
)

// The limit of a block list is told in words, not as trouble with the disk.
func TestTooManyBlocked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registers("bob")
	r.registers("carol")
	var set room.Preferences
	for i := range 1000 {
		set.Blocked = append(set.Blocked, fmt.Sprintf("x%04d", i))
	}
	r.must(r.settings.Change("carol", func(p *room.Preferences) error { *p = set; return nil }))
	said := runs(t, r, dial{user: "carol", key: "carol", command: "block bob"})
	if want := "! whoelse: you block 1000 people already; /unblock some first\n(exit status 1)"; !strings.Contains(said, want) {
		t.Errorf("got %s", said)
	}
}
