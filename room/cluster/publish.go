package cluster

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"whoelse/room"
	"whoelse/room/log"
)

// Headers of what is published. Another one of nats.MsgIdHdr is not stored twice.
const (
	headerNode    = "Whoelse-Node"
	headerTry     = "Whoelse-Try"     // marks what one process published once, or again without an answer
	headerClock   = "Whoelse-Clock"   // of the node, when it published: the event's time is by the same clock
	headerVersion = "Whoelse-Version" // what one has to know to understand it
	version       = 1
)

// pause is before anything is tried again.
const pause = 250 * time.Millisecond

// maxGroup is how many events are on their way to the stream at once.
const maxGroup = 512

// publisher publishes what the room appends. What waits is published together; what follows, after that
// was answered.
type publisher struct {
	running sync.WaitGroup
	count   atomic.Uint64 // of messages, for their ids
	mu      sync.Mutex    // guards what follows
	work    sync.Cond
	queue   []*outgoing
	closed  bool
	last    uint64 // greatest number of what was stored
}

// outgoing waits for its answer.
type outgoing struct {
	e      *room.Event
	msg    *nats.Msg
	failed func(error)
	at     time.Time // when it was appended
	answer jetstream.PubAckFuture
	maybe  bool  // it was sent, and may be stored
	why    error // what the last try met
}

func (p *publisher) init() { p.work.L = &p.mu }

// acked is the greatest number of what this server published.
func (p *publisher) acked() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

func (p *publisher) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.work.Signal()
}

// next returns what waits, nil when nothing will any more.
func (p *publisher) next() []*outgoing {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.closed {
		p.work.Wait()
	}
	n := min(len(p.queue), maxGroup)
	group := p.queue[:n:n]
	p.queue = p.queue[n:]
	return group
}

func (p *publisher) stored(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = max(p.last, seq)
}

// Append implements [room.Log]. The event comes back through [Cluster.Follow]. failed is told within
// about three seconds; [room.ErrUncertain] where the event may still come, any other error where it
// certainly does not.
func (c *Cluster) Append(e *room.Event, failed func(error)) {
	p := &c.publishing
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		go failed(fmt.Errorf("%w: %w", room.ErrCluster, errClosed)) // the caller may hold locks
		return
	}
	p.queue = append(p.queue, &outgoing{e: e, failed: failed, at: time.Now()})
	p.work.Signal()
}

// publish is the publisher.
func (c *Cluster) publish() {
	for group := c.publishing.next(); len(group) > 0; group = c.publishing.next() {
		waiting := make([]*outgoing, 0, len(group))
		for _, o := range group {
			if err := c.prepare(o); err != nil {
				o.failed(err)
			} else {
				waiting = append(waiting, o)
			}
		}
		for len(waiting) > 0 {
			c.send(waiting)
			waiting = c.await(waiting)
		}
	}
}

// prepare makes the message of an event, unless it can't be stored or followed now.
func (c *Cluster) prepare(o *outgoing) (err error) {
	if err = c.following.trouble(); err != nil {
		return err
	}
	if since := c.down.Load(); since != nil && time.Since(*since) > patience {
		return fmt.Errorf("%w: not connected to the engine", room.ErrCluster)
	}
	o.msg, err = c.message(c.subject("log", "event"), o.e)
	return err
}

// message is what an event is published as.
func (c *Cluster) message(subject string, e *room.Event) (*nats.Msg, error) {
	line, err := log.AppendLine(nil, 0, e)
	if err != nil {
		return nil, err
	}
	n := c.publishing.count.Add(1)
	msg := nats.NewMsg(subject)
	msg.Data = line[:len(line)-1]
	try := c.opts.Node + "/" + c.run + "/" + strconv.FormatUint(n, 10)
	msg.Header.Set(nats.MsgIdHdr, cmp.Or(retryID(e), try))
	msg.Header.Set(headerTry, try)
	msg.Header.Set(headerNode, c.opts.Node)
	msg.Header.Set(headerClock, time.Now().UTC().Format(time.RFC3339Nano))
	msg.Header.Set(headerVersion, strconv.Itoa(version))
	return msg, nil
}

// retryID is the same for all tries of a message with a retry key, on whichever server: somebody whose server
// dies tries again on another one, while the first try may still come. "" without a key. Recipients are left
// out, since a server does not send to those that it refuses.
func retryID(e *room.Event) string {
	if e.Key == "" {
		return ""
	}
	sum := sha256.New()
	for _, part := range []string{e.From, e.Key, string(e.Kind), e.Room, e.Text} {
		fmt.Fprintf(sum, "%d %s", len(part), part)
	}
	return "key/" + hex.EncodeToString(sum.Sum(nil)[:16])
}

// send publishes what waits, in order, if there is a connection: nothing is kept for later.
func (c *Cluster) send(waiting []*outgoing) {
	for _, o := range waiting {
		o.answer = nil
	}
	for _, o := range waiting {
		if o.answer, o.why = c.js.PublishMsgAsync(o.msg, jetstream.WithRetryAttempts(0)); o.why != nil {
			return // the rest must not come before it
		}
	}
}

// await waits for the answers, until it is time to send again or to give one up, and returns what is to be
// sent again.
func (c *Cluster) await(waiting []*outgoing) (again []*outgoing) {
	left := time.Until(waiting[0].at.Add(patience))
	ctx, cancel := context.WithTimeout(c.ending, min(patience/2, left))
	defer cancel()
	for _, o := range waiting {
		switch {
		case c.answered(ctx, o):
		case time.Since(o.at) >= patience || c.ending.Err() != nil:
			o.giveUp()
		default:
			again = append(again, o)
		}
	}
	if len(again) > 0 {
		time.Sleep(min(pause, time.Until(again[0].at.Add(patience))))
	}
	return again
}

// answered waits for the answer to o, and reports whether its fate is known.
func (c *Cluster) answered(ctx context.Context, o *outgoing) bool {
	if o.answer == nil {
		return false
	}
	select {
	case ack := <-o.answer.Ok():
		c.accepted(o, ack)
		return true
	case o.why = <-o.answer.Err():
		if refused(o.why) && !o.maybe {
			o.giveUp()
			return true
		}
		o.maybe = o.maybe || !unheard(o.why)
	case <-ctx.Done():
		select {
		case ack := <-o.answer.Ok():
			c.accepted(o, ack)
			return true
		default:
		}
		o.maybe, o.why = true, errors.New("no answer")
	}
	return false
}

// accepted notes that o is stored. Its sender waits until this server has it, too, but no longer than for the
// engine. If it is there as somebody's earlier try, nothing of this one comes back: the sender tries once
// more, and is answered as that try was.
func (c *Cluster) accepted(o *outgoing, ack *jetstream.PubAck) {
	c.publishing.stored(ack.Sequence)
	c.running.Go(func() {
		ctx, cancel := context.WithDeadline(c.ending, o.at.Add(patience))
		defer cancel()
		if err := c.following.reach(ctx, ack.Sequence); err != nil {
			o.failed(fmt.Errorf("%w: %v", room.ErrUncertain, err))
		} else if ack.Duplicate && o.e.Key != "" && !c.is(ctx, o, ack.Sequence) {
			o.failed(fmt.Errorf("%w: an earlier try is stored", room.ErrUncertain))
		}
	})
}

// is reports whether the message seq is o, and not another try of the same.
func (c *Cluster) is(ctx context.Context, o *outgoing, seq uint64) bool {
	stored, err := c.stream.GetMsg(ctx, seq)
	return err == nil && stored.Header.Get(headerTry) == o.msg.Header.Get(headerTry)
}

func (o *outgoing) giveUp() {
	o.failed(fmt.Errorf("%w: %w", unstored(o.maybe), cmp.Or(o.why, nats.ErrConnectionClosed)))
}

// unstored is what it means that something could not be published, and may be stored or not.
func unstored(maybe bool) error {
	if maybe {
		return room.ErrUncertain
	}
	return room.ErrCluster
}

// refused reports whether the stream itself has refused a message.
func refused(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api)
}

// unheard reports whether a message has reached no stream.
func unheard(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse)
}
