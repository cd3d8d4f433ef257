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
	for {
		p, err := n.settings.Load(nick)
		if err != nil {
			return err
		}
		p.Blocked = append(p.Blocked, whom)
		if err = n.settings.Save(nick, p); !errors.Is(err, room.ErrConflict) {
			return err
		}
	}
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
	if len(first.Blocked) != 12 || first.Version == "" {
		t.Errorf("%+v", first)
	}
	for _, n := range all[1:] {
		if diff := cmp.Diff(first, n.load(t, "bob")); diff != "" {
			t.Error(diff)
		}
	}
	first.Absence = room.Absence{Reason: "lunch", Since: time.Now().UTC().Truncate(time.Second)}
	if err := all[0].settings.Save("bob", first); err != nil {
		t.Error(err)
	}
	for _, n := range all { // what was loaded before that
		if err := n.settings.Save("bob", first); !errors.Is(err, room.ErrConflict) || !errors.Is(err, room.ErrStorage) {
			t.Errorf("saving what comes from an older version: %v", err)
		}
		if err := n.settings.Save("bob", room.Preferences{}); !errors.Is(err, room.ErrConflict) {
			t.Errorf("saving what comes from no version: %v", err)
		}
	}
	n, same := all[0].Log.Len(), all[0].load(t, "bob")
	if err := all[0].settings.Save("bob", same); err != nil || all[0].Log.Len() != n {
		t.Errorf("saving the same: %v", err)
	}
	if err := all[1].settings.Retire("bob", time.Now()); err != nil {
		t.Error(err)
	}
	for _, n := range all {
		if p := n.load(t, "bob"); len(p.Blocked) > 0 || p.Version != "" {
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

// TestSharedRooms: one of several servers makes a room; changes of it conflict; and it is closed on all.
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
	if err := all[0].rooms.Save(ops); err != nil {
		t.Fatal(err)
	}
	if err := all[1].rooms.Save(room.RoomInfo{Name: "ops", ID: "0abd", MadeBy: "carol"}); !errors.Is(err, room.ErrConflict) {
		t.Errorf("the same room is made twice: %v", err)
	}
	one, two := get(all[0]), get(all[1])
	if diff := cmp.Diff(one, two, cmp.AllowUnexported(one)); diff != "" || one.Version == "" || one.MadeBy != "bob" {
		t.Errorf("%+v %s", one, diff)
	}
	one.Topic, two.Topic = "mine", "theirs"
	all[0].Between = func() { // the other is faster
		all[0].Between = nil
		if err := all[1].rooms.Save(two); err != nil {
			t.Error(err)
		}
	}
	if err := all[0].rooms.Save(one); !errors.Is(err, room.ErrConflict) {
		t.Errorf("%v", err)
	}
	if got := get(all[0]); got.Topic != "theirs" {
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
	if n := all[0].Log.Len(); n != 3 {
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
		p, err := n.settings.Load("bob")
		if err != nil {
			t.Fatal(err)
		}
		p.Blocked, p.Absence = []string{"mallory"}, room.Absence{}
		if err := n.settings.Save("bob", p); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(filepath.Join(n.dir, "settings", "bob.json")); string(got) != want {
			t.Errorf("%s became %s", text, got)
		}
		if err := n.settings.Save("bob", room.Preferences{Version: versionOf([]byte(want))}); err != nil && text != "{}" {
			t.Error(err)
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
