package history

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"whoelse/room"
	"whoelse/room/internal/jsonl"
	"whoelse/room/log"
)

// here makes an event whose message is said in the room or to nobody: joins and such.
func presence(n int, nick string) *room.Event {
	e := event(direct(n, nick))
	e.Kind = room.KindJoin
	return e
}

// toOne makes an event that only its recipient has a line of: guests have no history.
func toOne(n int, nick string) *room.Event { return event(direct(n, "~guest", nick)) }

func TestReadBack(t *testing.T) {
	dir := t.TempDir() + "/a/b"
	s := mustOpen(t, dir, Options{})
	m1, m2, m3 := direct(1, "bob", "carol"), direct(2, "carol", "bob"), direct(3, "bob", "carol", "dave")
	m3.Kind = room.KindGroup
	m3.Text = "two\nlines \"quoted\" \\ \x1b[2J é 日本 \U0001f600 \u202e"
	rcpt := &room.Message{ID: "id-4", Time: epoch, Kind: room.KindReceipt, From: "carol", To: []string{"bob"}, Ref: m1.ID, RefTime: m1.Time}
	receipts := read("carol", m1.ID)
	receipts.Receipts = []*room.Message{rcpt}
	hello := said(5, "bob")
	mustPut(t, s, event(m1), event(m2), event(m3), receipts, event(hello), presence(6, "bob"))
	for range 2 {
		same(t, "bob", tail(t, s, "bob", 10), []*room.Message{m1, m2, m3, rcpt})
		same(t, "bob's newest", tail(t, s, "bob", 2), []*room.Message{m3, rcpt})
		same(t, "carol", tail(t, s, "carol", 10), []*room.Message{m1, m2, m3})
		same(t, "room", tail(t, s, room.RoomHistory, 10), []*room.Message{hello})
		sameIDs(t, "presence", tail(t, s, room.PresenceHistory, 10), "id-000000006")
		same(t, "nobody", tail(t, s, "nobody", 10), nil)
		same(t, "unread of bob", unreadOf(t, s, "bob"), []*room.Message{m2, rcpt})
		same(t, "unread of carol", unreadOf(t, s, "carol"), []*room.Message{m3})
		same(t, "unread of dave", unreadOf(t, s, "dave"), []*room.Message{m3})
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
	}{{dir, 0o700}, {dir + "/users", 0o700}, {dir + "/rooms", 0o700}, {dir + "/log", 0o700}, {userFile(dir, "bob"), 0o600}} {
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
		mustPut(t, s, event(direct(n, "bob", "carol")))
	}
	mustPut(t, s, read("carol", "id-000000002", "id-000000004", "unknown"))
	for range 2 {
		sameIDs(t, "unread", unreadOf(t, s, "carol"), "id-000000001", "id-000000003", "id-000000005")
		if got := tail(t, s, "carol", 10); len(got) != 5 {
			t.Errorf("%d messages in all", len(got))
		}
		s = reopen(t, s, dir)
	}
	mustPut(t, s, read("carol", "id-000000001", "id-000000003", "id-000000005"), event(direct(6, "bob", "carol")))
	for range 2 {
		sameIDs(t, "unread", unreadOf(t, s, "carol"), "id-000000006")
		s = reopen(t, s, dir)
	}
}

// fill has so many messages wait for nick, and returns their ids.
func fill(t testing.TB, s *Store, nick string, n int) (list []string) {
	t.Helper()
	for i := range n - 1 {
		e := toOne(i, nick)
		list = append(list, e.ID)
		s.Append(e, func(err error) { t.Error(err) })
	}
	e := toOne(n-1, nick)
	mustPut(t, s, e)
	return append(list, e.ID)
}

func TestManyReadAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	const n, page = 10_000, 2000
	list := fill(t, s, "carol", n)
	for range 2 {
		if got := unreadOf(t, s, "carol"); len(got) != n {
			t.Fatalf("%d unread", len(got))
		}
		s = reopen(t, s, dir)
	}
	for at := 0; at+page < n; at += page { // what one line of the log can hold
		mustPut(t, s, read("carol", list[at:at+page]...))
	}
	mustPut(t, s, read("carol", list[n-page:n-2]...))
	for range 2 {
		sameIDs(t, "unread", unreadOf(t, s, "carol"), list[n-2:]...)
		s = reopen(t, s, dir)
	}
}

func TestSince(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	for n := range 300 {
		s.Append(presence(n, "bob"), nil)
	}
	back := presence(300, "bob")
	back.Time = epoch.Add(-time.Hour) // the clock was set back for a moment
	s.Append(back, nil)
	mustPut(t, s, presence(301, "bob"))
	got, err := room.Since(s, room.PresenceHistory, epoch.Add(298*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	sameIDs(t, "since", got, "id-000000298", "id-000000299", "id-000000301")
}

// TestLastID: ids go on after the greatest, also where the checkpoint is lost and after a
// kill.
func TestLastID(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if got := s.LastID(); got != "" {
		t.Errorf("LastID of nothing is %q", got)
	}
	mustPut(t, s, event(direct(7, "bob", "carol")), event(direct(3, "bob", "carol")))
	for range 3 {
		if got := s.LastID(); got != "id-000000007" {
			t.Errorf("LastID is %q", got)
		}
		s = reopen(t, s, dir)
	}
	mustPut(t, s, event(said(9, "bob")))
	killed := copyDir(t, dir)
	if got := mustOpen(t, killed, Options{}).LastID(); got != "id-000000009" {
		t.Errorf("LastID after a kill is %q", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"{}", "half of {", ""} {
		writeAll(t, dir+"/"+checkpointFile, []byte(left))
		s = mustOpen(t, dir, Options{})
		if got := s.LastID(); got != "id-000000009" {
			t.Errorf("LastID with a checkpoint of %q is %q", left, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOrder: entries come back in the order of the appends, and each one once, what is
// refused excepted.
func TestOrder(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var got []string
	all := make(chan struct{})
	s.Follow(func(batch []room.Entry) {
		for _, e := range batch {
			if e.Seq != uint64(len(got)+1) {
				t.Errorf("%s has the number %d", e.ID, e.Seq)
			}
			if have, err := room.Collect(s.Tail("carol", 1, nil)); err != nil || len(have) == 0 || have[0].ID < e.ID {
				t.Errorf("%s comes back, and is not in the history: %v %v", e.ID, ids(have), err)
			}
			got = append(got, e.ID)
		}
		if got[len(got)-1] == "id-000000999" {
			close(all)
		}
	})
	refused := make(chan error, 1000)
	for n := range 1000 {
		e := event(direct(n, "bob", "carol"))
		if n%50 == 0 {
			e.Text = strings.Repeat("\x01", 100<<10) // too long
		}
		s.Append(e, func(err error) { refused <- err })
	}
	<-all
	for i, n := 0, 0; n < 1000; n++ {
		if n%50 == 0 {
			if err := <-refused; !errors.Is(err, room.ErrInvalid) {
				t.Errorf("event %d: %v", n, err)
			}
			continue
		}
		if want := fmt.Sprintf("id-%09d", n); got[i] != want {
			t.Fatalf("%s comes, not %s", got[i], want)
		}
		i++
	}
}

// TestUnknownMembersSurvive: what a newer program has written into the log, this one has in the
// histories too, also after a nick was renamed.
func TestUnknownMembersSurvive(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustPut(t, s, event(direct(1, "carol", "bob")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segment := filepath.Join(dir, "log", log.SegmentName(2))
	const start = `"v":1,"time":"2026-11-21T06:31:03.123Z","from":"bob",`
	var text []byte
	for i, rest := range []string{
		`"id":"id-000000002","kind":"direct","to":["carol"],"a":{"b":[1,2.50]}`,
		`"id":"id-000000003","kind":"room","room":"lobby","text":"hi","b":"c"`,
		`"id":"id-000000005","kind":"read","read":["id-000000001"],"c":true,"receipts":[{"id":"id-000000004",` +
			`"time":"2026-11-21T06:31:03.123Z","kind":"receipt","from":"bob","to":["carol"],"ref":"id-000000001","d":1}]`,
	} {
		line := fmt.Appendf(nil, `{"seq":%d,%s%s`, i+2, start, rest)
		text = append(text, jsonl.Seal(line, 0)...)
	}
	writeAll(t, segment, text)
	s = mustOpen(t, dir, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := func(path string, members ...string) {
		t.Helper()
		for _, m := range members {
			if b := readAll(t, path); !bytes.Contains(b, []byte(m+`,"crc":`)) {
				t.Errorf("%s lacks %s:\n%s", path, m, b)
			}
		}
	}
	want(userFile(dir, "bob"), `"to":["carol"],"a":{"b":[1,2.50]}`, `"ids":["id-000000001"],"c":true`)
	want(userFile(dir, "carol"), `"to":["carol"],"a":{"b":[1,2.50]}`, `"ref":"id-000000001","d":1`)
	want(filepath.Join(dir, "rooms", "lobby.jsonl"), `"text":"hi","b":"c"`)
	s = renamed(t, dir, "carol", "cate")
	sameIDs(t, "unread", unreadOf(t, s, "cate"), "id-000000002", "id-000000004")
	want(userFile(dir, "cate"), `"to":["cate"],"a":{"b":[1,2.50]}`, `"ref":"id-000000001","d":1`)
}

// TestOddOwners: names that are no nicks never become paths, and an event that has one
// costs nothing else, after a restart neither.
func TestOddOwners(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	odd := []string{"", "../bob", ".bob", "Bob", "b\x00", strings.Repeat("b", 33), "#../other", "a/b", ".."}
	for n, nick := range odd {
		mustPut(t, s, event(direct(10+n, "ann", nick, "dan")), event(direct(30+n, nick, "dan")), read(nick, "x"), retired(nick, 50+n))
		if _, err := room.Collect(s.Tail(nick, 1, nil)); !errors.Is(err, room.ErrStorage) || !errors.Is(err, errOwner) {
			t.Errorf("%q: %v", nick, err)
		}
	}
	killed := copyDir(t, dir)
	for _, s := range []*Store{s, mustOpen(t, killed, Options{})} {
		if n := len(unreadOf(t, s, "dan")); n != 2*len(odd) {
			t.Errorf("%d messages of %d", n, 2*len(odd))
		}
		if nicks, err := s.Nicks(); err != nil || strings.Join(nicks, " ") != "ann dan" {
			t.Errorf("%v %v", nicks, err)
		}
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
	s.Append(event(direct(1, "bob", "carol")), nil)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var locked sync.Mutex // failed comes from elsewhere, also now
	locked.Lock()
	failed := make(chan error, 1)
	s.Append(event(direct(2, "bob", "carol")), func(err error) { locked.Lock(); failed <- err })
	locked.Unlock()
	wantStorage(t, <-failed)
	_, err := room.Collect(s.Unread("bob"))
	wantStorage(t, err)
	_, err = s.Waiting("bob")
	wantStorage(t, err)
}

func TestEvictedOwners(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{Owners: 3})
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			me, you := fmt.Sprintf("n%d", n), fmt.Sprintf("n%d", (n+1)%20)
			for i := range 20 {
				mustPut(t, s, event(direct(n*100+i, me, you)))
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
			if got := unreadOf(t, s, nick); len(got) != 10 {
				t.Fatalf("%s has %d unread", nick, len(got))
			}
		}
		if n := len(s.owners); n > 4 { // the one that was asked for last too
			t.Errorf("%d owners are in memory", n)
		}
		s = reopen(t, s, dir)
		s.opts.Owners = 3
	}
}
