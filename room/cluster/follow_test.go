package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"whoelse/room"
)

// same makes sure that two servers have the same events, in the same order, with the same IDs and times.
func same(t *testing.T, a, b []room.Entry) {
	t.Helper()
	if diff := cmp.Diff(a, b, cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
	for i, e := range a {
		if i > 0 && (e.ID <= a[i-1].ID || e.Seq <= a[i-1].Seq) {
			t.Fatalf("%d %s comes after %d %s", e.Seq, e.ID, a[i-1].Seq, a[i-1].ID)
		}
	}
}

// TestOrder: what two servers append at the same time comes in one order on both, and that of each in its own order.
func TestOrder(t *testing.T) {
	e := engine(t)
	a, b := join(t, "a", e.URLs()...), join(t, "b", e.URLs()...)
	const each = 200
	var wg sync.WaitGroup
	for _, s := range []*server{a, b} {
		wg.Go(func() {
			for n := range each {
				s.say(fmt.Sprintf("%s %03d", s.Node(), n))
			}
		})
	}
	wg.Wait()
	got := a.entries(2 * each)
	same(t, got, b.entries(2*each))
	before := map[string]string{}
	for _, e := range got {
		if e.Text <= before[e.Node] {
			t.Errorf("%s: %q after %q", e.Node, e.Text, before[e.Node])
		}
		before[e.Node] = e.Text
		if e.Text[:1] != e.Node || e.Tag == e.ID || len(e.Tag) != len(e.ID) {
			t.Errorf("%+v", e.Event)
		}
	}
	for _, s := range []*server{a, b} {
		if err := s.Probe(withTimeout(t)); err != nil {
			t.Error(err)
		}
	}
}

// TestRestart: a server goes on where it ended, with what came meanwhile, in the same way as one that stayed, and
// its earlier run's events are not taken for those of this one.
func TestRestart(t *testing.T) {
	e := engine(t)
	a, b := join(t, "a", e.URLs()...), join(t, "b", e.URLs()...)
	a.say("1")
	a.entries(1)
	b.entries(1)
	b.stop()
	for n := range 5 {
		a.say(fmt.Sprint(n + 2))
	}
	a.entries(6)
	b.start()
	b.say("7")
	same(t, a.entries(7)[:7], b.entries(7)[:7])

	c := join(t, "c", e.URLs()...)
	got := c.entries(7)
	for i := range got {
		if got[i].Node == "b" && got[i].Text != "7" {
			t.Errorf("%+v", got[i])
		}
	}
	b.stop()
	b.got, b.dir = nil, t.TempDir()
	b.opts.Bound = b.dir + "/cluster.json"
	b.start()
	if got := b.entries(7)[6]; got.Node != "b" || got.Tag != formerTag || got.ID != c.entries(7)[6].ID {
		t.Errorf("of an earlier run: %+v", got.Event)
	}
}

// broken fails commits while it has an error.
type broken struct {
	Local
	mu   sync.Mutex
	err  error
	seen [][]room.Entry
}

func (b *broken) Commit(entries []room.Entry) error {
	b.mu.Lock()
	b.seen = append(b.seen, entries)
	err := b.err
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return b.Local.Commit(entries)
}

func (b *broken) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// TestDiskFails: a server whose disk fails takes no messages, skips none, and goes on when the disk is well.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a, b := join(t, "a", e.URLs()...), newServer(t, "b", e.URLs()...)
	disk := &broken{err: errors.New("no space left on device")}
	b.wrap = func(l Local) Local { disk.Local = l; return disk }
	b.start()
	a.say("1")
	eventually(t, "b is in trouble", func() bool { return b.Probe(t.Context()) != nil })
	if err := fails(t, b.say("refused")); !errors.Is(err, room.ErrStorage) || errors.Is(err, room.ErrUncertain) {
		t.Errorf("%v", err)
	}
	a.say("2")
	same(t, a.entries(2)[:0], nil)
	disk.fail(nil)
	same(t, a.entries(2), b.entries(2))
	eventually(t, "b is well", func() bool { return b.Probe(t.Context()) == nil })
}

// TestDiskFailsInManyWays: a disk that stays full is one line in the log, though each failure names another temporary file.
func TestDiskFailsInManyWays(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a", engine(t).URLs()...)
	tries := 0
	a.states["bans"] = func(string, []byte) error {
		if tries++; tries <= 3 {
			return fmt.Errorf("bans.json.%d.tmp: no space left on device", tries)
		}
		return nil
	}
	a.start()
	_ = a.Change("bans", func() ([]byte, error) { return []byte("[]"), nil }) // it is stored, and this server is behind
	a.entries(1)
	eventually(t, "a is well", func() bool { return a.Probe(t.Context()) == nil })
	for _, words := range []string{"can't follow the stream", "following the stream again"} {
		if n := strings.Count(a.logs.String(), words); n != 1 {
			t.Errorf("%d lines with %q: %s", n, words, a.logs)
		}
	}
}

// TestStamp: IDs and times follow from the stream alone; the clock of the server that published does not matter.
func TestStamp(t *testing.T) {
	stored := time.Date(2026, 11, 21, 6, 31, 3, 5e6, time.UTC)
	for what, clock := range map[string]time.Duration{"good": 0, "ahead": 10 * time.Minute, "behind": -10 * time.Minute} {
		e := said("tag", "x")
		e.Kind, e.Time = room.KindRead, stored.Add(clock-time.Second)
		e.Receipts = []*room.Message{{ID: "tag2", Time: e.Time.Add(5 * time.Millisecond), Kind: room.KindReceipt}}
		h := nats.Header{}
		h.Set(headerNode, "n1")
		h.Set(headerClock, stored.Add(clock).Format(time.RFC3339Nano))
		last := room.NextID("", stored.Add(time.Hour)) // the stream's clock was set back
		stamp(e, h, stored, last)
		first := room.NextID(last, stored)
		if e.Receipts[0].ID != first || e.ID != room.NextID(first, stored) || e.Tag != "tag" || e.Node != "n1" {
			t.Errorf("%s: %+v, %s", what, e, e.Receipts[0].ID)
		}
		if !e.Time.Equal(stored.Add(-time.Second)) || !e.Receipts[0].Time.Equal(stored.Add(-995*time.Millisecond)) {
			t.Errorf("%s: %v, %v", what, e.Time, e.Receipts[0].Time)
		}
	}
	e := said("tag", "x")
	stamp(e, nats.Header{headerNode: {"no node"}, headerClock: {"now"}}, stored, "")
	if !e.Time.Equal(stored) || e.Node != "" || e.ID != room.NextID("", stored) {
		t.Errorf("%+v", e)
	}
}

// toldStream is a stream as one engine node tells of it. There is no message between missing and last.
type toldStream struct {
	jetstream.Stream
	first, missing, last uint64
}

func (s *toldStream) Info(context.Context, ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	return &jetstream.StreamInfo{State: jetstream.StreamState{FirstSeq: s.first, LastSeq: s.last}}, nil
}

func (s *toldStream) GetMsg(_ context.Context, seq uint64, _ ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	if seq >= s.missing {
		seq = s.last
	}
	return &jetstream.RawStreamMsg{Sequence: seq}, nil
}

// numbered is a message that came from the stream.
type numbered struct {
	jetstream.Msg
	seq uint64
}

func (n numbered) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Sequence: jetstream.SequencePair{Stream: n.seq}}, nil
}

// TestGap: what the stream has is not left out when something else comes; what it has not is; what it has no more stops
// this server.
func TestGap(t *testing.T) {
	t.Parallel()
	s := &toldStream{first: 1, missing: 7, last: 10}
	c := &Cluster{stream: s, ending: t.Context()}
	for _, tt := range []struct {
		next, comes uint64
		ok          bool
	}{{5, 5, true}, {5, 6, false}, {5, 10, false}, {7, 10, true}, {8, 10, true}} {
		if _, err := c.due(numbered{seq: tt.comes}, tt.next); (err == nil) != tt.ok || errors.Is(err, errStuck) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	s.first = 10
	if _, err := c.due(numbered{seq: 10}, 5); !errors.Is(err, errStuck) {
		t.Error(err)
	}
}

// TestStaleNode: an engine node that was cut off tells an old end of the stream for a while. The operator hears of lost
// events only if this lasts.
func TestStaleNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &toldStream{last: 5}
		c := &Cluster{stream: s}
		tell := func(want error) {
			t.Helper()
			if _, err := c.continues(t.Context(), 10); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		tell(errShorter)
		time.Sleep(staleFor - time.Nanosecond)
		tell(errShorter)
		time.Sleep(time.Nanosecond)
		tell(errStuck)
		s.last = 9
		tell(nil)
		s.last = 5
		tell(errShorter)
	})
}
