package history

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// TestPlaces: what a journal has for a file that was shortened.
func TestPlaces(t *testing.T) {
	list := []span{{900, []byte("gone")}, {996, []byte("goneleft")}, {1010, []byte("x")}}
	got := trimMark{at: 130, was: 1000}.places(list)
	if len(got) != 2 || got[0].off != 130 || string(got[0].data) != "left" || got[1].off != 140 || string(got[1].data) != "x" {
		t.Errorf("%v", got)
	}
	if got := (trimMark{}).places(list); len(got) != 3 || got[1].off != 996 {
		t.Errorf("%v", got)
	}
}

// shortened is content behind a trim line that says that it was cut before was.
func shortened(was int64, content []byte) []byte {
	t := &trimming{cut: was}
	return slices.Concat(t.head(0), content)
}

// TestLookAtAShortenedFile: what waits finds its place in it.
func TestLookAtAShortenedFile(t *testing.T) {
	dir := t.TempDir()
	_, all := makeSmall(t, dir)
	old, fresh := mustLine(t, all[3]), mustLine(t, direct(9, "bob", "carol"))
	writeAll(t, userFile(dir, "carol"), shortened(5000, old))
	text := appendRecord(header(0, 0), true, 4000, "carol", mustLine(t, all[1]))
	text = appendRecord(text, true, 5000, "carol", old)
	text = appendRecord(text, true, 5000+int64(len(old)), "carol", fresh)
	writeAll(t, dir+"/journal/000001.log", text)
	if bad := wantLook(t, dir, "carol", 0, "03* 09*"); bad != "" {
		t.Error(bad)
	}
}

// TestRepairOfAShortenedFile: offsets are counted anew once it was rewritten.
func TestRepairOfAShortenedFile(t *testing.T) {
	content, all := makeSmall(t, t.TempDir())
	content[20] ^= 1
	m := withCarol(shortened(1000, content))
	mustRepair(t, m)
	got, _ := messagesOf(t, m)
	same(t, "messages", got, all[1:])
	if bytes.Contains(m.content("carol.jsonl"), fmt.Appendf(nil, "%q", kindTrim)) {
		t.Error("the offsets are still counted as before")
	}
	m = withCarol(shortened(1000, m.content("carol.jsonl")))
	if sum, list := checkIn(t, m); sum.Damaged != 0 {
		t.Errorf("a shortened file: %v", list)
	}
}
