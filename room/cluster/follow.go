package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"whoelse/internal/disk"
	"whoelse/room"
	"whoelse/room/log"
)

// maxBatch is how many events are made durable together at most.
const maxBatch = 1000

// silentAfter is how long no event may come before the stream is asked whether one should have.
const silentAfter = 5 * time.Second

// staleFor is how long an engine node that was cut off from the others may tell an old end of the stream: it leads the stream
// until it finds out that it does not.
var staleFor = 30 * time.Second // shorter in tests

// heartbeat is how often the engine says that it has no event.
const heartbeat = 2 * time.Second

// retryAfter is the time before a failed write is tried again.
const retryAfter = time.Second

// Local is this server's own log and histories.
type Local interface {
	// Commit makes entries durable and hands them on. After an error it is called again with the same entries.
	Commit(entries []room.Entry) error
	Last() uint64   // number of the last event in the log
	LastID() string // the greatest ID of all events
}

// Receive makes a change of the document doc durable in this server's files. It may be called again with
// the same change. After an error it is called again, unless the error wraps [room.ErrInvalid]: then data makes no
// sense, and is skipped.
type Receive = func(doc string, data []byte) error

// follower copies the stream into the local log.
type follower struct {
	local  Local
	states map[string]Receive

	// Owned by the goroutine of consume.
	next    uint64    // number of the next message
	lastID  string    // ID of the event before it
	failing time.Time // when nothing could be fetched first; zero: it can
	short   time.Time // when the stream was first shorter than this server's log; zero: it is not

	mu      sync.Mutex    // guards what follows
	applied uint64        // everything up to this message is in the local log
	behind  uint64        // how many messages the stream had after it, when last heard
	err     error         // why the stream can't be followed at the moment
	changed chan struct{} // is closed when these change
}

// trouble is why this server can't follow the stream now, nil if it can.
func (f *follower) trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// update makes a change, and wakes all that wait for one.
func (f *follower) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// move notes that all messages up to seq are in the local log, and how many more the stream has.
func (f *follower) move(seq, behind uint64) {
	f.update(func() { f.applied, f.behind = seq, behind })
}

// setTrouble notes why this server can't follow the stream now, nil if it can. What is new goes to the log.
func (c *Cluster) setTrouble(err error) {
	switch before := c.following.trouble(); {
	case err == nil && before == nil:
		return
	case err == nil:
		c.log.Info("cluster: following the stream again")
	case errors.Is(before, errStuck) && errors.Is(err, errStuck): // it has numbers that change
	case before == nil || before.Error() != err.Error():
		c.log.Error("cluster: this server can't follow the stream, and accepts no messages until it can", "error", err)
	}
	c.following.update(func() { c.following.err = err })
}

// at is the number of the last message that is in the local log.
func (f *follower) at() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applied
}

// reach waits until all messages up to seq are in the local log, the stream can't be followed, or ctx is over.
func (f *follower) reach(ctx context.Context, seq uint64) error {
	for {
		f.mu.Lock()
		applied, changed, err := f.applied, f.changed, f.err
		f.mu.Unlock()
		if applied >= seq || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: this server is %d events behind", room.ErrCluster, seq-applied)
		}
	}
}

// Follow copies the stream into local, after local's last event, until Close, and begins to publish. It is called once.
// The keys of states are names of documents, or the part before the "/" in them. A change is received before its event
// is committed. If local can't go on with this stream, the error says what the operator has to do.
func (c *Cluster) Follow(ctx context.Context, local Local, states map[string]Receive) error {
	f := &c.following
	f.local, f.states = local, states
	f.next, f.lastID = local.Last()+1, local.LastID()
	f.move(local.Last(), 0)
	if err := c.bind(); err != nil {
		return err
	}
	if err := c.again(ctx, "the stream does not answer yet", func(ctx context.Context) (bool, error) {
		_, err := c.continues(ctx, f.next)
		return errors.Is(err, errStuck), err
	}); err != nil {
		return err
	}
	c.running.Go(c.consume)
	c.publishing.running.Go(c.publish)
	return nil
}

// bound is what the file Options.Bound holds.
type bound struct {
	Stream  string    `json:"stream"`
	Created time.Time `json:"created"`
}

// bind makes sure that the data folder has followed this stream and no other.
func (c *Cluster) bind() error {
	err := c.CheckBound(c.opts.Bound)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if n := c.following.local.Last(); n > 0 {
		return fmt.Errorf("the data folder has %d events that are not of the cluster %s; start with an empty folder, "+
			"or found the cluster with this one: whoelse cluster import", n, c.opts.Name)
	}
	return c.Bind(c.opts.Bound)
}

// CheckBound checks what Bind noted in the file path. The error says that the data folder follows another stream; it is
// fs.ErrNotExist if the folder follows none.
func (c *Cluster) CheckBound(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var is bound
	if err == nil {
		err = json.Unmarshal(b, &is)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; put back the file from a backup", path, err)
	}
	if is.Stream != c.streamName() || !is.Created.Equal(c.id) {
		return fmt.Errorf("the data folder follows the stream %s, created %v, but this one is %s, created %v; connect to the engine "+
			"that has the first, or start with an empty data folder", is.Stream, is.Created, c.streamName(), c.id)
	}
	return nil
}

// Bind notes in the file path that its data folder follows this cluster's stream.
func (c *Cluster) Bind(path string) error {
	b, err := json.Marshal(bound{c.streamName(), c.id})
	if err != nil {
		return err
	}
	return disk.Store{}.Write(path, append(b, '\n'))
}

var (
	// errStuck is wrapped by errors that only the operator can repair.
	errStuck = errors.New("this server can't go on")
	// errShorter says that the stream lacks events, according to an engine node that may be wrong.
	errShorter = errors.New("this engine node has fewer events than this server; trying other nodes")
)

// continues makes sure that the stream has the message next, or will, and returns where the stream ends.
func (c *Cluster) continues(ctx context.Context, next uint64) (last uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.patience)
	defer cancel()
	info, err := c.stream.Info(ctx)
	var st jetstream.StreamState
	if info != nil {
		st = info.State
	}
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return 0, fmt.Errorf("%w: %w", errStuck, c.lost())
	case err != nil:
		return 0, err
	case !info.Created.Equal(c.id):
		return 0, fmt.Errorf("%w: the stream %s was replaced by another one; connect to the engine that has the old one, "+
			"or start with an empty data folder", errStuck, c.streamName())
	case st.LastSeq+1 < next:
		if c.following.shorter(time.Now()) < staleFor {
			return 0, errShorter
		}
		return 0, fmt.Errorf("%w: the stream ends at %d, but this server has the events up to %d: the engine has lost some; "+
			"restore it from a newer backup", errStuck, st.LastSeq, next-1)
	case st.FirstSeq > next:
		return 0, fmt.Errorf("%w: the stream begins at %d, and this server has the events up to %d: those between are gone; restore its "+
			"data folder from a newer backup of another server; or run whoelse cluster snapshot on another server, move away "+
			"all of this data folder except host_key, and start this server again", errStuck, st.FirstSeq, next-1)
	}
	c.following.short = time.Time{}
	return st.LastSeq, nil
}

// shorter notes that the stream is shorter than it was, and returns for how long.
func (f *follower) shorter(now time.Time) time.Duration {
	if f.short.IsZero() {
		f.short = now
	}
	return now.Sub(f.short)
}

// consume follows the stream until Close. It also tries again after errors that only the operator can mend.
func (c *Cluster) consume() {
	f := &c.following
	for c.ending.Err() == nil {
		err := c.copy(c.ending)
		f.fails()
		again, stuck := pause, errors.Is(err, errStuck)
		if stuck || errors.Is(err, errShorter) {
			c.setTrouble(fmt.Errorf("%w: %w", room.ErrCluster, err))
		}
		if stuck {
			again = silentAfter
		} else {
			c.elsewhere(f.failing, err)
		}
		c.log.Debug("cluster: asking for the stream again", "next", f.next, "why", err)
		c.wait(again)
	}
}

// fails notes that nothing can be fetched from now on, unless that was known.
func (f *follower) fails() {
	if f.failing.IsZero() {
		f.failing = time.Now()
	}
}

// wait waits, and reports false when this server is stopping.
func (c *Cluster) wait(d time.Duration) bool {
	select {
	case <-c.ending.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// copy follows the stream until something goes wrong.
func (c *Cluster) copy(ctx context.Context) error {
	if err := c.upToDate(ctx); err != nil && !errors.Is(err, errSilent) {
		return err
	}
	// The engine may place the consumer on a node that has just died: the sooner it is asked again, the better.
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	consumer, err := c.stream.CreateConsumer(soon, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: c.following.next,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return err
	}
	c.hear()
	for {
		if err := c.fetch(ctx, consumer); err != nil {
			return err
		}
		c.following.failing = time.Time{}
	}
}

// fetch brings the next messages into the local log, for at most silentAfter. If none comes, none should have.
func (c *Cluster) fetch(ctx context.Context, consumer jetstream.Consumer) error {
	once, cancel := context.WithTimeout(ctx, silentAfter)
	defer cancel()
	fetched, err := consumer.Fetch(maxBatch, jetstream.FetchContext(once), jetstream.FetchHeartbeat(heartbeat))
	if err != nil {
		return err
	}
	arrived, silent := fetched.Messages(), true
	for {
		var batch []jetstream.Msg
		select {
		case <-c.reconnected:
			return errors.New("connected again") // messages on their way were lost
		case msg, ok := <-arrived:
			if !ok { // it failed, or its time is over
				err := fetched.Error()
				if err == nil && silent {
					err = c.upToDate(ctx)
				}
				return err
			}
			batch = append(batch, msg)
		}
		for len(arrived) > 0 {
			batch = append(batch, <-arrived)
		}
		silent = false
		c.hear()
		if err := c.take(batch); err != nil {
			return err
		}
	}
}

var errSilent = errors.New("the stream has events, but none comes")

// upToDate checks that the stream has no more events. If it has, the error is errSilent; otherwise, why it is not known.
func (c *Cluster) upToDate(ctx context.Context) error {
	c.following.fails() // until it works
	last, err := c.continues(ctx, c.following.next)
	switch {
	case err != nil:
		return err
	case last >= c.following.next:
		return errSilent
	}
	c.setTrouble(nil)
	return nil
}

// take brings messages into the local log.
func (c *Cluster) take(batch []jetstream.Msg) error {
	f := &c.following
	var entries []room.Entry
	var err error
	next, lastID, behind := f.next, f.lastID, uint64(0)
	for _, msg := range batch {
		var meta *jetstream.MsgMetadata
		if meta, err = c.due(msg, next); err != nil {
			break
		}
		seq := meta.Sequence.Stream
		var e *room.Event
		if e, err = c.read(msg, meta.Timestamp, lastID); errors.Is(err, errStuck) {
			break
		} else if err != nil {
			c.log.Error("cluster: a message in the stream is not an event; all servers skip it", "number", seq, "error", err)
			err = nil
		} else {
			lastID = e.ID
			entries = append(entries, room.Entry{Seq: seq, Event: e})
		}
		next, behind = seq+1, meta.NumPending
	}
	if next == f.next {
		return err
	}
	if stopped := c.commit(entries); stopped != nil {
		return stopped
	}
	f.next, f.lastID = next, lastID
	c.setTrouble(nil)
	f.move(next-1, behind)
	return err
}

// due returns the metadata of a message. It fails if the stream has messages from next on that did not come before it: they
// were lost on their way, or the consumer's engine node has lost them.
func (c *Cluster) due(msg jetstream.Msg, next uint64) (*jetstream.MsgMetadata, error) {
	meta, err := msg.Metadata()
	if err != nil || meta.Sequence.Stream == next {
		return meta, err
	}
	if _, err := c.continues(c.ending, next); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.ending, c.opts.patience)
	defer cancel()
	first, err := c.stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(c.subject("log", ">")))
	if err == nil && first.Sequence != meta.Sequence.Stream {
		err = fmt.Errorf("%d came after %d", meta.Sequence.Stream, next-1)
	}
	return meta, err
}

// read makes the event of a message, with the ID and time that it has on every server.
func (c *Cluster) read(msg jetstream.Msg, stored time.Time, lastID string) (*room.Event, error) {
	if log.IsNewer(msg.Data()) {
		return nil, fmt.Errorf("%w: another server has a newer version; upgrade this one", errStuck)
	}
	e, ok := log.ParseEvent(msg.Data())
	if !ok {
		return nil, errors.New("it is not a line of a log")
	}
	if msg.Subject() != c.eventSubject(e) {
		return nil, fmt.Errorf("its subject is %.100q", msg.Subject())
	}
	if !sensible(e) {
		return nil, errors.New("it has an invalid nick or name of a room")
	}
	stamp(e, msg.Headers(), stored, lastID)
	if e.Node == c.opts.Node && !strings.HasPrefix(msg.Headers().Get(headerTry), c.opts.Node+"/"+c.run+"/") {
		e.Tag = formerTag
	}
	_, err := log.AppendLine(nil, 0, e)
	return e, err
}

// sensible reports whether histories and rooms can take e, whoever published it.
func sensible(e *room.Event) bool {
	named := func(m *room.Message) bool {
		return (m.From == "" || nickName.MatchString(m.From)) && (m.Room == "" || nickName.MatchString(m.Room)) &&
			!slices.ContainsFunc(m.To, func(nick string) bool { return !nickName.MatchString(nick) }) &&
			len(slices.Compact(slices.Sorted(slices.Values(m.To)))) == len(m.To)
	}
	for _, receipt := range e.Receipts {
		if !named(receipt) || receipt.Kind != room.KindReceipt || receipt.From == "" || len(receipt.To) != 1 {
			return false
		}
	}
	switch e.Kind {
	case room.KindAlive, room.KindRetired, room.KindState: // can be nobody's
	default:
		if e.From == "" {
			return false
		}
	}
	return named(&e.Message)
}

// formerTag is the Tag of events that an earlier run of this server appended: no sender waits for them.
const formerTag = "-"

// stamp gives e an ID and a time that depend on the log alone, so that they are the same on every server. The
// time is by the engine's clock: the clock of the publishing server does not matter.
func stamp(e *room.Event, h nats.Header, stored time.Time, lastID string) {
	e.Tag = e.ID
	if node := h.Get(headerNode); token.MatchString(node) {
		e.Node = node
	}
	clock, err := time.Parse(time.RFC3339Nano, h.Get(headerClock))
	restamp := func(m *room.Message) {
		lastID = room.NextID(lastID, stored)
		m.ID = lastID
		before := clock.Sub(m.Time) // how long it waited to be published
		if err != nil || before < 0 {
			before = 0
		}
		m.Time = stored.Add(-before).UTC().Truncate(time.Millisecond)
	}
	for _, receipt := range e.Receipts {
		restamp(receipt)
	}
	restamp(&e.Message)
}

// docName matches a document's name.
var docName = regexp.MustCompile(`^[a-z]{1,32}(/[a-z0-9][a-z0-9._-]{0,31})?$`)

// receive makes a change in this server's files.
func (c *Cluster) receive(e *room.Event) error {
	prefix, _, _ := strings.Cut(e.Doc, "/")
	to := c.following.states[prefix]
	if to == nil || !docName.MatchString(e.Doc) {
		c.log.Warn("cluster: a change of a document that this version does not know is skipped", "doc", e.Doc)
		return nil
	}
	err := to(e.Doc, e.Data)
	if errors.Is(err, room.ErrInvalid) {
		c.log.Error("cluster: a change is invalid; all servers skip it", "doc", e.Doc, "error", err)
		return nil
	}
	return err
}

// commit receives the changes in a batch and makes the batch durable. It tries until it succeeds. An error says that
// this server is stopping.
func (c *Cluster) commit(entries []room.Entry) error {
	for _, e := range entries {
		if e.Kind != room.KindState {
			continue
		}
		if err := c.until("a change can't be written to "+e.Doc, func() error { return c.receive(e.Event) }); err != nil {
			return err
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return c.until("the log can't be written", func() error { return c.following.local.Commit(entries) })
}

// until calls try until it succeeds. Meanwhile this server accepts no messages: it could not show them.
func (c *Cluster) until(what string, try func() error) error {
	for n := 0; ; n++ {
		err := try()
		if err == nil {
			return nil
		}
		if n == 0 { // later ones can name other temporary files, and would fill the log
			c.setTrouble(fmt.Errorf("%w: %s: %w", room.ErrStorage, what, err))
		}
		if !c.wait(retryAfter) {
			return errClosed
		}
	}
}
