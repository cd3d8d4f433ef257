package snapshot

import (
	"archive/tar"
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

	"go.uber.org/goleak"

	"whoelse/room"
	"whoelse/room/cluster"
	"whoelse/room/cluster/natstest"
	"whoelse/room/history"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.init.0.func1"))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var quiet = Options{Program: "test", Log: slog.New(slog.DiscardHandler), Step: func(string, int64) {}}

// dial connects as the commands do.
func dial(t testing.TB, engine *natstest.Engine) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Dial(t.Context(), cluster.Options{
		URLs: engine.URLs(), Name: "whoelse", Replicas: 1, Keep: time.Hour, Log: quiet.Log,
	})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// spoken makes the data folder of a single server on which something was said.
func spoken(t testing.TB, texts ...string) (data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	must(t, os.Mkdir(data, 0o700))
	write(t, data, "authorized_keys", "# none\n")
	write(t, data, "host_key", "of the first server")
	h, err := history.Open(filepath.Join(data, "history"), history.Options{Log: quiet.Log})
	must(t, err)
	h.Follow(func([]room.Entry) {})
	at := time.Now()
	add := func(e room.Event) {
		at = at.Add(time.Millisecond)
		e.ID, e.Time = room.NextID("", at), at
		h.Append(&e, func(err error) { t.Error(err) })
	}
	for _, text := range texts {
		add(room.Event{Message: room.Message{Kind: room.KindSay, From: "bob", Text: text, Room: room.Lobby}})
	}
	add(room.Event{Message: room.Message{Kind: room.KindState}, Doc: "bans", Data: []byte("{}")}) // of which no history has a line
	must(t, h.Close())
	return data
}

func write(t testing.TB, data, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(data, name), []byte(text), 0o600))
}

// said is what a folder's history of the lobby has, and the number of its last event.
func said(t testing.TB, data string) (texts []string, last uint64) {
	t.Helper()
	h, err := history.Open(filepath.Join(data, "history"), history.Options{Log: quiet.Log, Given: true})
	must(t, err)
	for m, err := range h.Tail(room.RoomHistory, 100, nil) {
		must(t, err)
		texts = append(texts, m.Text)
	}
	last = h.Last()
	must(t, h.Close())
	return texts, last
}

func read(t testing.TB, data, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, name))
	must(t, err)
	return string(text)
}

// TestImportAndJoin: a server's folder founds a cluster whose stream goes on after it. A new folder gets all but the
// host key, however often it was interrupted, and a folder with another history is refused.
func TestImportAndJoin(t *testing.T) {
	t.Parallel()
	engine := natstest.New(t, 1, nil)
	data := spoken(t, "one", "two")
	c := dial(t, engine)
	must(t, Import(t.Context(), c, data, quiet))
	if Belongs(data) != "whoelse_LOG" {
		t.Errorf("the folder belongs to %q", Belongs(data))
	}
	must(t, Import(t.Context(), c, data, quiet)) // as after a crash before the last step
	if err := Import(t.Context(), dial(t, engine), spoken(t, "x"), quiet); !errors.Is(err, cluster.ErrFounded) {
		t.Errorf("another folder founds the cluster again: %v", err)
	}
	if s, err := c.Status(t.Context()); err != nil || s.Last != 3 {
		t.Errorf("the stream ends at %d: %v", s.Last, err)
	}

	fresh := filepath.Join(t.TempDir(), "fresh")
	must(t, os.Mkdir(fresh, 0o700))
	write(t, fresh, "host_key", "of the new server")
	cancelled, cancel := context.WithCancel(t.Context())
	opts := quiet
	opts.Step = func(what string, _ int64) {
		if what == "restored" {
			cancel()
		}
	}
	if err := Join(cancelled, dial(t, engine), fresh, opts); err == nil {
		t.Fatal("an interrupted start joins")
	}
	must(t, Join(t.Context(), dial(t, engine), fresh, quiet))
	check := func() {
		t.Helper()
		texts, last := said(t, fresh)
		if !slices.Equal(texts, []string{"one", "two"}) || last != 3 || read(t, fresh, "authorized_keys") != "# none\n" {
			t.Errorf("%q up to %d", texts, last)
		}
		if read(t, fresh, "host_key") != "of the new server" || Belongs(fresh) == "" {
			t.Error("the host key was replaced, or the folder is nobody's")
		}
		if _, err := os.Stat(filepath.Join(fresh, "cluster", "restored")); err == nil {
			t.Error("something is left")
		}
	}
	check()

	// It died while it moved files to their place.
	restored := filepath.Join(fresh, "cluster", "restored")
	must(t, os.Mkdir(restored, 0o700))
	must(t, os.Rename(filepath.Join(fresh, "history"), filepath.Join(restored, "history")))
	must(t, Join(t.Context(), dial(t, engine), fresh, quiet))
	check()

	if err := Join(t.Context(), dial(t, engine), spoken(t, "x"), quiet); !errors.Is(err, ErrOther) {
		t.Errorf("a folder with another history joins: %v", err)
	}
	if err := Upload(t.Context(), dial(t, engine), spoken(t, "x"), quiet); err == nil {
		t.Error("a snapshot of another folder is stored")
	}
	plain := filepath.Join(t.TempDir(), "plain")
	must(t, Export(t.Context(), fresh, plain, quiet))
	if texts, _ := said(t, plain); len(texts) != 2 || Belongs(plain) != "" {
		t.Errorf("exported: %q of %q", texts, Belongs(plain))
	}
}

// TestFirstServer: what an operator prepared in the folder of a new cluster's first server counts as an edit.
func TestFirstServer(t *testing.T) {
	t.Parallel()
	c := dial(t, natstest.New(t, 1, nil))
	data := t.TempDir()
	write(t, data, "authorized_keys", "a line\n")
	write(t, data, "bans.json", `["a ban"]`)
	must(t, Join(t.Context(), c, data, quiet))
	if read(t, data, "cluster/authorized_keys") != "" || read(t, data, "cluster/bans.json") != "[]" {
		t.Error("it counts as known to all servers")
	}
	if _, err := os.Stat(Bound(data)); err == nil {
		t.Error("it is bound to a stream that there is not")
	}
}

// TestUnpack: a snapshot makes files in its folder, and nowhere else.
func TestUnpack(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{"a/b/c": true, "../x": false, "/x": false, "a/../../x": false} {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		must(t, w.WriteHeader(&tar.Header{Name: name, Size: 4, Mode: 0o666}))
		_, err := w.Write([]byte("text"))
		must(t, errors.Join(err, w.Close()))
		dir := filepath.Join(t.TempDir(), "sub", "dir")
		must(t, os.MkdirAll(filepath.Dir(dir), 0o700))
		if err := unpack(&buf, dir); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		if ok && read(t, dir, name) != "text" {
			t.Error("another text")
		}
	}
	if err := unpack(strings.NewReader("no tar"), filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("what is no tar is one")
	}
}
