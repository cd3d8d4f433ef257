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

// Headers of published messages. The engine stores a second message with the same nats.MsgIdHdr only once.
const (
	headerNode    = "Whoelse-Node"
	headerTry     = "Whoelse-Try"     // identifies one event of one process, also when it is published again
	headerClock   = "Whoelse-Clock"   // the publishing server's clock, as in the event's time
	headerVersion = "Whoelse-Version" // of the message's format
	version       = 1
)

// pause is the time before a retry.
const pause = 250 * time.Millisecond

// maxGroup is how many events are published together, before any is answered.
const maxGroup = 512

// publisher publishes the events that the room appends, and changes of documents. All waiting events are published
// together; later ones wait until these are answered.
type publisher struct {
	running sync.WaitGroup // until all events are in the local log, or given up
	count   atomic.Uint64  // of messages, for their ids
	mu      sync.Mutex     // guards what follows
	work    sync.Cond
	queue   []*outgoing
	closed  bool
}

// outgoing waits for its answer.
type outgoing struct {
	e      *room.Event
	after  uint64      // for KindState: the number of the document's last change, which has to be the last one still
	done   func(error) // called once; nil says that e is stored and in the local log
	at     time.Time   // when it was appended
	msg    *nats.Msg
	answer jetstream.PubAckFuture
	maybe  bool  // it was sent, and may be stored
	why    error // of the last try
}

func (p *publisher) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.work.Signal()
}

// next waits for events and returns them; nil once the publisher is closed and none are left.
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

// Append implements [room.Log]. It does not wait: the event comes back through [Cluster.Follow], or failed is called within
// about three seconds, with [room.ErrUncertain] if the event may still come, and any other error if it certainly does not.
func (c *Cluster) Append(e *room.Event, failed func(error)) {
	c.enqueue(&outgoing{e: e, done: func(err error) {
		if err != nil {
			failed(err)
		}
	}})
}

func (c *Cluster) enqueue(o *outgoing) {
	p := &c.publishing
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		go o.done(fmt.Errorf("%w: %w", room.ErrCluster, errClosed)) // the caller may hold locks
		return
	}
	o.at = time.Now()
	p.queue = append(p.queue, o)
	p.work.Signal()
}

// publish runs the publisher until Close.
func (c *Cluster) publish() {
	for group := c.publishing.next(); len(group) > 0; group = c.publishing.next() {
		waiting := make([]*outgoing, 0, len(group))
		for _, o := range group {
			if err := c.prepare(o); err != nil {
				o.done(err)
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

// prepare makes the message for an event. It fails if the engine is away, or this server can't follow the stream.
func (c *Cluster) prepare(o *outgoing) (err error) {
	if err = c.following.trouble(); err != nil {
		return err
	}
	if since := c.down.Load(); since != nil && time.Since(*since) > c.opts.patience {
		return errDisconnected
	}
	if time.Since(o.at) > c.opts.patience {
		return fmt.Errorf("%w: the engine does not answer", room.ErrCluster)
	}
	if o.msg, err = c.message(o.e); err == nil && o.e.Kind == room.KindState {
		o.msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(o.after, 10))
	}
	return err
}

// eventSubject is the subject of an event.
func (c *Cluster) eventSubject(e *room.Event) string {
	if e.Kind == room.KindState {
		return c.stateSubject(e.Doc)
	}
	return c.subject("log", "event")
}

// message makes the NATS message that an event is published as.
func (c *Cluster) message(e *room.Event) (*nats.Msg, error) {
	line, err := log.AppendLine(nil, 0, e)
	if err != nil {
		return nil, err
	}
	n := c.publishing.count.Add(1)
	msg := nats.NewMsg(c.eventSubject(e))
	msg.Data = line[:len(line)-1]
	try := c.opts.Node + "/" + c.run + "/" + strconv.FormatUint(n, 10)
	msg.Header.Set(nats.MsgIdHdr, cmp.Or(retryID(e), try))
	msg.Header.Set(headerTry, try)
	msg.Header.Set(headerNode, c.opts.Node)
	msg.Header.Set(headerClock, time.Now().UTC().Format(time.RFC3339Nano))
	msg.Header.Set(headerVersion, strconv.Itoa(version))
	return msg, nil
}

// retryID is the same for all tries of a message with a retry key, on any server: a sender whose server
// dies tries again on another one, while the first try may still come. "" without a key. Recipients are left
// out, since servers can differ in the recipients that they refuse.
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

// send publishes events in order, if there is a connection. The NATS client buffers nothing for later.
func (c *Cluster) send(waiting []*outgoing) {
	for _, o := range waiting {
		if !c.connected() {
			o.why = nats.ErrDisconnected
			return
		}
		if o.answer, o.why = c.js.PublishMsgAsync(o.msg, jetstream.WithRetryAttempts(0)); o.why != nil {
			return // the rest must not come before it
		}
	}
}

// await waits for the answers, and returns the events to send again.
func (c *Cluster) await(waiting []*outgoing) (again []*outgoing) {
	for _, o := range waiting {
		switch {
		case c.answered(o):
		case time.Since(o.at) >= c.opts.patience:
			o.giveUp()
			c.elsewhere(o.at, o.why)
		default:
			again = append(again, o)
		}
	}
	if len(again) > 0 {
		time.Sleep(min(pause, time.Until(again[0].at.Add(c.opts.patience))))
	}
	return again
}

// answered waits for the answer to the last try, and reports whether the fate of o is known.
func (c *Cluster) answered(o *outgoing) bool {
	answer := o.answer
	if o.answer = nil; answer == nil {
		return false
	}
	select {
	case ack := <-answer.Ok():
		c.accepted(o, ack)
		return true
	case o.why = <-answer.Err(): // after half the patience, if not earlier
	case <-time.After(max(time.Millisecond, time.Until(o.at.Add(c.opts.patience)))):
		o.why = errors.New("no answer")
	}
	if o.maybe && conflicts(o.why) { // perhaps with itself: a single engine node looks for conflicts before duplicates
		ctx, cancel := context.WithTimeout(c.ending, c.opts.patience)
		defer cancel()
		first, err := c.stream.GetMsg(ctx, o.after+1, jetstream.WithGetMsgSubject(o.msg.Subject))
		if err == nil && o.is(first) {
			c.accepted(o, &jetstream.PubAck{Sequence: first.Sequence})
			return true
		}
		o.maybe = err != nil
	}
	if refused(o.why) && !o.maybe {
		o.giveUp()
		return true
	}
	o.maybe = o.maybe || !unheard(o.why)
	return false
}

// accepted notes that o is stored. Its sender waits until this server has it, too, within the same patience.
// If the engine already had it as an earlier try on another server, this try does not come back: its sender is told to
// try once more, and then gets that try's answer.
func (c *Cluster) accepted(o *outgoing, ack *jetstream.PubAck) {
	c.hear()
	c.publishing.running.Go(func() {
		ctx, cancel := context.WithDeadline(c.ending, o.at.Add(c.opts.patience))
		defer cancel()
		err := c.following.reach(ctx, ack.Sequence)
		if err == nil && ack.Duplicate && o.e.Key != "" {
			var stored *jetstream.RawStreamMsg
			if stored, err = c.stream.GetMsg(ctx, ack.Sequence); err == nil && !o.is(stored) {
				err = errors.New("an earlier try is stored")
			}
		}
		if err != nil {
			err = fmt.Errorf("%w: %v", room.ErrUncertain, err)
		}
		o.done(err)
	})
}

// is reports whether a message in the stream is o itself, and not another try of the same message.
func (o *outgoing) is(stored *jetstream.RawStreamMsg) bool {
	return stored.Header.Get(headerTry) == o.msg.Header.Get(headerTry)
}

func (o *outgoing) giveUp() {
	why := room.ErrCluster
	if o.maybe {
		why = room.ErrUncertain
	}
	o.done(fmt.Errorf("%w: %w", why, cmp.Or(o.why, nats.ErrConnectionClosed)))
}

// refused reports whether the stream itself refused a message.
func refused(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api)
}

// unheard reports whether a message reached no stream.
func unheard(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse)
}
