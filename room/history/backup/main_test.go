package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"whoelse/room"
	"whoelse/room/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// full has the tests do all that they can, however long that takes.
var full = os.Getenv("WHOELSE_TEST") == "full"

var epoch = time.Date(2026, 11, 21, 6, 31, 3, 123e6, time.UTC)

func message(n int, from string, to ...string) *room.Message {
	return &room.Message{
		ID: fmt.Sprintf("id-%09d", n), Time: epoch.Add(time.Duration(n) * time.Millisecond),
		Kind: room.KindGroup, From: from, To: to, Text: fmt.Sprintf("message %d", n),
	}
}

// put appends a message and waits until it is in the histories.
func put(s *history.Store, m *room.Message) error {
	v, _ := waiting.Load(s)
	done, failed := make(chan struct{}), make(chan error, 1)
	v.(*sync.Map).Store(m.ID, done)
	s.Append(&room.Event{Message: *m}, func(err error) { failed <- err })
	select {
	case <-done:
		return nil
	case err := <-failed:
		return err
	}
}

// waiting has, by store, who waits for which message.
var waiting sync.Map

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openStore(t testing.TB, data string, opts history.Options) *history.Store {
	t.Helper()
	s, err := history.Open(filepath.Join(data, "history"), opts)
	must(t, err)
	var told sync.Map
	waiting.Store(s, &told)
	s.Follow(func(batch []room.Entry) {
		for _, e := range batch {
			if done, ok := told.LoadAndDelete(e.ID); ok {
				close(done.(chan struct{}))
			}
		}
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// ids are those of an owner's messages.
func ids(t testing.TB, s *history.Store, owner string) []string {
	t.Helper()
	all, err := room.Collect(s.Tail(owner, 1e6, nil))
	must(t, err)
	var list []string
	for _, m := range all {
		list = append(list, m.ID)
	}
	return list
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// makeData is a data folder with a bit of everything, whose server was killed: the
// last message is in the log alone.
func makeData(t testing.TB) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	s := openStore(t, data, history.Options{})
	must(t, put(s, message(1, "bob", "carol", "dan")))
	must(t, s.Close())
	s = openStore(t, data, history.Options{})
	must(t, put(s, message(2, "carol", "bob")))
	killed := filepath.Join(t.TempDir(), "data")
	must(t, os.CopyFS(killed, os.DirFS(data)))
	must(t, os.Remove(killed+"/history/lock"))
	must(t, os.Truncate(killed+"/history/users/bob.jsonl", 200)) // the message is in no file
	for name, text := range map[string]string{
		"host_key": "secret", "authorized_keys": "key bob\n", "authorized_keys.lock": "", "bans.json": "[]", "invites.json": "{}",
		"settings/bob.json": "{}", "audit.jsonl": "{}\n", "bans.json.12345.tmp": "half", "bans.json.tmp": "half",
	} {
		write(t, filepath.Join(killed, name), text)
	}
	return killed
}

// kept is what of makeData is in a backup.
const kept = "audit.jsonl authorized_keys bans.json history/checkpoint.json history/log/00000000000000000002.jsonl history/users/bob.jsonl " +
	"history/users/carol.jsonl history/users/dan.jsonl history/version host_key invites.json settings/bob.json"

func paths(m *Manifest) string {
	var list []string
	for _, f := range m.Files {
		list = append(list, f.Path)
	}
	return strings.Join(list, " ")
}

func mustTake(t testing.TB, data string) (string, *Manifest) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "backup")
	taken, err := Take(t.Context(), data, to, Options{Program: "test"})
	must(t, err)
	return to, taken
}

func mustRestore(t testing.TB, from string) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "restored")
	_, err := Restore(t.Context(), from, data, nil, Options{})
	must(t, err)
	return data
}

// wantRestored sees that a folder has all of makeData, and nothing else.
func wantRestored(t testing.TB, what, data string) {
	t.Helper()
	for name, want := range map[string]string{"host_key": "secret", "authorized_keys": "key bob\n", "settings/bob.json": "{}"} {
		if got, err := os.ReadFile(filepath.Join(data, name)); err != nil || string(got) != want {
			t.Errorf("%s: %s has %q, %v", what, name, got, err)
		}
	}
	if left, _ := filepath.Glob(data + "/history/log/*"); len(left) > 0 {
		t.Errorf("%s: %v is left", what, left)
	}
	for _, name := range []string{"authorized_keys.lock", "bans.json.12345.tmp", "bans.json.tmp", ManifestName} {
		if _, err := os.Lstat(filepath.Join(data, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: there is %s", what, name)
		}
	}
	s, err := history.Open(filepath.Join(data, "history"), history.Options{})
	must(t, err)
	for owner, want := range map[string]string{"bob": "id-000000001 id-000000002", "carol": "id-000000001 id-000000002", "dan": "id-000000001"} {
		if got := strings.Join(ids(t, s, owner), " "); got != want {
			t.Errorf("%s: %s has %s", what, owner, got)
		}
	}
	if s.Stats().Damaged > 0 || s.LastID() != "id-000000002" {
		t.Errorf("%s: %d damaged, the last id is %s", what, s.Stats().Damaged, s.LastID())
	}
	must(t, s.Close())
	wantPrivate(t, data)
}

// wantPrivate sees that nobody else can read anything.
func wantPrivate(t testing.TB, dir string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}
