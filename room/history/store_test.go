package history

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"whoelse/room"
)

func TestReadBack(t *testing.T) {
	dir := t.TempDir() + "/a/b"
	s := mustOpen(t, dir, Options{})
	m1, m2, m3 := direct(1, "bob", "carol"), direct(2, "carol", "bob"), direct(3, "bob", "carol", "dave")
	m3.Kind = room.KindGroup
	m3.Text = "two\nlines \"quoted\" \\ \x1b[2J é 日本 \U0001f600 \u202e"
	rcpt := &room.Message{ID: "id-4", Time: epoch, Kind: room.KindReceipt, From: "carol", To: []string{"bob"}, Ref: m1.ID, RefTime: m1.Time}
	hello := said(5, "bob")
	for _, recs := range [][]room.Record{to(m1), to(m2), to(m3), {{Owner: "bob", Message: rcpt}}, {{Owner: room.RoomHistory, Message: hello}}} {
		mustPut(t, s, recs...)
	}
	for range 2 {
		same(t, "bob", tail(t, s, "bob", 10), []*room.Message{m1, m2, m3, rcpt})
		same(t, "bob's newest", tail(t, s, "bob", 2), []*room.Message{m3, rcpt})
		same(t, "carol", tail(t, s, "carol", 10), []*room.Message{m1, m2, m3})
		same(t, "room", tail(t, s, room.RoomHistory, 10), []*room.Message{hello})
		same(t, "nobody", tail(t, s, "nobody", 10), nil)
		same(t, "unread of bob", unread(t, s, "bob"), []*room.Message{m2, rcpt})
		same(t, "unread of carol", unread(t, s, "carol"), []*room.Message{m1, m3})
		same(t, "unread of dave", unread(t, s, "dave"), []*room.Message{m3})
		if got := s.LastID(); got != hello.ID && got != "id-4" {
			t.Errorf("LastID is %q", got)
		}
		got, err := room.Collect(s.Tail("bob", 1, func(m *room.Message) (bool, error) { return m.From == "carol" && m.Kind == room.KindDirect, nil }))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "kept", got, []*room.Message{m2})
		s = reopen(t, s, dir)
	}
	for _, p := range []struct {
		path string
		mode os.FileMode
	}{{dir, 0o700}, {dir + "/users", 0o700}, {dir + "/journal", 0o700}, {userFile(dir, "bob"), 0o600}} {
		if info, err := os.Stat(p.path); err != nil || info.Mode().Perm() != p.mode {
			t.Errorf("%s: %v %v", p.path, info.Mode(), err)
		}
	}
	if strings.ContainsAny(string(readAll(t, userFile(dir, "bob"))), "\x1b\u202e") {
		t.Error("the file has control characters in it")
	}
}

func TestReadMarks(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for n := 1; n <= 5; n++ {
		mustPut(t, s, to(direct(n, "bob", "carol"))...)
	}
	mustPut(t, s, read("carol", "id-000000002", "id-000000004", "unknown"))
	for range 2 {
		sameIDs(t, "unread", unread(t, s, "carol"), "id-000000001", "id-000000003", "id-000000005")
		if got := tail(t, s, "carol", 10); len(got) != 5 {
			t.Errorf("%d messages in all", len(got))
		}
		s = reopen(t, s, dir)
	}
	mustPut(t, s, read("carol", "id-000000001", "id-000000003", "id-000000005"))
	mustPut(t, s, to(direct(6, "bob", "carol"))...)
	for range 2 {
		sameIDs(t, "unread", unread(t, s, "carol"), "id-000000006")
		s = reopen(t, s, dir)
	}
}

func TestManyReadAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	const n = 10_000
	list := make([]string, n)
	for i := range n {
		m := direct(i, "bob", "carol")
		list[i] = m.ID + strings.Repeat("x", 20)
		m.ID = list[i]
		s.Append(nil, room.Record{Owner: "carol", Message: m})
	}
	mustPut(t, s)
	if got := unread(t, s, "carol"); len(got) != n {
		t.Fatalf("%d unread", len(got))
	}
	s = reopen(t, s, dir)
	if got := unread(t, s, "carol"); len(got) != n {
		t.Fatalf("%d unread after a restart", len(got))
	}
	mustPut(t, s, read("carol", list[:n-2]...))
	for range 2 {
		sameIDs(t, "unread", unread(t, s, "carol"), list[n-2:]...)
		s = reopen(t, s, dir)
	}
}

func TestSince(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	for n := range 300 {
		s.Append(nil, room.Record{Owner: room.PresenceHistory, Message: said(n, "bob")})
	}
	back := said(300, "bob")
	back.Time = epoch.Add(-time.Hour) // the clock was set back for a moment
	s.Append(nil, room.Record{Owner: room.PresenceHistory, Message: back})
	mustPut(t, s, room.Record{Owner: room.PresenceHistory, Message: said(301, "bob")})
	got, err := s.Since(room.PresenceHistory, epoch.Add(298*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	sameIDs(t, "since", got, "id-000000298", "id-000000299", "id-000000301")
}

func TestLastID(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if got := s.LastID(); got != "" {
		t.Errorf("LastID of nothing is %q", got)
	}
	mustPut(t, s, to(direct(7, "bob", "carol"))...)
	mustPut(t, s, to(direct(3, "bob", "carol"))...)
	for range 3 {
		if got := s.LastID(); got != "id-000000007" {
			t.Errorf("LastID is %q", got)
		}
		s = reopen(t, s, dir)
	}
	mustPut(t, s, room.Record{Owner: room.RoomHistory, Message: said(9, "bob")})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	writeAll(t, dir+"/"+stateFile, []byte("{}"))
	s = mustOpen(t, dir, Options{})
	if got := s.LastID(); got != "id-000000009" {
		t.Errorf("LastID without %s is %q", stateFile, got)
	}
}

func TestOrderOfDones(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	var mu sync.Mutex
	var order []int
	all := make(chan struct{})
	for n := range 1000 {
		s.Append(func(err error) {
			if (err != nil) != (n%7 == 0) {
				t.Errorf("unit %d: %v", n, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if order = append(order, n); len(order) == 1000 {
				close(all)
			}
		}, room.Record{Owner: map[bool]string{true: "../x", false: "bob"}[n%7 == 0], Message: direct(n, "bob", "carol")})
	}
	<-all
	for i, n := range order {
		if i != n {
			t.Fatalf("done %d was called as number %d", n, i)
		}
	}
}

func TestAppendInDone(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	done := make(chan error)
	s.Append(func(error) {
		s.Append(func(err error) { go func() { done <- err }() }, to(direct(2, "bob", "carol"))...)
	}, to(direct(1, "bob", "carol"))...)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestRefusedRecords(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	m := direct(1, "bob", "carol")
	long := direct(2, "bob", "carol")
	long.Text = strings.Repeat("\x01", maxLine/6)
	year := direct(3, "bob", "carol")
	year.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	mark := direct(4, "bob", "carol")
	mark.Kind = "state"
	for name, r := range map[string]room.Record{
		"nothing": {Owner: "bob"}, "both": {Owner: "bob", Message: m, Read: []string{"x"}},
		"long": {Owner: "bob", Message: long}, "year": {Owner: "bob", Message: year}, "mark": {Owner: "bob", Message: mark},
		"empty": {Message: m}, "path": {Owner: "../bob", Message: m}, "dot": {Owner: ".bob", Message: m},
		"capital": {Owner: "Bob", Message: m}, "guest": {Owner: "~bob", Message: m}, "nul": {Owner: "b\x00", Message: m},
		"too long": {Owner: strings.Repeat("b", 33), Message: m}, "long id": {Owner: "bob", Read: []string{strings.Repeat("x", maxLine)}},
	} {
		err := put(s, room.Record{Owner: "bob", Message: m}, r)
		if !errors.Is(err, room.ErrStorage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, "bob", tail(t, s, "bob", 10), nil)
	if _, err := room.Collect(s.Tail("../bob", 1, nil)); !errors.Is(err, room.ErrStorage) {
		t.Error(err)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Fatalf("second Open: %v", err)
	}
	reopen(t, s, dir)
}

func TestClosed(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	s.Append(nil, to(direct(1, "bob", "carol"))...)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var locked sync.Mutex // done comes from elsewhere, also now
	locked.Lock()
	done := make(chan error, 1)
	s.Append(func(err error) { locked.Lock(); done <- err }, to(direct(2, "bob", "carol"))...)
	locked.Unlock()
	wantStorage(t, <-done)
	_, err := room.Collect(s.Unread("bob"))
	wantStorage(t, err)
}

func TestEvictedOwners(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{OpenFiles: 2, Owners: 3})
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			me, you := fmt.Sprintf("n%d", n), fmt.Sprintf("n%d", (n+1)%20)
			for i := range 20 {
				mustPut(t, s, to(direct(n*100+i, me, you))...)
				if i%2 == 0 {
					mustPut(t, s, read(you, fmt.Sprintf("id-%09d", n*100+i)))
				}
				if _, err := room.Collect(s.Tail(you, 5, nil)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for range 2 {
		for n := range 20 {
			nick := fmt.Sprintf("n%d", n)
			if got := tail(t, s, nick, 100); len(got) != 40 {
				t.Fatalf("%s has %d messages", nick, len(got))
			}
			if got := unread(t, s, nick); len(got) != 10 {
				t.Fatalf("%s has %d unread", nick, len(got))
			}
		}
		if n := len(s.files.items); n > 2 {
			t.Errorf("%d files are open", n)
		}
		if n := len(s.owners.items); n > 3 {
			t.Errorf("%d owners are in memory", n)
		}
		s = reopen(t, s, dir)
		s.files.max, s.owners.max = 2, 3
	}
}
