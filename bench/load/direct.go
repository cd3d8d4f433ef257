package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	receiptTime = 15 * time.Second // until a receipt counts as missing
	directLimit = 200_000          // messages of one sender
)

// Receipts are what senders are told about direct messages, by kind.
const (
	Delivered = "delivered to "
	Kept      = "kept for "
	Refused   = "not delivered"
	Missing   = "" // there was none in time
)

// DirectOutcome is what came of direct messages.
type DirectOutcome struct {
	Receipts map[string]int // by kind
	Unshown  int            // told as delivered, and never seen at the recipient
	Elapsed  time.Duration
	Latency  Latency // from writing the line to reading the receipt
}

// sender writes to one recipient, the next message when the last has a receipt. It is
// the Sink of its own session.
type sender struct {
	*Client
	to      string
	got     chan receipt
	kinds   map[string]int
	latency Latency
}

type receipt struct {
	kind string
	at   time.Duration
}

// Direct connects n senders without terminals, numbered from first up, each with a
// recipient of its own, numbered from 0 up, and lets them send for that long.
// Recipients that are online are the crowd's; with an empty crowd all are away.
func (c *Crowd) Direct(ctx context.Context, addr string, first, n int, duration time.Duration, size int) (*DirectOutcome, error) {
	senders := make([]*sender, n)
	for i := range senders {
		senders[i] = &sender{to: Nick(i), got: make(chan receipt, 1), kinds: map[string]int{}}
	}
	clients, err := Connected(ctx, addr, n, Config{Number: first}, func(i int) Sink { return senders[i] })
	if err != nil {
		return nil, err
	}
	defer CloseAll(clients)
	for _, tally := range c.tallies {
		tally.begin(0, directLimit)
	}
	start := now()
	failed := make([]error, n)
	var sending sync.WaitGroup
	for i, s := range senders {
		s.Client = clients[i]
		sending.Go(func() { failed[i] = s.send(ctx, start+duration, size) })
	}
	sending.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	out := &DirectOutcome{Receipts: map[string]int{}, Elapsed: now() - start}
	for _, s := range senders {
		for kind, n := range s.kinds {
			out.Receipts[kind] += n
		}
		out.Latency = append(out.Latency, s.latency...)
	}
	slices.Sort(out.Latency)
	if _, err := c.drain(ctx, out.Receipts[Delivered]); err != nil {
		return nil, err
	}
	for i, tally := range c.tallies {
		out.Unshown += max(senders[i].kinds[Delivered]-tally.delivered(), 0)
	}
	return out, nil
}

func (s *sender) send(ctx context.Context, until time.Duration, size int) error {
	for n := 0; n < directLimit && now() < until; n++ {
		m := marker{seq: n, sender: s.Number, sent: now()}
		line := append(m.appendLine([]byte("send "+s.to+" "), size), s.enter)
		if _, err := s.Write(line); err != nil {
			return fmt.Errorf("send to %s: %w", s.to, err)
		}
		select {
		case r := <-s.got:
			s.kinds[r.kind]++
			s.latency = append(s.latency, r.at-m.sent)
		case <-time.After(receiptTime):
			s.kinds[Missing]++
			return nil
		case <-s.Done():
			return fmt.Errorf("send to %s: the server ended the session", s.to)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Take implements Sink. It never waits: a receipt that nobody waits for is dropped.
func (s *sender) Take(stream []byte, at time.Duration) []byte {
	for {
		line, rest, whole := bytes.Cut(stream, []byte{'\n'})
		if !whole {
			return stream
		}
		for _, kind := range []string{Refused, Delivered, Kept} {
			if !bytes.Contains(line, []byte(kind)) || bytes.Contains(line, magic) {
				continue
			}
			select {
			case s.got <- receipt{kind, at}:
			default:
			}
			break
		}
		stream = rest
	}
}
