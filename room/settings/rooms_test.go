package settings

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whoelse/room"
	"whoelse/room/history"
)

func openRooms(t *testing.T, dir string, log *slog.Logger) *Rooms {
	t.Helper()
	s, err := OpenRooms(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What a room is survives; a closed one is set aside; and one whose file is damaged keeps its name.
func TestRooms(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rooms")
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ops := room.RoomInfo{
		Name: "ops", ID: "0abc", Made: at, MadeBy: "bob", Used: at, Topic: "all \"about\" it", Owners: []string{"bob"},
		Private: true, Members: []string{"carol", "dave"}, NoGuests: true, Muted: []string{"erin"}, Removed: []string{"~eve"},
	}
	s := openRooms(t, dir, slog.Default())
	for _, err := range []error{saveRoom(s, room.RoomInfo{Name: "ops", ID: "0"}), saveRoom(s, ops), saveRoom(s, room.RoomInfo{Name: "den", ID: "1"}), s.Close("den", at)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"", "../x", "Ops", ".closed", strings.Repeat("x", 33)} {
		if err, closed := saveRoom(s, room.RoomInfo{Name: bad}), s.Close(bad, at); !errors.Is(err, room.ErrStorage) || !errors.Is(closed, room.ErrStorage) {
			t.Errorf("%q is the name of a room: %v, %v", bad, err, closed)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, closedFolder, "den-20261125T120000Z.json")); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{"torn": "{\"id\":", "empty": "", "lobby": "{}"} {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	got, err := openRooms(t, dir, slog.New(slog.NewTextHandler(&log, nil))).Load()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b room.RoomInfo) int { return strings.Compare(a.Name, b.Name) })
	want := []room.RoomInfo{{Name: "empty", Unusable: true}, ops, {Name: "torn", Unusable: true}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(room.RoomInfo{})); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(log.String(), "a room can't be used"); n != 2 {
		t.Errorf("the log: %s", &log)
	}
}

type anybody struct{}

func (anybody) Registered(nick string) bool { return !strings.HasPrefix(nick, "~") }
func (anybody) Free(string) bool            { return false }
func (anybody) Bot(string) bool             { return false }

type sink chan *room.Update

func (s sink) Put(u *room.Update, shown func(bool)) {
	s <- u
	if shown != nil {
		go shown(true)
	}
}

// server is a room on real files.
type server struct {
	*room.Room
	store *history.Store
}

func start(t *testing.T, data string) server {
	t.Helper()
	store, err := history.Open(filepath.Join(data, "history"), history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := Open(filepath.Join(data, "settings"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := room.New(store, store, anybody{}, set, room.Options{Rooms: room.RoomOptions{
		Store: openRooms(t, filepath.Join(data, "rooms"), slog.Default()), Retiring: store.WithoutBackup,
		Skeleton: func(name string) string { return name },
	}})
	if err != nil {
		t.Fatal(err)
	}
	store.Follow(r.Apply)
	return server{r, store}
}

func (s server) stop(t *testing.T) {
	t.Helper()
	s.Close()
	if err := s.store.Close(); err != nil {
		t.Error(err)
	}
}

func (s server) join(t *testing.T, nick string) (*room.Member, *room.Welcome) {
	t.Helper()
	m, w, err := s.Join(room.Identity{Nick: nick}, make(sink, 1000))
	if err != nil {
		t.Fatal(err)
	}
	return m, w
}

func say(t *testing.T, m *room.Member, name, text string) {
	t.Helper()
	said := make(chan error, 1)
	if err := m.Once("", name, room.KindSay, nil, text, func(got room.Receipt) { said <- got.Err }); err != nil {
		t.Fatal(err)
	}
	if err := <-said; err != nil {
		t.Fatal(err)
	}
}

// TestRoomsOverRestarts: on real files, what rooms are, who is in them, what was said and what is unread
// are the same after a restart.
func TestRoomsOverRestarts(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	bob, _ := s.join(t, "bob")
	carol, _ := s.join(t, "carol")
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	join := func(m *room.Member, name string) error { _, err := m.JoinRoom(name, true); return err }
	must(join(bob, "plans"), bob.SetPrivate("plans", true), bob.SetTopic("plans", "a party"), bob.Invite("plans", "carol"),
		join(carol, "plans"), join(bob, "ops"), join(carol, "ops"), carol.MuteRoom("ops", true))
	say(t, bob, "plans", "seen")
	carol.Leave(room.Quit)
	say(t, bob, "plans", "for carol")
	say(t, bob, "ops", "counted")
	for range 2 {
		s.stop(t)
		s = start(t, data)
		dave, w := s.join(t, "dave")
		rooms, err := dave.Rooms()
		if err != nil || len(rooms) != 2 || rooms[1].Name != "ops" || len(w.Rooms) > 0 {
			t.Errorf("dave sees %+v, %v", rooms, err)
		}
		all, err := room.Collect(func(yield func(*room.Message, error) bool) {
			for page, err := range s.Visit(room.Identity{Nick: "bob"}).HistoryOf(context.Background(), "plans", 10) {
				for _, m := range page.Messages {
					yield(m, err)
				}
			}
		})
		if err != nil || len(all) != 2 || all[1].Text != "for carol" || all[1].Room != "plans" {
			t.Errorf("the history of #plans: %v, %v", all, err)
		}
	}
	carol, w := s.join(t, "carol")
	want := []room.RoomSummary{
		{Name: "plans", Topic: "a party", Owners: []string{"bob"}, People: 1, Private: true, Joined: true, Unread: 1, Mentions: 1},
		{Name: "ops", Owners: []string{"bob"}, People: 1, Joined: true, Muted: true, Unread: 1},
	}
	if diff := cmp.Diff(want, w.Rooms); diff != "" {
		t.Error(diff)
	}
	must(s.CloseRoom("plans", "op"))
	if _, err := carol.In("plans"); !errors.Is(err, room.ErrNoRoom) {
		t.Error(err)
	}
	s.stop(t)
	s = start(t, data)
	bob, _ = s.join(t, "bob")
	must(join(bob, "plans"))
	for page, err := range bob.HistoryOf(context.Background(), "plans", 10) {
		if err != nil || len(page.Messages) > 0 {
			t.Errorf("the history of the room before: %v, %v", page.Messages, err)
		}
	}
	s.stop(t)
}
