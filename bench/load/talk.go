package load

import (
	"context"
	"fmt"
	"time"
)

// Talk says how much is said.
type Talk struct {
	First    int // number of the first message; later talks start higher
	Messages int
	Rate     float64 // messages a second, all clients taking turns
	Size     int     // bytes of one message, about
	End      string  // what the return key sends
}

// Outcome is what came of a talk.
type Outcome struct {
	Sent       int
	Expected   int // deliveries to others than the sender
	Delivered  int
	Lost       int
	Duplicates int
	Stray      int
	Ended      int           // sessions that ended in the middle of it
	Elapsed    time.Duration // from the first message to the last arrival
	Late       time.Duration // the furthest that the sending fell behind its plan
	Latency    Histogram
}

const (
	// drainTime is how long nothing may arrive before what is missing is lost.
	drainTime = 5 * time.Second
	// drainLimit bounds the wait for a server that is far behind.
	drainLimit = 60 * time.Second
	// drainStep is how often arrival is looked at.
	drainStep = 20 * time.Millisecond
)

// Run lets the crowd talk, waits until everything has arrived or no longer
// does, and counts.
func (c *Crowd) Run(ctx context.Context, talk Talk) (*Outcome, error) {
	if len(c.Clients) == 0 {
		return nil, errNobody
	}
	for _, tally := range c.Tallies {
		tally.Begin(talk.First, talk.First+talk.Messages)
	}
	// A server that takes nothing more would hold the sending for ever.
	stop := context.AfterFunc(ctx, c.cut)
	defer stop()
	out := &Outcome{}
	start := now()
	own, err := c.speak(ctx, talk, out)
	if err != nil {
		return nil, err
	}
	for _, said := range own {
		out.Expected += out.Sent - said
	}
	last, err := c.drain(ctx, out.Expected)
	if err != nil {
		return nil, err
	}
	out.Elapsed = last - start
	c.sum(out, own)
	return out, nil
}

// speak sends by the clock whatever the server does, so that a slow server is
// not spared. A message carries the time at which it is really written; how far
// that fell behind the plan is told apart, as Late.
func (c *Crowd) speak(ctx context.Context, talk Talk, out *Outcome) (own []int, err error) {
	own = make([]int, len(c.Clients))
	line := make([]byte, 0, talk.Size+len(talk.End)+markerLength)
	start := now()
	for n := range talk.Messages {
		due := start + time.Duration(float64(n)/talk.Rate*float64(time.Second))
		if err := pause(ctx, due-now()); err != nil {
			return nil, err
		}
		speaker := n % len(c.Clients)
		client := c.Clients[speaker]
		if client.Ended() {
			continue
		}
		m := marker{seq: talk.First + n, sender: client.Number, sent: now()}
		out.Late = max(out.Late, m.sent-due)
		line = append(m.appendLine(line[:0], talk.Size), talk.End...)
		if _, err := client.Write(line); err != nil {
			continue // Ended tells
		}
		own[speaker]++
		out.Sent++
	}
	return own, nil
}

// pause sleeps, and returns at once when there is nothing to wait for.
func pause(ctx context.Context, d time.Duration) error {
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
		delivered := c.delivered()
		if delivered != last {
			last, moved = delivered, now()
		}
		if delivered >= expected || now()-moved > drainTime || now()-start > drainLimit {
			return moved, nil
		}
		if err := pause(ctx, drainStep); err != nil {
			return 0, err
		}
	}
}

func (c *Crowd) delivered() (n int) {
	for _, tally := range c.Tallies {
		n += tally.Counts().Delivered
	}
	return n
}

// sum adds up what every client has counted, and what each of them misses.
func (c *Crowd) sum(out *Outcome, own []int) {
	for i, tally := range c.Tallies {
		counts := tally.Counts()
		out.Delivered += counts.Delivered
		out.Duplicates += counts.Duplicates
		out.Stray += counts.Stray
		out.Lost += max(out.Sent-own[i]-counts.Delivered, 0)
		tally.AddLatency(&out.Latency)
	}
	out.Ended = c.Ended()
}
