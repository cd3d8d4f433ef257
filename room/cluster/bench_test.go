package cluster

import (
	"fmt"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"whoelse/room/cluster/natstest"
)

// BenchmarkSay is one event's way through the stream into the local log, with every disk synced: one at
// a time, and many at once.
func BenchmarkSay(b *testing.B) {
	for _, n := range []int{1, 3} {
		for _, at := range []int{1, 500} {
			b.Run(fmt.Sprintf("%d engines, %d at once", n, at), func(b *testing.B) { benchSay(b, n, at) })
		}
	}
}

func benchSay(b *testing.B, n, at int) {
	e := natstest.New(b, n, nil)
	s := newServer(b, "a", e.URLs()...)
	s.opts.Replicas = n
	s.start()
	said := 0
	for b.Loop() {
		for range at {
			s.say("a line of about the usual length, said in a room")
		}
		said += at
		s.reached(b, uint64(said))
	}
	b.ReportMetric(float64(said)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkCatchUp is how fast a server that was away gets what it missed.
func BenchmarkCatchUp(b *testing.B) {
	const missed = 100_000
	e := natstest.New(b, 1, func(o *natsd.Options) { o.SyncAlways = false }) // to fill it fast
	s := join(b, "a", e.URLs()...)
	msg, err := s.message(said("1", "a line of about the usual length, said in a room"))
	if err != nil {
		b.Fatal(err)
	}
	for range missed {
		again := *msg
		again.Header = nil
		if _, err := s.js.PublishMsgAsync(&again, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-s.js.PublishAsyncComplete()
	s.reached(b, missed)
	for n := 0; b.Loop(); n++ {
		join(b, fmt.Sprintf("b%d", n), e.URLs()...).reached(b, missed)
	}
	b.ReportMetric(float64(missed*b.N)/b.Elapsed().Seconds(), "events/s")
}

func (s *server) reached(b *testing.B, seq uint64) {
	if err := s.following.reach(withTimeout(b), seq); err != nil {
		b.Fatal(err)
	}
}
