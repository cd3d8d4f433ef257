package sessions

import (
	"sync"
	"time"

	"whoelse/room"
	"whoelse/sessions/sshd"
)

// outbox is what waits to be shown to one person: a queue bounded in bytes, with
// one goroutine that writes it out.
//
//   - Put and tell MUST NOT block; what finds no place (see overflows) ends the
//     session instead.
//   - print MAY block, but only the session's own reading goroutine.
//   - All that waits goes out as one write: at once when the last one was long
//     enough ago (see Host.rhythm), else when that time has come.
//   - A write that stands for stallLimit ends the connection.
//   - Every item's shown function is called exactly once.
type outbox struct {
	ch      *sshd.Channel
	compose composer
	rhythm  func() time.Duration // how far apart two writes are kept
	wake    chan struct{}        // has room for one
	done    chan struct{}        // closed when the writer has ended

	mu    sync.Mutex // owns the fields below
	taken *sync.Cond // signalled when the queue has been taken
	queue []item
	bytes int
	cause error // why nothing more is taken; nil while open

	writing time.Time     // since when a write goes on; zero while none does
	full    chan struct{} // has one when so much is queued that it is not to wait
}

// item is an event of the room or a text for this session alone.
type item struct {
	event *room.Event
	text  string // rendered, lines ending in '\n'
	shown func(bool)
}

// itemOverhead is what an item counts beside its text.
const itemOverhead = 64

func (it item) size() int {
	n := len(it.text) + itemOverhead
	if it.event != nil && it.event.Message != nil {
		n += len(it.event.Message.Text)
	}
	return n
}

// composer renders items into one write, using buf's memory; last is set for the
// session's end. It is called on the writing goroutine.
type composer func(items []item, buf []byte, last bool) []byte

func newOutbox(ch *sshd.Channel, compose composer, rhythm func() time.Duration) *outbox {
	o := &outbox{
		ch: ch, compose: compose, rhythm: rhythm, done: make(chan struct{}),
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1),
	}
	o.taken = sync.NewCond(&o.mu)
	return o
}

// Put implements room.Sink.
func (o *outbox) Put(e *room.Event, shown func(bool)) { o.put(item{event: e, shown: shown}) }

// first queues what has to be seen before anything that is queued already. It is
// for before the writer runs.
func (o *outbox) first(items ...item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	later := o.queue
	o.queue = nil
	for _, it := range items {
		o.add(it)
	}
	o.queue = append(o.queue, later...)
}

// tell queues text for this session alone, as Put does.
func (o *outbox) tell(text string) { o.put(item{text: text}) }

func (o *outbox) put(it item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cause == nil && o.overflows(o.bytes+it.size()) {
		o.shut(errSlow)
	}
	if o.cause == nil {
		o.add(it)
	} else if it.shown != nil {
		go it.shown(false)
	}
}

// overflows reports whether so many bytes are too many. A burst that finds the
// writer ready to take it is not the person's fault: only a write that stands makes
// queueLimit count. Nothing but the references is copied for each session.
func (o *outbox) overflows(bytes int) bool {
	stands := !o.writing.IsZero() && time.Since(o.writing) > slowWrite
	return bytes > queueLimit && stands || bytes > burstLimit
}

// print queues text, waiting while much is queued already.
func (o *outbox) print(text string, shown func(bool)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.cause == nil && o.bytes > queueLimit/4 {
		o.taken.Wait()
	}
	if o.cause == nil {
		o.add(item{text: text, shown: shown})
	} else if shown != nil {
		go shown(false)
	}
}

func (o *outbox) add(it item) {
	o.queue = append(o.queue, it)
	o.bytes += it.size()
	if o.bytes > queueLimit/4 {
		select {
		case o.full <- struct{}{}:
		default:
		}
	}
	o.poke()
}

// poke wakes the writer. It never blocks and may be called by anybody.
func (o *outbox) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// close lets the writer write what is queued and then end, for cause. Only the
// first call counts.
func (o *outbox) close(cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut(cause)
}

func (o *outbox) shut(cause error) {
	if o.cause == nil {
		o.cause = cause
		o.taken.Broadcast()
		o.poke()
	}
}

// why returns the cause of the end, nil while there is none.
func (o *outbox) why() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cause
}

// take empties the queue, into spare's memory if it fits.
func (o *outbox) take(spare []item) (items []item, cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	items, o.queue = o.queue, spare[:0]
	o.bytes = 0
	o.writing = time.Now()
	select {
	case <-o.full:
	default:
	}
	o.taken.Broadcast()
	return items, o.cause
}

// run is the writing goroutine. last renders what is said at the end, for a cause.
func (o *outbox) run(last func(cause error) string) {
	defer close(o.done)
	w := writer{ch: o.ch, stall: time.AfterFunc(time.Hour, o.stalled)}
	w.stall.Stop()
	pause := newPause()
	var spare []item
	for {
		<-o.wake
		pause.wait(o.rhythm(), o.full)
		items, cause := o.take(spare)
		if cause != nil {
			if words := last(cause); words != "" {
				items = append(items, item{text: words})
			}
		}
		err := w.write(o.compose(items, w.buf[:0], cause != nil), cause != nil)
		o.written()
		o.report(items, err == nil)
		spare = reuse(items)
		if err != nil {
			o.close(errLost)
		}
		if err != nil || cause != nil {
			o.abandon()
			return
		}
	}
}

// stalled ends a connection that takes nothing any more; the write returns by it.
func (o *outbox) stalled() {
	o.close(errSlow)
	o.ch.Abort()
}

// written notes that no write goes on.
func (o *outbox) written() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writing = time.Time{}
}

// abandon answers for what came after the last write. The outbox is closed.
func (o *outbox) abandon() {
	items, _ := o.take(nil)
	o.report(items, false)
}

// report has everyone who waits for items told whether the client has them.
func (o *outbox) report(items []item, written bool) {
	var waiting []func(bool)
	for _, it := range items {
		if it.shown != nil {
			waiting = append(waiting, it.shown)
		}
	}
	if len(waiting) == 0 {
		return
	}
	tell := func(ok bool) {
		for _, f := range waiting {
			f(ok)
		}
	}
	if written {
		o.ch.Confirm(tell)
	} else {
		tell(false)
	}
}

// reuse empties items for the next round, unless it is too big to be kept by an
// idle session.
func reuse(items []item) []item {
	clear(items)
	if cap(items) > 64 {
		return nil
	}
	return items[:0]
}
