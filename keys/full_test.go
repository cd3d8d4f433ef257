package keys

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"whoelse/internal/disk"
)

// What claims may fill leaves room for operators, and what is written can be read:
// the file never gets in its own way.
func TestAFullFile(t *testing.T) {
	const limit = 4000
	r := reopen(t, registry(t, "# ours").path, disk.Store{Limit: limit})
	size := func() int64 {
		info, err := os.Stat(r.path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	claimed := 0
	for ; claimed < 100; claimed++ {
		err := r.Claim(fmt.Sprintf("p%d", claimed), newKey(t))
		if errors.Is(err, ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if claimed < 10 || size() > limit*9/10 {
		t.Errorf("%d claims, %d bytes", claimed, size())
	}
	if _, err := r.Add("p0", []PublicKey{newKey(t)}, AddOptions{LeaveRoom: true}); !errors.Is(err, ErrFull) {
		t.Errorf("another key of one's own: %v", err)
	}
	last := newKey(t)
	if _, err := r.Add("operator1", []PublicKey{last}, AddOptions{Role: RoleOperator}); err != nil {
		t.Errorf("an operator's: %v", err)
	}
	many := make([]PublicKey, 5)
	for i := range many {
		many[i] = newKey(t)
	}
	before := r.text()
	if _, err := r.Add("operator2", many, AddOptions{}); !errors.Is(err, disk.ErrTooLarge) || r.text() != before {
		t.Errorf("more than can be read: %v", err)
	} else {
		t.Log(err)
	}
	again := reopen(t, r.path, disk.Store{Limit: limit})
	again.wantHolder(last, "operator1")
	if _, err := again.Remove(Selector{Nick: "p0"}); err != nil {
		t.Errorf("making room: %v", err)
	}
	if _, err := again.Remove(Selector{Nick: "operator1"}); err != nil {
		t.Errorf("making room: %v", err)
	}
	if err := again.Claim("late", newKey(t)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
