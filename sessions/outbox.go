package sessions

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"whoelse/room"
)

// outbox queues what one person is to be shown. It is bounded in bytes, and one goroutine at a
// time writes it out: flush, started when there is something to write. An idle session has none.
//
//   - Put and tell MUST NOT block; overflow (see put) ends the session instead.
//   - print MAY block, but only the session's own reading goroutine.
//   - All that waits goes out as one write, or as several of about pieceLimit: at once
//     when the last one was long enough ago (see Manager.flushInterval), much waits or
//     somebody waits for it (see hurry), else when that time has come or hold's is over.
//   - Every item's shown function is called exactly once, with true only when the
//     client has confirmed the writes that held all of the item.
//   - A write that blocks for stallLimit ends the connection, unless the client confirms
//     earlier ones meanwhile. More than queueLimit unconfirmed ends the session when no
//     confirmation comes for as long.
//   - A session that is ended from outside, or too slow, is over in goodbyeLimit,
//     with its connection if need be.
type outbox struct {
	ch            client
	compose       composer
	flushInterval func() time.Duration // how far apart two writes are kept
	done          chan struct{}        // closed when all was written

	// Owned by the writing goroutine: memory for the next round.
	spare []item
	buf   []byte

	mu          sync.Mutex  // owns the fields below
	run         func()      // the writing goroutine's; nil before start
	writer      *time.Timer // starts it later
	starting    bool        // it was started, and is not there yet
	wanted      bool        // there is something to write
	flushing    bool        // the writing goroutine runs
	next        time.Time   // when it may run again, unless somebody is in a hurry
	taken       *sync.Cond  // signalled when the queue was taken, or something confirmed
	queue       []item
	bytes       int         // in the queue
	cause       error       // why nothing more is taken; nil while open
	writing     time.Time   // since when a write goes on; zero while none does
	unconfirmed int         // bytes written since the last question that was answered
	asking      bool        // a question about them is open
	due         time.Time   // when a write, or more than queueLimit unconfirmed, is too late
	late        *time.Timer // fires then, or earlier
	armed       bool        // it will
}

// client is what an outbox needs of an sshd.Channel.
type client interface {
	io.Writer
	Stderr() io.Writer
	Confirm(func(bool))
	Abort()
}

// item is an event of the room or a text for this session alone.
type item struct {
	event *room.Update
	text  string // rendered, lines ending in '\n'
	shown func(bool)
}

func (it item) size() int {
	n := len(it.text) + 64 // which an item takes beside its text
	if it.event != nil && it.event.Message != nil {
		n += len(it.event.Message.Text)
	}
	return n
}

// reader is the person who has read a message, in the receipt of that; else "".
func (it item) reader() string {
	if it.event != nil && it.event.Message != nil {
		if m := it.event.Message; m.Kind == room.KindReceipt && m.Text == "" {
			return m.From
		}
	}
	return ""
}

// composer renders the first of items into one write, a piece or less, using buf's
// memory, and returns how many of them are wholly in it. last is set for the
// session's end. It is called on the writing goroutine.
type composer func(items []item, buf []byte, last bool) (out []byte, whole int)

// piece renders items until there is enough for one write. Width and colours can make
// lines much longer than what was said, so rendered bytes are what counts. events renders
// one event, or several receipts of one reader.
func piece(items []item, lines []byte, events func([]byte, []item) []byte) (_ []byte, whole int) {
	for whole < len(items) && len(lines) < pieceLimit {
		it, next := items[whole], whole+1
		if it.event == nil {
			lines = append(lines, it.text...)
		} else {
			for it.reader() != "" && next < len(items) && items[next].reader() == it.reader() {
				next++
			}
			lines = events(lines, items[whole:next])
		}
		whole = next
	}
	return lines, whole
}

// parts are the items of a text of any length: each has at most partLimit bytes, or is one line, which
// nothing may come into. shown is for the last.
func parts(text string, shown func(bool)) (items []item) {
	for len(text) > partLimit {
		cut := strings.LastIndexByte(text[:partLimit], '\n') + 1
		if cut == 0 {
			cut = strings.IndexByte(text, '\n') + 1
		}
		if cut == 0 || cut == len(text) {
			break
		}
		items = append(items, item{text: text[:cut]})
		text = text[cut:]
	}
	return append(items, item{text: text, shown: shown})
}

// partLimit is what a part counts for at most: a long line that was asked for is no burst.
const partLimit = 16 << 10

func newOutbox(ch client, compose composer, flushInterval func() time.Duration) *outbox {
	o := &outbox{ch: ch, compose: compose, flushInterval: flushInterval, done: make(chan struct{})}
	o.taken = sync.NewCond(&o.mu)
	o.late, o.armed = time.AfterFunc(stallLimit, o.stalled), true
	return o
}

// start has what is queued written, now and from then on: write is called, on a goroutine of its
// own, whenever there is something for it to flush.
func (o *outbox) start(write func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.run, o.writer = write, time.AfterFunc(0, write)
}

// Put implements room.Sink.
func (o *outbox) Put(e *room.Update, shown func(bool)) { o.put(item{event: e, shown: shown}, false) }

// tell queues text for this session alone, as Put does.
func (o *outbox) tell(text string) { o.put(item{text: text}, false) }

// print queues text, waiting while much is queued or not confirmed already: nobody
// is too slow because of what they have asked for.
func (o *outbox) print(text string, shown func(bool)) {
	for _, it := range parts(text, shown) {
		o.put(it, true)
	}
}

// put queues it, unless that is too much. A burst that finds the writer ready to take it is
// not the person's fault: queueLimit counts only behind a write that blocks. Nothing but
// the references is copied for each session.
func (o *outbox) put(it item, wait bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for wait && o.cause == nil && (o.bytes > queueLimit/4 || o.unconfirmed > queueLimit) {
		o.taken.Wait()
	}
	size := it.size()
	if wait {
		size = min(size, partLimit)
	}
	bytes := o.bytes + size
	blocks := !o.writing.IsZero() && time.Since(o.writing) > slowWrite
	if o.cause == nil && (bytes > burstLimit || bytes > queueLimit && blocks) {
		o.shut(errSlow)
	}
	if o.cause != nil {
		if it.shown != nil {
			go it.shown(false)
		}
		return
	}
	o.queue = append(o.queue, it)
	o.bytes = bytes
	if bytes > queueLimit/4 {
		o.next = time.Time{}
		o.schedule()
	}
	if it.reader() != "" { // the next ones of the same reader make one line with it
		time.AfterFunc(receiptsTogether, o.poke)
		return
	}
	o.want()
}

// first queues text that has to be seen before anything that is queued already. It is
// for before the writer runs.
func (o *outbox) first(text string, shown func(bool)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	items := parts(text, shown)
	for _, it := range items {
		o.bytes += it.size()
	}
	o.queue = append(items, o.queue...)
	o.want()
}

// poke has the writer run. It does not wait and may be called by anybody.
func (o *outbox) poke() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.want()
}

// want is poke, with mu held.
func (o *outbox) want() {
	if !o.wanted {
		o.wanted = true
		o.schedule()
	}
}

// hurry has what is queued written at once: a person may wait for it before going on. It
// does not wait and may be called by anybody.
func (o *outbox) hurry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = time.Time{}
	o.schedule()
}

// hold puts the next write off as if one had just been made: what is to come soon goes out with it. It does
// not wait and may be called by anybody.
func (o *outbox) hold() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = time.Now().Add(o.flushInterval())
}

// schedule starts the writer as soon as it may run, if there is something to write. The end of a
// run does it again. It runs with mu held.
func (o *outbox) schedule() {
	if !o.wanted || o.flushing || o.starting || o.run == nil {
		return
	}
	if wait := time.Until(o.next); wait > 0 {
		o.writer.Reset(wait)
		return
	}
	o.starting = true
	go o.run() // less than half of what a timer costs
}

// close lets the writer write what is queued and then end, for cause. Only the
// first call's cause counts. Unless the person wants it, all that is over in
// goodbyeLimit. It does not wait.
func (o *outbox) close(cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut(cause)
}

func (o *outbox) shut(cause error) {
	if o.cause == nil {
		o.cause = cause
		o.taken.Broadcast()
		o.want()
	}
	if voluntary(cause) {
		return
	}
	time.AfterFunc(goodbyeLimit, func() {
		select {
		case <-o.done:
		default:
			o.ch.Abort()
		}
	})
}

// voluntary tells whether it is the person who ends the session.
func voluntary(cause error) bool {
	return errors.Is(cause, errQuit) || errors.Is(cause, errInputEnd)
}

// why returns the cause of the end, nil while there is none.
func (o *outbox) why() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cause
}

// begin begins a run of the writer and takes what is queued. It reports false when there is
// nothing to do or a run goes on: a timer that is set again may have fired already.
func (o *outbox) begin() (items []item, cause error, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.starting = false
	if !o.wanted || o.flushing {
		return nil, nil, false
	}
	o.wanted, o.flushing = false, true
	o.next = time.Now().Add(o.flushInterval())
	return o.take(o.spare), o.cause, true
}

// take empties the queue, into spare's memory. It runs with mu held.
func (o *outbox) take(spare []item) []item {
	items := o.queue
	o.queue, o.bytes = spare[:0], 0
	o.taken.Broadcast()
	return items
}

// flush is one run of the writer: it writes what is queued, and reports whether that was the
// last of it. last returns what is said at the end, for a cause: words among the rest, and
// errors for standard error.
func (o *outbox) flush(last func(cause error) (words, errors string)) (over bool) {
	taken, cause, ok := o.begin()
	if !ok {
		return false
	}
	items := taken // not reported yet
	over = true
	defer func() { o.finish(items, over) }()
	var words, errors string
	if cause != nil {
		if words, errors = last(cause); words != "" {
			items = append(items, item{text: words})
		}
	}
	for more := true; more; more = len(items) > 0 {
		out, whole := o.compose(items, o.buf, cause != nil)
		if o.write(o.ch, out) != nil {
			return true
		}
		o.report(items[:whole], true)
		items, o.buf = items[whole:], reuse(out, 4<<10)
	}
	if cause != nil {
		o.write(o.ch.Stderr(), []byte(errors)) // nobody is left to be told
		if voluntary(cause) {
			o.linger()
		}
		return true
	}
	o.spare = reuse(taken, 64)
	return false
}

// finish ends a run of the writer. After the last one, also one that panicked, nobody will be
// shown what is left.
func (o *outbox) finish(left []item, over bool) {
	o.mu.Lock()
	if !over {
		o.flushing = false
		o.schedule()
		o.mu.Unlock()
		return
	}
	o.shut(errLost) // unless there is a cause already
	left = append(left, o.take(nil)...)
	o.mu.Unlock()
	o.report(left, false)
	close(o.done)
}

// linger waits until the client has taken what was written, where that is so much that
// a slow line takes a while: once the channel is closed there is little time for it, and
// closing the connection would lose the rest.
func (o *outbox) linger() {
	o.mu.Lock()
	unconfirmed := o.unconfirmed
	o.mu.Unlock()
	if unconfirmed <= lingerAfter {
		return
	}
	taken := make(chan struct{})
	o.ch.Confirm(func(bool) { close(taken) })
	select {
	case <-taken:
	case <-time.After(lingerLimit):
	}
}

// write writes p, each piece of it within the deadline.
func (o *outbox) write(to io.Writer, p []byte) error {
	for piece := range slices.Chunk(p, pieceLimit) {
		o.progress(time.Now(), 0)
		_, err := to.Write(piece)
		o.progress(time.Time{}, len(piece))
		if err != nil {
			return err
		}
	}
	return nil
}

// progress notes that a write has begun, or that one of n bytes has ended. A client that
// has too much to confirm gets no more time by that.
func (o *outbox) progress(writing time.Time, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.unconfirmed <= queueLimit {
		o.extend()
	}
	o.writing = writing
	o.unconfirmed += n
	o.ask()
}

// extend puts the deadline off, with mu held. The timer is left as it is: most writes take far less time than setting it would
// cost again and again.
func (o *outbox) extend() {
	o.due = time.Now().Add(stallLimit)
	if !o.armed {
		o.armed = true
		o.late.Reset(stallLimit)
	}
}

// ask asks the client now and then what it has taken, because a write that returned has
// only filled a window of up to 2 MiB and the buffers of two kernels. No answer is for
// bytes that another was for, so a write that blocks is put off twice at most. It runs with
// mu held.
func (o *outbox) ask() {
	asked := o.unconfirmed
	if asked <= askAfter || o.asking {
		return
	}
	o.asking = true
	o.ch.Confirm(func(ok bool) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if !ok {
			o.shut(errLost)
			return
		}
		o.asking = false
		o.unconfirmed -= asked
		o.extend()
		o.taken.Broadcast()
		o.ask()
	})
}

// stalled ends the session of a client that has taken too long, and its connection where
// nothing else makes a write return. A late timer finds that nothing is due.
func (o *outbox) stalled() {
	o.mu.Lock()
	writing := !o.writing.IsZero()
	waits := writing || o.unconfirmed > queueLimit
	overdue := waits && !time.Now().Before(o.due)
	if o.armed = waits && !overdue; o.armed {
		o.late.Reset(time.Until(o.due))
	}
	if overdue {
		o.shut(errSlow)
	}
	o.mu.Unlock()
	if overdue && writing {
		o.ch.Abort()
	}
}

// report calls the shown functions of items, once the client has them or never will.
func (o *outbox) report(items []item, written bool) {
	var waiting []func(bool)
	for _, it := range items {
		if it.shown != nil {
			waiting = append(waiting, it.shown)
		}
	}
	tell := func(ok bool) {
		for _, f := range waiting {
			f(ok)
		}
	}
	switch {
	case !written:
		tell(false)
	case len(waiting) > 0:
		o.ch.Confirm(tell)
	}
}

// reuse empties s for the next round, unless it is too big to be kept by an idle session.
func reuse[T any](s []T, most int) []T {
	if cap(s) > most {
		return nil
	}
	clear(s)
	return s[:0]
}
