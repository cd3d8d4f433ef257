package disk

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWatchedSeesWhatLooksTheSame: a change just after the file was read is noticed, even if it has the size and the
// time of the one before, and the same inode.
func TestWatchedSeesWhatLooksTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	w := &Watched{Path: path, Now: func() time.Time { return time.Now().Add(time.Hour) }} // all has settled
	now := time.Now().Add(time.Minute)                                                    // however slow this machine is
	changeAt := func(text string, at time.Time) {
		write(t, path, text)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	changeAt("first", now)
	w.Read(w.Look())
	changeAt("other", now)
	if !w.Due() {
		t.Error("the change is not noticed")
	}
	changeAt("other", now.Add(-time.Hour))
	if w.Read(w.Look()); w.Due() {
		t.Error("an old file is read again and again")
	}
}
