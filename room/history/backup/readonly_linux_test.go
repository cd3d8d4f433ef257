package backup

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"whoelse/room/history"
)

// TestTakeOfWhatCantBeWritten: a folder that a crash left, without locks, on a disk that is
// read-only, as one that is failing often is. Only root may mount; where it has to be tested the
// environment says so.
func TestTakeOfWhatCantBeWritten(t *testing.T) {
	data := makeData(t)
	must(t, os.Remove(data+"/history/backup.lock"))
	err := unix.Mount(data, data, "", unix.MS_BIND, "")
	if errors.Is(err, unix.EPERM) && os.Getenv("WHOELSE_REQUIRE_SSH") == "" {
		t.Skip("only root may mount")
	}
	must(t, err)
	t.Cleanup(func() { must(t, unix.Unmount(data, unix.MNT_DETACH)) })
	must(t, unix.Mount("", data, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	to, taken := mustTake(t, data)
	if got := paths(taken); got != kept {
		t.Errorf("copied\n%s, want\n%s", got, kept)
	}
	wantRestored(t, "restored", mustRestore(t, to))
	sum, err := history.Check(t.Context(), filepath.Join(data, "history"), history.Checking{})
	if err != nil || sum.Damaged > 1 || sum.Trouble > 0 { // bob's end is torn
		t.Errorf("%+v, %v", sum, err)
	}
	l, err := history.OpenLook(filepath.Join(data, "history"), "bob")
	must(t, err)
	n := 0
	must(t, l.Each(0, func(history.Line) bool { return true }, func(f history.Problem) { t.Error(f) }, func(history.Line) error { n++; return nil }))
	must(t, l.Close())
	if n != 2 {
		t.Errorf("bob has %d lines", n)
	}
}
