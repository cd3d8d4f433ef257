package load

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// atOnce is how many clients of a crowd log in at the same time.
const atOnce = 4

// Crowd is a set of connected clients that count what they are shown.
type Crowd struct {
	Clients []*Client
	tallies []*tally // one for each client, in the same order
}

// Gather connects n clients, numbered from config.Number up, atOnce at a time. On an
// error those already connected are closed again.
func Gather(ctx context.Context, addr string, n int, config Config) (*Crowd, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &Crowd{Clients: make([]*Client, n), tallies: make([]*tally, n)}
	next := make(chan int)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i := range next {
				one := config
				one.Number += i
				c.tallies[i] = &tally{self: one.Number}
				var err error
				if c.Clients[i], err = Connect(ctx, addr, one, c.tallies[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// With returns a crowd with the clients of both, those of c first.
func (c *Crowd) With(other *Crowd) *Crowd {
	return &Crowd{slices.Concat(c.Clients, other.Clients), slices.Concat(c.tallies, other.tallies)}
}

// Close ends all clients and waits for them. Nobody may be talking.
func (c *Crowd) Close() {
	var closing sync.WaitGroup
	for _, client := range c.Clients {
		if client != nil {
			closing.Go(client.Close)
		}
	}
	closing.Wait()
}

// Ended counts the clients whose session the server has ended.
func (c *Crowd) Ended() (n int) {
	for _, client := range c.Clients {
		if client.Ended() {
			n++
		}
	}
	return n
}

// Talk says how much is said.
type Talk struct {
	Messages int
	Rate     float64 // messages a second; the speakers take turns
	Size     int     // bytes of one message, about
	// Direct has each message sent to the next client alone.
	Direct bool
	// Rooms is in how many rooms the clients are, each in one: those with the same remainder are
	// together. 0 is one room.
	Rooms int
	// Speakers is the number of clients that speak, the first ones; 0 means all.
	Speakers int
}

// Outcome is what came of a talk.
type Outcome struct {
	Expected   int // deliveries, to others than the sender
	Delivered  int
	Lost       int
	Duplicates int
	Ended      int           // sessions that ended in the middle of it
	Elapsed    time.Duration // from the first message to the last arrival
	Late       time.Duration // the furthest that sending fell behind the plan
	Latency    Latency
}

// Latency is how long deliveries took, shortest first.
type Latency []time.Duration

// Quantile is the duration that the share q of all does not exceed, in ms.
func (l Latency) Quantile(q float64) float64 {
	if len(l) == 0 {
		return 0
	}
	return l[min(int(q*float64(len(l))), len(l)-1)].Seconds() * 1000
}

const (
	drainTime  = 5 * time.Second  // without an arrival, after which what is missing is lost
	drainLimit = 60 * time.Second // for a server that is far behind
	drainStep  = 20 * time.Millisecond
)

// said is how many messages all crowds have said: what arrives late of an earlier talk counts no more.
var said atomic.Int64

// Run lets the crowd talk, waits until everything has arrived or no longer
// does, and counts.
func (c *Crowd) Run(ctx context.Context, talk Talk) (*Outcome, error) {
	first := int(said.Add(int64(talk.Messages))) - talk.Messages
	for _, t := range c.tallies {
		t.begin(first, talk.Messages)
	}
	// A server that takes nothing more would hold the sending for ever.
	stop := context.AfterFunc(ctx, func() {
		for _, client := range c.Clients {
			_ = client.conn.Close()
		}
	})
	defer stop()
	out := &Outcome{}
	start := now()
	expected, err := c.speak(ctx, talk, first, out)
	if err != nil {
		return nil, err
	}
	for _, n := range expected {
		out.Expected += n
	}
	last, err := c.drain(ctx, out.Expected)
	if err != nil {
		return nil, err
	}
	out.Elapsed = last - start
	for i, t := range c.tallies {
		t.mu.Lock()
		out.Delivered += len(t.latency)
		out.Duplicates += t.duplicates
		out.Lost += max(expected[i]-len(t.latency), 0)
		out.Latency = append(out.Latency, t.latency...)
		t.mu.Unlock()
	}
	slices.Sort(out.Latency)
	out.Ended = c.Ended()
	return out, nil
}

// speak sends by the clock whatever the server does, so that a slow server is
// not spared. A message carries the time at which it is really written; how far
// that fell behind the plan is counted apart, as Late. expected is how many messages
// each client should be shown.
func (c *Crowd) speak(ctx context.Context, talk Talk, first int, out *Outcome) (expected []int, err error) {
	expected = make([]int, len(c.Clients))
	line := make([]byte, 0, talk.Size+markerLength)
	speakers, rooms := cmp.Or(talk.Speakers, len(c.Clients)), cmp.Or(talk.Rooms, 1)
	start := now()
	for n := range talk.Messages {
		due := start + time.Duration(float64(n)/talk.Rate*float64(time.Second))
		if err := Pause(ctx, due-now()); err != nil {
			return nil, err
		}
		speaker, next := n%speakers, (n+1)%speakers
		client := c.Clients[speaker]
		if client.Ended() {
			continue
		}
		m := marker{seq: first + n, sender: client.Number, sent: now()}
		out.Late = max(out.Late, m.sent-due)
		line = line[:0]
		if talk.Direct {
			line = append(line, "send "+Nick(c.Clients[next].Number)+" "...)
		}
		line = append(m.appendLine(line, talk.Size), client.enter)
		if _, err := client.Write(line); err != nil {
			continue // Ended tells
		}
		for i := range expected {
			if i == next && talk.Direct || i != speaker && i%rooms == speaker%rooms && !talk.Direct {
				expected[i]++
			}
		}
	}
	return expected, nil
}

// Pause sleeps for d, if that is above 0, or returns ctx's error.
func Pause(ctx context.Context, d time.Duration) error {
	if d <= 0 && ctx.Err() == nil {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
}

// drain waits until all is delivered, or nothing more comes, and returns when
// the last of it came.
func (c *Crowd) drain(ctx context.Context, expected int) (moved time.Duration, err error) {
	start, last := now(), -1
	for {
		delivered := 0
		for _, t := range c.tallies {
			delivered += t.delivered()
		}
		if delivered != last {
			last, moved = delivered, now()
		}
		if delivered >= expected || now()-moved > drainTime || now()-start > drainLimit {
			return moved, nil
		}
		if err := Pause(ctx, drainStep); err != nil {
			return 0, err
		}
	}
}
