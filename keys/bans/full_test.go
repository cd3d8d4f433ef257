package bans

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"whoelse/keys/internal/disk"
)

// A list that would be too large to be read again is not written.
func TestATooLargeListIsNotWritten(t *testing.T) {
	path, store := filepath.Join(t.TempDir(), "bans.json"), disk.Store{Limit: 2000}
	l, err := open(path, nil, store, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; err == nil && i < 100; i++ {
		_, err = l.Add(Target{Nick: fmt.Sprint("p", i)}, "alice", "spam", 0)
	}
	if !errors.Is(err, disk.ErrTooLarge) {
		t.Errorf("%v", err)
	}
	again, err := open(path, nil, store, time.Now)
	if err != nil || len(again.All()) < 10 || len(again.All()) != len(l.All()) {
		t.Errorf("%v; %d bans of %d", err, len(again.All()), len(l.All()))
	}
}
