package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"whoelse/room"
	"whoelse/room/cluster/natstest"
	"whoelse/room/history"
	"whoelse/room/internal/jsonl"
)

// refuses makes sure that an error says all of this.
func refuses(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("it does not say %q: %v", w, err)
		}
	}
	t.Log(err)
}

// tries makes sure that a server which does not get in says why. It goes on trying until its log has the first of the words: a
// machine that is busy may have no time for an answer to the first try.
func tries(t *testing.T, opts Options, words ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(withTimeout(t))
	defer cancel()
	opts.patience = patience
	opts.Log = slog.New(slog.NewTextHandler(&logs{told: func(line string) {
		if strings.Contains(line, words[0]) {
			cancel()
		}
	}}, nil))
	_, err := Connect(ctx, opts)
	refuses(t, err, words...)
}

// TestRefusals: what the operator has to change is said at the start, with the way out.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tries(t, options([]string{"nats://u:secret@127.0.0.1:1"}, "a", nil), "the engine can't be reached at nats://u:xxxxx@127.0.0.1:1", "cluster whoelse: ",
		"--cluster")

	off := natstest.New(t, 1, func(o *natsd.Options) { o.JetStream = false })
	tries(t, options(off.URLs(), "a", nil), "no engine node runs JetStream", "enable it")

	small := natstest.New(t, 1, func(o *natsd.Options) { o.MaxPayload = 64 << 10 })
	_, err := Connect(t.Context(), options(small.URLs(), "a", &logs{}))
	refuses(t, err, "max_payload", "65536", "135168")

	secret := natstest.New(t, 1, func(o *natsd.Options) { o.Username, o.Password = "u", "p" })
	_, err = Connect(t.Context(), options(secret.URLs(), "a", &logs{}))
	refuses(t, err, "refuses the credentials", "--cluster-creds")

	e := engine(t)
	opts := options(e.URLs(), "a", nil)
	opts.Replicas = 3
	tries(t, opts, "3 replicas")
}

// TestSameName: of two servers with one name the second does not start while the first one runs.
func TestSameName(t *testing.T) {
	t.Parallel()
	e := natstest.New(t, 2, nil)
	a := join(t, "a", e.URLs()[0])
	join(t, "b", e.URLs()[1])
	twin := newServer(t, "a", e.URLs()[1])
	twin.opts.answer = long
	refuses(t, twin.try(), "named a is already running", "--node")
	a.stop()
	a.start()

	var wg sync.WaitGroup
	var started atomic.Int32
	for range 2 {
		c := newServer(t, "c", e.URLs()[0])
		c.opts.answer = 5 * time.Second // one of them may wait that long for nobody
		wg.Go(func() {
			if c.try() == nil {
				started.Add(1)
				t.Cleanup(c.stop)
			}
		})
	}
	wg.Wait()
	if started.Load() > 1 {
		t.Error("two servers that start at the same time have one name")
	}
}

// TestDifferentStream: a stream with other settings is left as it is; each difference is named.
func TestDifferentStream(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a := join(t, "a", e.URLs()...)
	config := a.config()
	config.Replicas, config.MaxAge, config.MaxMsgs, config.Subjects = 1, time.Hour, 5, []string{"whoelse.log.>", "x.>"}
	if _, err := a.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	b := newServer(t, "b", e.URLs()...)
	refuses(t, b.try(), "the stream whoelse_LOG is not as this server needs it", "\n  maximum age: is 1h0m0s, has to be 168h0m0s",
		"nats stream edit whoelse_LOG --max-age 168h", "--cluster-keep 1h0m0s", "\n  maximum messages: is 5, has to be -1",
		"\n  subjects: is [whoelse.log.> x.>], has to be [whoelse.log.>]")
	want := a.config()
	is := want
	is.Replicas, is.Storage, is.DenyPurge, is.NoAck, is.PersistMode = 2, jetstream.MemoryStorage, false, true, jetstream.AsyncPersistMode
	if got := differences(is, want); len(got) != 5 {
		t.Errorf("%q", got)
	}
}

// TestOtherData: a data folder goes on only with the stream that it has followed so far.
func TestOtherData(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a := join(t, "a", e.URLs()...)
	for _, text := range []string{"1", "2", "3"} {
		a.say(text)
	}
	a.entries(3)
	look := must[*Cluster](t)(Dial(t.Context(), a.opts))
	_, err := look.due(numbered{seq: 3}, 2)
	refuses(t, errors.Join(err, look.Close()), "3 came after 1")
	a.stop()

	if err := os.Rename(a.opts.Bound, a.opts.Bound+".away"); err != nil {
		t.Fatal(err)
	}
	refuses(t, a.try(), "3 events that are not of the cluster whoelse", "whoelse cluster import")

	other := engine(t)
	b := join(t, "b", other.URLs()...)
	if err := os.Rename(a.opts.Bound+".away", a.opts.Bound); err != nil {
		t.Fatal(err)
	}
	a.opts.URLs = other.URLs()
	refuses(t, a.try(), "follows the stream whoelse_LOG", "start with an empty data folder")
	if err := b.Bind(a.opts.Bound); err != nil {
		t.Fatal(err)
	}
	refuses(t, a.try(), "the stream ends at 0", "up to 3", "restore it")

	late := newServer(t, "c", engine(t).URLs()...)
	found(t, late, 5001)
	refuses(t, late.try(), "the stream begins at 5001", "up to 0", "from a newer backup of another server")
	if err := os.WriteFile(a.opts.Bound, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, a.try(), a.opts.Bound, "put back")
}

// found founds the cluster of a server that does not run yet.
func found(t *testing.T, s *server, first uint64) {
	t.Helper()
	c, err := Dial(t.Context(), s.opts)
	if err == nil {
		err = errors.Join(c.Found(t.Context(), "mark", first), c.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestFoundUnderServers: what servers follow is not replaced, even if nothing was said yet.
func TestFoundUnderServers(t *testing.T) {
	t.Parallel()
	a := join(t, "a", engine(t).URLs()...)
	c, err := Dial(t.Context(), a.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	eventually(t, "a follows the stream", func() bool {
		info, err := c.stream.Info(t.Context())
		return err == nil && info.State.Consumers > 0
	})
	if err := c.Found(t.Context(), "mark", 42); !errors.Is(err, ErrFounded) || !strings.Contains(err.Error(), "are running") {
		t.Errorf("%v", err)
	}
	a.say("still here")
	a.entries(1)
}

// TestImported: a stream can go on where a single server's numbers end.
func TestImported(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a := newServer(t, "a", e.URLs()...)
	found(t, a, 42)
	refuses(t, a.try(), "the stream begins at 42") // and is there now
	old, err := history.Open(filepath.Join(a.dir, "history"), history.Options{Given: true})
	if err != nil {
		t.Fatal(err)
	}
	old.Follow(func([]room.Entry) {})
	if err := errors.Join(old.Commit([]room.Entry{{Seq: 41, Event: said("1", "x")}}), old.Close()); err != nil {
		t.Fatal(err)
	}
	a.start()
	a.say("1")
	if got := a.entries(1); got[0].Seq != 42 {
		t.Errorf("%d", got[0].Seq)
	}
}

// TestStreamReplaced: a server whose stream is gone, with all that it had, stops following and says so.
func TestStreamReplaced(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a := newServer(t, "a", e.URLs()...)
	a.start()
	a.say("1")
	a.entries(1)
	if err := a.js.DeleteStream(t.Context(), a.streamName()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is another stream", func() bool { // once the engine has removed the files of the one before
		_, err := a.js.CreateStream(t.Context(), a.config())
		return err == nil
	})
	eventually(t, "it stops", func() bool {
		err := a.following.trouble()
		return err != nil && strings.Contains(err.Error(), "was replaced")
	})
	refuses(t, fails(t, a.say("2")), room.ErrStorage.Error(), "was replaced")
	a.Attach(newCrowd())
	look := must[*Cluster](t)(Dial(t.Context(), a.opts))
	defer look.Close() //nolint:errcheck // it has nothing to lose
	eventually(t, "the status says so", func() bool {
		s, err := look.Status(t.Context())
		return err == nil && len(s.Nodes) == 1 && s.Nodes[0].Stuck
	})
	if err := a.js.DeleteStream(t.Context(), a.streamName()); err != nil {
		t.Fatal(err)
	}
	later := must[*Cluster](t)(Dial(t.Context(), a.opts))
	defer later.Close() //nolint:errcheck // it has nothing to lose
	eventually(t, "the stream is lost", func() bool {
		_, err := later.Status(t.Context())
		return strings.Contains(fmt.Sprint(err), "servers run, and the engine has lost")
	})
}

// TestStreamLost: a server whose stream is gone does not make a new one, also not when it starts again.
func TestStreamLost(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a, look := join(t, "a", e.URLs()...), join(t, "b", e.URLs()...)
	a.stop()
	if err := look.js.DeleteStream(t.Context(), look.streamName()); err != nil {
		t.Fatal(err)
	}
	tries(t, a.opts, "lost the stream whoelse_LOG", "backup")
	if _, err := look.js.Stream(t.Context(), look.streamName()); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("there is a stream: %v", err)
	}

	// A new server does not either, where another one's snapshot is.
	if err := look.PutSnapshot(withTimeout(t), strings.NewReader("x"), func(int64) {}); err != nil {
		t.Fatal(err)
	}
	tries(t, newServer(t, "c", e.URLs()...).opts, "lost the stream whoelse_LOG", "backup")
}

// TestRubbish: what is no event on any server is passed over on all.
func TestRubbish(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a := join(t, "a", e.URLs()...)
	line := func(e *room.Event) []byte {
		msg, err := a.message(e)
		if err != nil {
			t.Fatal(err)
		}
		return msg.Data
	}
	state := said("1", "x")
	state.Kind, state.Doc, state.Data = room.KindState, "bans", []byte("{}")
	nobody, nowhere, receipt := said("1", "x"), said("1", "x"), said("1", "x")
	nobody.From, nowhere.Room = "../x", "\x1b"
	receipt.Kind, receipt.Receipts = room.KindRead, []*room.Message{{Kind: room.KindReceipt}}
	unsigned, twice, posing := said("1", "x"), said("1", "x"), *receipt
	unsigned.From = ""
	twice.Kind, twice.To = room.KindDirect, []string{"bob", "carol", "bob"}
	posing.Receipts = []*room.Message{{Kind: room.KindDirect, From: "ann", To: []string{"bob"}, Text: "x"}}
	for _, bad := range []*room.Event{nobody, nowhere, receipt, unsigned, twice, &posing} {
		if _, err := a.js.Publish(t.Context(), "whoelse.log.event", line(bad)); err != nil {
			t.Fatal(err)
		}
	}
	unknown := *state
	unknown.Doc = "unheard/of"
	for subject, data := range map[string][]byte{
		"log.event":   []byte("hello"),
		"log.other":   line(said("1", "on a wrong subject")),
		"log.state.x": line(said("1", "on a wrong subject")),
		"log.event.x": nil,
		"log.state.0": line(state),
		strings.TrimPrefix(a.stateSubject("unheard/of"), "whoelse."): line(&unknown),
	} {
		if _, err := a.js.Publish(t.Context(), "whoelse."+subject, data); err != nil {
			t.Fatal(err)
		}
	}
	a.say("good")
	got := a.entries(2)
	if len(got) != 2 || got[0].Doc != "unheard/of" || got[1].Text != "good" || got[0].Node != "" {
		t.Errorf("%d events, %+v", len(got), got[0].Event)
	}
}

// TestNewer: a server stops at what a newer version wrote, instead of missing it.
func TestNewer(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a := join(t, "a", e.URLs()...)
	newer := jsonl.Seal([]byte(`{"v":2,"kind":"room"`), 0)
	if _, err := a.js.Publish(t.Context(), "whoelse.log.event", newer[:len(newer)-1]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it stops", func() bool { return a.following.trouble() != nil })
	refuses(t, fails(t, a.say("x")), room.ErrStorage.Error(), "upgrade this one")
}

// TestFirstTries: an engine that does not answer is asked again soon, then with more patience, until it is too late.
func TestFirstTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Cluster{log: slog.New(slog.DiscardHandler), opts: Options{patience: patience}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
		defer cancel()
		var waited []time.Duration
		err := c.again(ctx, "not yet", func(ctx context.Context) (bool, error) {
			began := time.Now()
			<-ctx.Done()
			waited = append(waited, time.Since(began))
			return false, fmt.Errorf("after %v", time.Since(began))
		})
		// The last try had no time for the usual answer.
		if fmt.Sprint(err) != fmt.Sprint("after ", patience) || len(waited) < 8 || waited[0] != 2*pause || slices.Max(waited) != patience {
			t.Errorf("tries of %v: %v", waited, err)
		}
	})
}
