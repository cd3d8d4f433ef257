package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whoelse/internal/sharetest"
	"whoelse/room"
)

// node is one of several servers that have settings and rooms alike.
type node struct {
	*sharetest.Server
	dir      string
	settings *Store
	rooms    *Rooms
}

func nodes(t *testing.T, n int) []*node {
	t.Helper()
	log, all := &sharetest.Log{}, make([]*node, n)
	for i := range all {
		dir := t.TempDir()
		one := &node{&sharetest.Server{Log: log}, dir, open(t, filepath.Join(dir, "settings")), openRooms(t, filepath.Join(dir, "rooms"), slog.Default())}
		one.Receive = func(doc string, data []byte) error {
			if strings.HasPrefix(doc, "rooms/") {
				return one.rooms.Receive(doc, data)
			}
			return one.settings.Receive(doc, data)
		}
		one.settings.Share(one.Change)
		one.rooms.Share(one.Change)
		all[i] = one
	}
	return all
}

func (n *node) follow(t *testing.T) {
	t.Helper()
	if err := n.Follow(n.Log.Len()); err != nil {
		t.Fatal(err)
	}
}

func (n *node) load(t *testing.T, nick string) room.Preferences {
	t.Helper()
	n.follow(t)
	p, err := n.settings.Load(nick)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// block does what a room does.
func (n *node) block(nick, whom string) error {
	return n.settings.Change(nick, func(p *room.Preferences) error {
		p.Blocked = append(p.Blocked, whom)
		return nil
	})
}

// TestSharedSettings: settings are alike, and nothing is lost of what is set on several servers at once.
func TestSharedSettings(t *testing.T) {
	all := nodes(t, 3)
	var setting sync.WaitGroup
	var serial [3]sync.Mutex // a room saves once at a time
	for i := range 12 {
		setting.Go(func() {
			serial[i%3].Lock()
			defer serial[i%3].Unlock()
			if err := all[i%3].block("bob", fmt.Sprint("m", i)); err != nil && !errors.Is(err, sharetest.ErrConflict) {
				t.Error(err)
			}
		})
	}
	setting.Wait()
	first := all[0].load(t, "bob")
	if len(first.Blocked) != 12 {
		t.Errorf("%+v", first)
	}
	for _, n := range all[1:] {
		if diff := cmp.Diff(first, n.load(t, "bob")); diff != "" {
			t.Error(diff)
		}
	}
	n, refused := all[0].Log.Len(), errors.New("no")
	if err := all[0].settings.Change("bob", func(*room.Preferences) error { return refused }); err != refused || all[0].Log.Len() != n {
		t.Errorf("a refused change: %v", err)
	}
	if err := all[1].settings.Retire("bob", time.Now()); err != nil {
		t.Error(err)
	}
	for _, n := range all {
		if p := n.load(t, "bob"); len(p.Blocked) > 0 {
			t.Errorf("after retiring: %+v", p)
		}
		aside, err := os.ReadDir(filepath.Join(n.dir, "settings", retired))
		if err != nil || len(aside) != 1 {
			t.Errorf("set aside: %v, %v", aside, err)
		}
		n.Crash(1)
		if n.follow(t); len(n.load(t, "bob").Blocked) > 0 {
			t.Error("they are back")
		}
	}
}

// TestSharedRooms: one of several servers makes a room; changes of it at the same time both count; and it is closed on all.
func TestSharedRooms(t *testing.T) {
	all := nodes(t, 2)
	get := func(n *node) room.RoomInfo {
		t.Helper()
		n.follow(t)
		rooms, err := n.rooms.Load()
		if err != nil || len(rooms) != 1 {
			t.Fatalf("%+v, %v", rooms, err)
		}
		return rooms[0]
	}
	ops := room.RoomInfo{Name: "ops", ID: "0abc", MadeBy: "bob", Owners: []string{"bob"}}
	if err := saveRoom(all[0].rooms, ops); err != nil {
		t.Fatal(err)
	}
	if err := all[1].rooms.Change("ops", func(info *room.RoomInfo) error {
		if info.ID != "0abc" || info.Name != "ops" {
			t.Errorf("another server gets %+v", info)
		}
		info.NoGuests = true
		return nil
	}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(get(all[0]), get(all[1]), cmp.AllowUnexported(ops)); diff != "" {
		t.Error(diff)
	}
	tries := 0
	all[0].Between = func() { // the other is faster
		all[0].Between = nil
		if err := all[1].rooms.Change("ops", func(info *room.RoomInfo) error { info.Topic = "theirs"; return nil }); err != nil {
			t.Error(err)
		}
	}
	if err := all[0].rooms.Change("ops", func(info *room.RoomInfo) error {
		tries++
		info.Muted = []string{"eve"}
		return nil
	}); err != nil || tries != 2 {
		t.Errorf("%v, %d tries", err, tries)
	}
	if got := get(all[0]); got.Topic != "theirs" || len(got.Muted) != 1 || !got.NoGuests || got.MadeBy != "bob" {
		t.Errorf("%+v", got)
	}
	for range 2 {
		if err := all[0].rooms.Close("ops", time.Now()); err != nil {
			t.Error(err)
		}
	}
	for _, n := range all {
		n.follow(t)
		if rooms, err := n.rooms.Load(); err != nil || len(rooms) > 0 {
			t.Errorf("%+v, %v", rooms, err)
		}
	}
	if n := all[0].Log.Len(); n != 5 {
		t.Errorf("%d changes", n)
	}
}

// TestSharedUnknownMembers: what only newer versions know is kept.
func TestSharedUnknownMembers(t *testing.T) {
	n := nodes(t, 1)[0]
	for text, want := range map[string]string{
		`{"blocked":["eve"],"later":{"a":[1]},"away":{"since":"2026-11-25T12:00:00Z"}}`: `{"blocked":["mallory"],"later":{"a":[1]}}` + "\n",
		`{"later":1}`: `{"blocked":["mallory"],"later":1}` + "\n",
		`{}`:          `{"blocked":["mallory"]}` + "\n",
	} {
		if err := n.settings.Receive("settings/bob", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := save(n.settings, "bob", mallory); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(filepath.Join(n.dir, "settings", "bob.json")); string(got) != want {
			t.Errorf("%s became %s", text, got)
		}
	}
}

// TestSharedOdd: what is not understood is passed over, and leads to no path.
func TestSharedOdd(t *testing.T) {
	n := nodes(t, 1)[0]
	for doc, data := range map[string]string{
		"settings/../x": "{}", "settings/": "{}", "rooms/x": "{}", "settings/a/b": "{}", "settings/bob": "{", "settings/carol": "[]",
		"settings/dora": `{"x":"` + strings.Repeat("x", maxFile) + `"}`, "settings/~eve": "",
	} {
		if err := n.settings.Receive(doc, []byte(data)); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
	}
	files, err := os.ReadDir(filepath.Join(n.dir, "settings"))
	if err != nil || len(files) > 0 {
		t.Errorf("%v, %v", files, err)
	}
}
