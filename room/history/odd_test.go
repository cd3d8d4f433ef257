package history

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"whoelse/room"
)

// A history that is a hard link to somebody else's file is not written to, nor cut where
// it does not end with a whole line, and costs nobody else anything.
func TestHardLinks(t *testing.T) {
	for _, begun := range []string{"before", "between"} {
		t.Run(begun, func(t *testing.T) {
			dir := t.TempDir()
			foreign := t.TempDir() + "/foreign"
			writeAll(t, foreign, []byte("somebody else's\nfile, without a newline at its end"))
			files := []string{"/users/carol.jsonl", "/room.jsonl", "/presence.jsonl"}
			owners := []string{"carol", room.RoomHistory, room.PresenceHistory}
			s := mustOpen(t, dir, Options{})
			link := func() {
				t.Helper()
				for _, file := range files {
					os.Remove(dir + file)
					if err := os.Link(foreign, dir+file); err != nil {
						t.Fatal(err)
					}
				}
			}
			if begun == "before" {
				link()
			}
			s = reopen(t, s, dir)
			if begun == "between" {
				for _, owner := range owners {
					mustPut(t, s, room.Record{Owner: owner, Message: said(1, "bob")})
				}
				link()
			}
			for _, owner := range owners {
				err := put(s, room.Record{Owner: owner, Message: said(2, "bob")})
				wantStorage(t, err)
				if !errors.Is(err, room.ErrUnusable) || !strings.Contains(err.Error(), "hard link") {
					t.Errorf("%s: %v", owner, err)
				}
			}
			mustPut(t, s, to(direct(3, "bob", "dave"))...)
			s = reopen(t, s, dir)
			sameIDs(t, "dave", tail(t, s, "dave", 10), "id-000000003")
			if got := string(readAll(t, foreign)); got != "somebody else's\nfile, without a newline at its end" {
				t.Errorf("the foreign file is %q", got)
			}
			if err := os.Remove(dir + "/users/carol.jsonl"); err != nil {
				t.Fatal(err)
			}
			mustPut(t, s, to(direct(4, "bob", "carol"))...)
			sameIDs(t, "carol", unread(t, s, "carol"), "id-000000004")
		})
	}
}

type nobody struct{}

func (nobody) Held(string) bool                      { return true }
func (nobody) Free(string) bool                      { return true }
func (nobody) Blocked(string) ([]string, error)      { return nil, nil }
func (nobody) SetBlocked(string, []string) error     { return nil }
func (nobody) Absence(string) (room.Absence, error)  { return room.Absence{}, nil }
func (nobody) SetAbsence(string, room.Absence) error { return nil }

// Whatever stands in the place of a shared history, the room is there, and only what
// would be in that history is missing.
func TestRoomWithoutItsHistories(t *testing.T) {
	for what, place := range map[string]func(string) error{
		"folder": func(p string) error { return os.Mkdir(p, 0o700) },
		"pipe":   func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"link":   func(p string) error { return os.Symlink("users", p) },
		"nobody": func(p string) error { return os.Symlink("/nowhere", p) },
	} {
		for _, file := range []string{"/room.jsonl", "/presence.jsonl"} {
			t.Run(fmt.Sprint(what, file), func(t *testing.T) {
				dir := t.TempDir()
				if err := place(dir + file); err != nil {
					t.Fatal(err)
				}
				s := mustOpen(t, dir, Options{})
				r, err := room.New(s, nobody{}, nobody{}, room.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				bob := r.Visit(room.Who{Nick: "bob"})
				stored := make(chan error, 1)
				bob.Say(room.KindSay, "hello", func(err error) { stored <- err })
				if err := <-stored; errors.Is(err, room.ErrStorage) != (file == "/room.jsonl") {
					t.Errorf("said: %v", err)
				}
				receipt := make(chan room.Receipt, 1)
				bob.Send([]string{"carol"}, "hello", func(r room.Receipt) { receipt <- r })
				if got := <-receipt; got.Outcome != room.KeptOffline {
					t.Errorf("sent: %+v", got)
				}
			})
		}
	}
}
