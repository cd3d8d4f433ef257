package history

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"whoelse/internal/disk/disktest"
	"whoelse/room"
)

// TestRooms: each room has a history of its own, which a restart finds, and which is checked
// and repaired as the others are.
func TestRooms(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	lobby, ops := said(1, "bob"), []*room.Message{saidIn("ops", 2, "carol"), saidIn("ops", 3, "~guest")}
	mustPut(t, s, event(lobby), event(ops[0]), event(ops[1]))
	for range 2 {
		same(t, "lobby", tail(t, s, room.RoomHistory, 10), []*room.Message{lobby})
		same(t, "#ops", tail(t, s, "#ops", 10), ops)
		same(t, "#empty", tail(t, s, "#empty", 10), nil)
		s = reopen(t, s, dir)
	}
	mustClose(t, s)
	file := dir + "/rooms/ops.jsonl"
	writeAll(t, file, append(readAll(t, file), "damaged\n"...))
	writeAll(t, dir+"/rooms/Ops.jsonl", nil)
	var found []string
	how := Checking{Tell: func(p Problem) { found = append(found, p.String()) }}
	if _, err := Check(t.Context(), dir, how); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"rooms/ops.jsonl: byte", "rooms/Ops.jsonl: not a file of whoelse"} {
		if !strings.Contains(strings.Join(found, "\n"), want) {
			t.Errorf("check does not find %q: %q", want, found)
		}
	}
	if err := Repair(t.Context(), dir, nil, Checking{}); err != nil {
		t.Fatal(err)
	}
	if torn := string(readAll(t, file+".torn")); torn != "damaged\n" {
		t.Errorf("set aside: %q", torn)
	}
	s = mustOpen(t, dir, Options{})
	same(t, "#ops, repaired", tail(t, s, "#ops", 10), ops)
	mustClose(t, s)
	for _, bad := range []string{"#", "#..", "#../x", "#Ops", "##ops"} {
		if look, err := OpenLook(dir, bad); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the history of %q: %v, %v", bad, look, err)
		}
	}
}

// TestRoomClosed: a room of the same name begins without the lines of the one before, also after a
// kill and when the log is applied again.
func TestRoomClosed(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	closed := &room.Message{ID: "id-000000003", Time: epoch, Kind: room.KindRetired, From: "op", Room: "ops"}
	mustPut(t, s, event(direct(1, "op", "bob")), event(saidIn("ops", 2, "op")), event(closed))
	same(t, "#ops, closed", tail(t, s, "#ops", 10), nil)
	if _, err := os.Stat(dir + "/rooms/.retired/ops-" + epoch.Format(retiredStamp) + "-00000000000000000003.jsonl"); err != nil {
		t.Error(err)
	}
	now := saidIn("ops", 4, "bob")
	mustPut(t, s, event(now))
	for range 2 {
		same(t, "#ops, made again", tail(t, s, "#ops", 10), []*room.Message{now})
		sameIDs(t, "op", tail(t, s, "op", 10), "id-000000001")
		s = reopen(t, s, dir)
	}
	mustClose(t, s)
}

// TestRoomMadePublic: in a cluster the change that makes a room public sets aside what was said in it; no later change does.
func TestRoomMadePublic(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	change := func(n int, data string) *room.Event {
		e := event(saidIn("", n, ""))
		e.Kind, e.Text, e.Doc, e.Data = room.KindState, "", "rooms/ops", []byte(data)
		return e
	}
	mustPut(t, s, event(saidIn("ops", 1, "op")), change(2, `{"private":true}`), event(saidIn("ops", 3, "op")))
	same(t, "#ops, private", tail(t, s, "#ops", 10), []*room.Message{saidIn("ops", 1, "op"), saidIn("ops", 3, "op")})
	now := saidIn("ops", 5, "bob")
	mustPut(t, s, change(4, `{"aside":true}`), event(now), change(6, `{"topic":"x"}`), change(7, ""), change(8, "x"))
	same(t, "#ops, public", tail(t, s, "#ops", 10), []*room.Message{now})
	mustClose(t, s)
}

// TestShortenedRooms: the limit of a room's history holds for each room.
func TestShortenedRooms(t *testing.T) {
	inMemory(t, func(t *testing.T, fs *disktest.FS) {
		s := openIn(t, fs, Options{RoomMaxBytes: 10_000})
		var all []*room.Message
		for i := range 500 {
			all = append(all, saidIn("ops", i, "ann"))
			mustPut(t, s, event(all[i]))
			synctest.Wait()
		}
		if size := len(fileIn(fs, "rooms", "ops.jsonl")); size > 10_500 {
			t.Errorf("%d bytes", size)
		}
		suffixOf(t, "#ops", tail(t, s, "#ops", 1e6), all)
		mustClose(t, s)
	})
}
