package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"whoelse/room"
	"whoelse/room/cluster/natstest"
)

// TestEngineStops: without the engine a sender is told in time that nothing is stored, and nothing is sent
// later; when it is back all goes on by itself.
func TestEngineStops(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a, b := joinImpatient(t, "a", e.URLs()...), join(t, "b", e.URLs()...)
	b.say("1")
	b.entries(1)
	e.Kill(0)
	eventually(t, "a notices", func() bool { return !a.nc.IsConnected() })
	start := time.Now()
	if err := fails(t, a.say("lost")); !errors.Is(err, room.ErrCluster) || errors.Is(err, room.ErrUncertain) {
		t.Errorf("%v", err)
	}
	if err := a.Change("bans", func() ([]byte, error) { return []byte("x"), nil }); !errors.Is(err, room.ErrCluster) {
		t.Errorf("%v", err)
	}
	if err := a.Probe(t.Context()); !errors.Is(err, room.ErrCluster) {
		t.Errorf("%v", err)
	}
	if d := time.Since(start); d > 6*impatient {
		t.Errorf("it took %v to be told", d)
	}
	e.Restart(0)
	eventually(t, "a goes on", func() bool { return a.Probe(t.Context()) == nil })
	a.say("2")
	got := a.entries(2)
	if len(got) != 2 || got[1].Text != "2" {
		t.Errorf("%+v", got)
	}
	same(t, got, b.entries(2))
}

// TestCutOff: a server that is cut off from the engine takes no messages, and gets those of others when it is back.
func TestCutOff(t *testing.T) {
	t.Parallel()
	e := engine(t)
	p := newProxy(t, e.Addr(0))
	a, b := joinImpatient(t, "a", p.url()), join(t, "b", e.URLs()...)
	b.say("1")
	a.entries(1)
	p.cut()
	b.say("2")
	if err := fails(t, a.say("lost")); !errors.Is(err, room.ErrStorage) {
		t.Errorf("%v", err)
	}
	p.heal()
	same(t, a.entries(2), b.entries(2))
	eventually(t, "a is well", func() bool { return a.Probe(t.Context()) == nil })
}

// TestSilentEngine: nobody waits for the client while it tries to reach an engine node that says nothing.
func TestSilentEngine(t *testing.T) {
	t.Parallel()
	e := engine(t)
	s := joinImpatient(t, "a", e.URLs()...)
	e.Kill(0)
	node, err := net.Listen("tcp", e.Addr(0))
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	conn, err := node.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	gaveUp := make(chan bool)
	go func() {
		defer close(gaveUp)
		s.nc.IsConnected() // waits for the client
	}()
	failed := s.say("lost")
	err = s.Change("keys", func() ([]byte, error) { return []byte("{}"), nil })
	if s.Leads() || s.Stats().Connected || s.Probe(t.Context()) == nil || !errors.Is(err, room.ErrCluster) {
		t.Errorf("it takes itself for connected: %v", err)
	}
	if why := <-failed; !errors.Is(why, room.ErrCluster) || errors.Is(why, room.ErrUncertain) {
		t.Errorf("a message fails with: %v", why)
	}
	select {
	case <-gaveUp:
		t.Error("people wait as long as the client does")
	default:
	}
	conn.Close()
	<-gaveUp
}

// TestNodeAlone: of two engine nodes one is cut off from the rest of the engine. It lets connect and answers pings, and nothing
// else. A server finds the other node, whether people write or not.
func TestNodeAlone(t *testing.T) {
	t.Parallel()
	for name, writes := range map[string]bool{"people write": true, "nobody writes": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := engine(t)
			alone, nc, _ := isolated(t)
			proxies := []*proxy{newProxy(t, e.Addr(0)), newProxy(t, e.Addr(0))}
			a, b := joinImpatient(t, "a", proxies[0].url(), proxies[1].url()), join(t, "b", e.URLs()...)
			b.say("1")
			a.entries(1)
			for _, p := range proxies {
				p.aim(alone.Addr(0))
				p.cut()
			}
			for _, p := range proxies {
				p.heal()
			}
			eventually(t, "it is connected to the node that is alone", func() bool {
				return a.nc.ConnectedServerId() == nc.ConnectedServerId()
			})
			if writes { // before there is a node that would answer
				if err := fails(t, a.say("unanswered")); !errors.Is(err, room.ErrUncertain) {
					t.Errorf("%v", err)
				}
			}
			for _, p := range proxies {
				if p.url() != a.nc.ConnectedUrl() {
					p.aim(e.Addr(0))
				}
			}
			if writes {
				eventually(t, "messages of a are stored again", func() bool {
					a.say("2")
					return len(b.entries(1)) > 1
				})
			}
			b.say("3")
			eventually(t, "a follows", func() bool { return a.Probe(t.Context()) == nil })
			same(t, a.entries(2)[:2], b.entries(2)[:2])
		})
	}
}

// isolated starts an engine node that lets connect and answers pings, and nothing else. asked gets what it is asked.
func isolated(t *testing.T) (node *natstest.Engine, nc *nats.Conn, asked chan *nats.Msg) {
	t.Helper()
	node = natstest.New(t, 1, func(o *natsd.Options) { o.JetStream = false })
	nc = must[*nats.Conn](t)(nats.Connect(node.URLs()[0]))
	t.Cleanup(nc.Close)
	asked = make(chan *nats.Msg, 1000)
	for _, subject := range []string{"$JS.API.>", "whoelse.log.>"} {
		must[*nats.Subscription](t)(nc.ChanSubscribe(subject, asked))
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return node, nc, asked
}

// TestStartAlone: a server that starts on an engine node that is cut off from the others starts on another one.
func TestStartAlone(t *testing.T) {
	t.Parallel()
	alone, _, asked := isolated(t)
	p := newProxy(t, alone.Addr(0))
	a := newServer(t, "a", p.url())
	a.opts.patience = impatient
	started := make(chan error, 1)
	go func() { started <- a.try() }()
	<-asked
	p.aim(engine(t).Addr(0))
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.stop)
	a.say("1")
	a.entries(1)
}

// TestOneFailure: a server on which nothing was said does not leave its engine node for a single failure.
func TestOneFailure(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a := join(t, "a", e.URLs()...)
	fail := func(since time.Time) (left bool) {
		long := time.Now().Add(-time.Hour)
		a.heard.Store(&long)
		a.elsewhere(since, errors.New("no answer"))
		return strings.Contains(a.logs.String(), "trying the other nodes")
	}
	if fail(time.Now()) {
		t.Error("it leaves at once")
	}
	eventually(t, "it leaves", func() bool { return fail(time.Now().Add(-long)) })
}

// TestAnswerLost: what was stored and whose answer was lost is published again, and stored once.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	e := engine(t)
	p := newProxy(t, e.Addr(0))
	a, b := join(t, "a", p.url()), join(t, "b", e.URLs()...)
	a.say("1")
	a.entries(1)
	var dropped atomic.Int32
	p.drop(func(to []byte) bool {
		return bytes.Contains(to, []byte(`"stream":"whoelse_LOG"`)) && bytes.Contains(to, []byte(`"seq":`)) && dropped.Add(1) == 1
	})
	failed := a.say("2")
	b.entries(2)
	a.entries(2)
	if dropped.Load() == 0 {
		t.Fatal("no answer was lost")
	}
	dropped.Store(0) // that of a change, too
	if err := a.Change("bans", func() ([]byte, error) { return []byte("[]"), nil }); err != nil {
		t.Fatal(err)
	}
	if dropped.Load() == 0 {
		t.Error("no answer to a change was lost")
	}
	if got := a.entries(3); len(got) != 3 || got[1].Text != "2" || got[2].Kind != room.KindState {
		t.Errorf("%d events", len(got))
	}
	select {
	case err := <-failed:
		t.Errorf("it is stored, and: %v", err)
	default:
	}
}

// TestChangeUncertain: a change that may be stored, since neither its answer nor that about the next message on its subject
// comes, is not made again.
func TestChangeUncertain(t *testing.T) {
	t.Parallel()
	e := engine(t)
	p := newProxy(t, e.Addr(0))
	a := newServer(t, "a", p.url())
	a.opts.patience = patience
	a.start()
	var answered atomic.Bool
	p.drop(func(to []byte) bool {
		stored := bytes.Contains(to, []byte(`"stream":"whoelse_LOG"`)) && bytes.Contains(to, []byte(`"seq":`))
		return stored && !answered.Swap(true) || answered.Load() && bytes.Contains(to, []byte(`"message":{`))
	})
	var tries atomic.Int32
	err := a.Change("bans", func() ([]byte, error) { tries.Add(1); return []byte("[]"), nil })
	if !answered.Load() || !errors.Is(err, room.ErrUncertain) || tries.Load() != 1 {
		t.Errorf("after %d tries: %v", tries.Load(), err)
	}
	p.drop(nil)
	if got := a.entries(1); len(got) != 1 {
		t.Errorf("%d events", len(got))
	}
}

// TestStalled: an engine that takes messages and does not answer. The sender hears in time that the message may still
// come, and it does, once.
func TestStalled(t *testing.T) {
	t.Parallel()
	e := engine(t)
	p := newProxy(t, e.Addr(0))
	a, b := joinImpatient(t, "a", p.url()), join(t, "b", e.URLs()...)
	b.say("1")
	a.entries(1)
	p.stall()
	start := time.Now()
	if err := fails(t, a.say("2")); !errors.Is(err, room.ErrUncertain) {
		t.Errorf("%v", err)
	}
	if d := time.Since(start); d < impatient-time.Millisecond || d > 4*impatient {
		t.Errorf("it took %v to be told", d)
	}
	p.resume()
	eventually(t, "a goes on", func() bool { return a.Probe(t.Context()) == nil })
	a.say("3")
	eventually(t, "b gets it", func() bool { got := b.entries(1); return got[len(got)-1].Text == "3" })
	got := b.entries(2)
	if len(got) > 3 {
		t.Errorf("%d events", len(got))
	}
	same(t, a.entries(len(got)), got)
}

// TestQuorum: of three servers of the engine one may fail, also the one that leads; without two nothing is
// stored, and with them all goes on.
func TestQuorum(t *testing.T) {
	t.Parallel()
	e := natstest.New(t, 3, nil)
	a, b := newServer(t, "a", e.URLs()...), newServer(t, "b", e.URLs()...)
	a.opts.Replicas, b.opts.Replicas = 3, 3
	a.opts.patience, b.opts.patience = impatient, impatient
	a.start()
	b.start()
	count := 0
	say := func() { // until it is stored
		t.Helper()
		count++
		text := fmt.Sprint(count)
		eventually(t, text+" is stored", func() bool {
			failed := a.say(text)
			for {
				select {
				case <-failed:
					return false
				case <-time.After(time.Millisecond):
					a.mu.Lock()
					n := len(a.got)
					there := n > 0 && a.got[n-1].Text == text
					a.mu.Unlock()
					if there {
						return true
					}
				}
			}
		})
	}
	say()
	st, err := a.Status(t.Context())
	if err != nil || len(st.Replicas) != 2 || st.Leader == "" {
		t.Errorf("%+v, %v", st, err)
	}
	e.Kill(e.Leader("whoelse_LOG"))
	say()
	alike := func(n int) { // a try that was not confirmed may be stored, too
		t.Helper()
		got := a.entries(n)
		same(t, got, b.entries(len(got))[:len(got)])
	}
	if !full { // an election takes many seconds
		alike(2)
		return
	}
	last := 0
	for i := range 3 {
		if e.Leader("whoelse_LOG") != i {
			last = i
			e.Kill(i)
		}
	}
	if err := fails(t, a.say("lost")); !errors.Is(err, room.ErrStorage) {
		t.Errorf("%v", err)
	}
	e.Restart(last)
	say()
	alike(3)
}

// TestFull: a full engine says so.
func TestFull(t *testing.T) {
	t.Parallel()
	e := natstest.New(t, 1, func(o *natsd.Options) { o.JetStreamMaxStore = 3000 })
	a := join(t, "a", e.URLs()...)
	var err error
	for range 20 {
		failed := a.say("a text of some length, of which the engine can hold only a few")
		before := a.following.at()
		eventually(t, "an answer", func() bool {
			select {
			case err = <-failed:
				return true
			default:
				return a.following.at() > before
			}
		})
		if err != nil {
			break
		}
	}
	if !errors.Is(err, room.ErrCluster) || errors.Is(err, room.ErrUncertain) {
		t.Errorf("%v", err)
	}
	t.Log(err)
}

// TestRetryElsewhere: a message with a retry key that two servers publish is stored once. The server whose
// try it is not says that it can't be sure, so that its sender asks again and is answered as the first.
func TestRetryElsewhere(t *testing.T) {
	t.Parallel()
	e := engine(t)
	a, b := join(t, "a", e.URLs()...), join(t, "b", e.URLs()...)
	try := func(s *server) chan error {
		failed := make(chan error, 1)
		event := said(newID(), "once")
		event.From, event.Key = "bob", "k"
		s.Append(event, func(err error) { failed <- err })
		return failed
	}
	first := try(a)
	a.entries(1)
	if err := fails(t, try(b)); !errors.Is(err, room.ErrUncertain) {
		t.Errorf("the second try: %v", err)
	}
	a.say("another")
	same(t, a.entries(2), b.entries(2))
	select {
	case err := <-first:
		t.Errorf("the first try: %v", err)
	default:
	}
}

// TestSilenceIsLoggedOnce: while most of the engine is away, a server tries one node after the other, every few seconds.
// The log has the beginning and the end of that.
func TestSilenceIsLoggedOnce(t *testing.T) {
	t.Parallel()
	l := &logs{}
	c, err := Dial(withTimeout(t), options(engine(t).URLs(), "", l))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for range 3 {
		longAgo := time.Now().Add(-time.Hour)
		c.heard.Store(&longAgo)
		c.elsewhere(longAgo, errors.New("no answer"))
		select {
		case <-c.reconnected:
		case <-time.After(long):
			t.Fatal("it did not connect again")
		}
	}
	c.hear()
	c.hear()
	c.Close()
	for words, want := range map[string]int{"no answer from this": 1, "connected to the engine again": 0, "answers again": 1} {
		if got := strings.Count(strings.Join(l.lines, ""), words); got != want {
			t.Errorf("%d lines with %q, not %d: %s", got, words, want, l.lines)
		}
	}
}
