package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// receiptTime is how long a sender waits before calling a receipt missing.
	receiptTime = 15 * time.Second
	// directLimit bounds the messages of one sender, and its reader's memory.
	directLimit = 200_000
)

// DirectOutcome is what came of direct messages, by what their senders were told.
type DirectOutcome struct {
	Delivered  int
	Kept       int
	Refused    int
	Unanswered int
	Unshown    int // told as delivered, and never seen at the recipient
	Duplicates int
	Elapsed    time.Duration
	Latency    Histogram // from writing the line to reading the receipt
}

// Acknowledged is how many messages the server has answered for.
func (o *DirectOutcome) Acknowledged() int { return o.Delivered + o.Kept }

// Direct is a set of pairs, one sender and one recipient each, in sessions
// without a terminal.
type Direct struct {
	readers *Crowd
	senders []*sender
}

// sender sends one message after the other, each when the last is answered.
type sender struct {
	client   *Client
	receipts *Receipts
	to       string
	outcome  DirectOutcome
}

// GatherDirect connects plan.Sessions pairs. With away, nobody reads: what is
// sent is kept for recipients that the server knows by their keys alone.
func GatherDirect(ctx context.Context, plan Plan, away bool) (*Direct, error) {
	direct := &Direct{readers: &Crowd{}, senders: make([]*sender, plan.Sessions)}
	recipients := plan
	recipients.First += plan.Sessions
	if !away {
		readers, err := Gather(ctx, recipients)
		if err != nil {
			return nil, err
		}
		direct.readers = readers
	}
	err := each(ctx, plan.Sessions, plan.Parallel, func(ctx context.Context, i int) error {
		to := Identity{Number: recipients.First + i}.Nick()
		who := Identity{Number: plan.First + i, Auth: plan.Auth, Cipher: plan.Cipher}
		receipts := NewReceipts(to)
		client, err := Connect(ctx, plan.Addr, who, plan.Kind, receipts)
		if err != nil {
			return err
		}
		direct.senders[i] = &sender{client: client, receipts: receipts, to: to}
		return nil
	})
	if err != nil {
		direct.Close()
		return nil, err
	}
	return direct, nil
}

// Close ends all sessions and waits for them.
func (d *Direct) Close() {
	for _, s := range d.senders {
		if s != nil {
			s.client.Close()
		}
	}
	d.readers.Close()
}

// Run lets every sender send for the given time and counts.
func (d *Direct) Run(ctx context.Context, duration time.Duration, size int) (*DirectOutcome, error) {
	for _, tally := range d.readers.Tallies {
		tally.Begin(0, directLimit)
	}
	start := now()
	until := start + duration
	var sending sync.WaitGroup
	failures := make([]error, len(d.senders))
	for i, s := range d.senders {
		sending.Go(func() { failures[i] = s.run(ctx, until, size) })
	}
	sending.Wait()
	out := &DirectOutcome{Elapsed: now() - start}
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	return out, d.sum(ctx, out)
}

// sum adds up the senders' figures and holds them against the recipients'.
func (d *Direct) sum(ctx context.Context, out *DirectOutcome) error {
	for _, s := range d.senders {
		out.Delivered += s.outcome.Delivered
		out.Kept += s.outcome.Kept
		out.Refused += s.outcome.Refused
		out.Unanswered += s.outcome.Unanswered
		out.Latency.Merge(&s.outcome.Latency)
	}
	if len(d.readers.Clients) == 0 {
		return nil
	}
	if _, err := d.readers.drain(ctx, out.Delivered); err != nil {
		return err
	}
	for i, tally := range d.readers.Tallies {
		counts := tally.Counts()
		out.Unshown += max(d.senders[i].outcome.Delivered-counts.Delivered, 0)
		out.Duplicates += counts.Duplicates
	}
	return nil
}

func (s *sender) run(ctx context.Context, until time.Duration, size int) error {
	line := make([]byte, 0, size+64)
	for n := 0; n < directLimit && now() < until; n++ {
		m := marker{seq: n, sender: s.client.Number, sent: now()}
		line = append(line[:0], "send "+s.to+" "...)
		line = append(m.appendLine(line, size), '\n')
		if _, err := s.client.Write(line); err != nil {
			return fmt.Errorf("send to %s: %w", s.to, err)
		}
		answered, err := s.await(ctx, m.sent)
		if err != nil || !answered {
			return err
		}
	}
	return nil
}

// await waits for the answer to the message sent at the time given.
func (s *sender) await(ctx context.Context, sent time.Duration) (bool, error) {
	timer := time.NewTimer(receiptTime)
	defer timer.Stop()
	select {
	case r := <-s.receipts.got:
		s.count(r, sent)
		return true, nil
	case <-timer.C:
		s.outcome.Unanswered++
		return false, nil
	case <-s.client.ended:
		return false, fmt.Errorf("send to %s: the server ended the session", s.to)
	case <-ctx.Done():
		return false, fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
}

func (s *sender) count(r receipt, sent time.Duration) {
	switch r.kind {
	case Delivered:
		s.outcome.Delivered++
	case Kept:
		s.outcome.Kept++
	case Refused:
		s.outcome.Refused++
	}
	s.outcome.Latency.Add(r.at - sent)
}
