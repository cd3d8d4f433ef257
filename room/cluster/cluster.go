// Package cluster joins servers into one chat over a stream in NATS JetStream, which the operator runs and is called
// the engine here. The stream is the log of all servers: it orders all events. Each server copies it into a local
// log, from which its histories and its room are made as on a single server. See docs/cluster.md.
package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"whoelse/room"
	"whoelse/room/internal/jsonl"
)

// patience is how long the engine may take to answer before the caller gets an error.
const patience = 3 * time.Second

// headerRoom is the space for a message's headers, in bytes.
const headerRoom = 4 << 10

// Options are how a server takes part in a cluster. Only Creds, TLSCA and Bound may be missing.
type Options struct {
	URLs     []string      // of the engine: nats://HOST:PORT
	Creds    string        // a file with credentials of the engine; "": none
	TLSCA    string        // a file with the certificates to trust instead of the system's; "": the system's
	Name     string        // of the cluster: 1 to 32 letters, digits, '-' and '_'
	Node     string        // the name of this server, in the same characters, which no other one has; "": see Dial
	Replicas int           // how many engine nodes store the stream
	Keep     time.Duration // how long the stream keeps an event
	Bound    string        // a file in the data folder that notes which stream the folder follows
	Log      *slog.Logger

	// Tests may wait longer, or not so long; 0: the usual.
	patience time.Duration
	answer   time.Duration // see answerWithin
}

// Cluster is one server's part of it. All methods may be called concurrently. It is the [room.Log] and
// the [room.Peers] of its server's room.
type Cluster struct {
	opts   Options
	run    string // marks what this process says, which it may hear: over an engine node that it was connected to before
	log    *slog.Logger
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream // nil: a command connected, and there is none
	id     time.Time        // when the stream was created: another one has another time

	ending  context.Context
	end     context.CancelFunc
	running sync.WaitGroup
	turns   [64]chan struct{} // held while a document is changed here, by a hash of its name

	down        atomic.Pointer[time.Time] // when the connection broke; nil: connected
	heard       atomic.Pointer[time.Time] // when most of the engine last did something, or another node was chosen
	silent      atomic.Bool               // nothing was heard for long, which the log says once, see elsewhere
	denied      atomic.Pointer[error]     // what the engine did not permit last; nil: nothing
	reconnected chan struct{}
	publishing  publisher
	following   follower
	rosters     rosters
}

var (
	_ room.Log   = (*Cluster)(nil)
	_ room.Peers = (*Cluster)(nil)
)

// token matches a part of a subject, and of a stream's name.
var token = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,32}$`)

// Dial connects for a command. It ignores opts.Node: this is no server of the cluster. The stream may be missing, see
// [Cluster.Found].
func Dial(ctx context.Context, opts Options) (*Cluster, error) {
	opts.Node = ""
	return Connect(ctx, opts)
}

// Connect connects to the engine and finds the cluster's stream, or creates it. It keeps trying while the engine can't be
// reached, for half a minute or until ctx is over. Mistakes that the operator has to correct are errors at once.
func Connect(ctx context.Context, opts Options) (*Cluster, error) {
	opts.patience, opts.answer = cmp.Or(opts.patience, patience), cmp.Or(opts.answer, answerWithin)
	c := &Cluster{opts: opts, log: opts.Log, run: rand.Text(), reconnected: make(chan struct{}, 1)}
	for i := range c.turns {
		c.turns[i] = make(chan struct{}, 1)
	}
	c.ending, c.end = context.WithCancel(context.Background())
	c.hear()
	c.publishing.work.L = &c.publishing.mu
	c.following.changed = make(chan struct{})
	c.rosters.init()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := c.connect(ctx)
	if err == nil {
		err = c.again(ctx, "the engine does not answer yet", c.open)
	}
	if err == nil && opts.Node != "" {
		err = c.takeName()
	}
	if err == nil {
		err = c.listen()
	}
	if err != nil {
		c.end()
		if c.nc != nil {
			c.nc.Close()
		}
		return nil, fmt.Errorf("cluster %s: %w", opts.Name, err)
	}
	return c, nil
}

var (
	errClosed       = errors.New("the server is stopping")
	errDisconnected = fmt.Errorf("%w: not connected to the engine", room.ErrCluster)
)

// connected reports whether the engine is reached. Ask it before a call of the NATS client that must not block: while that
// tries to connect again, which can take two seconds for each engine node, almost all of its methods wait.
func (c *Cluster) connected() bool { return c.down.Load() == nil }

// again calls try until it succeeds, fails for good, or ctx is over. The first tries have less time: without a leader,
// as when all engine nodes have just started, the engine does not answer at all.
func (c *Cluster) again(ctx context.Context, waiting string, try func(context.Context) (final bool, err error)) (err error) {
	began := time.Now()
	for n := 0; ; n++ {
		once, cancel := context.WithTimeout(ctx, min(c.opts.patience, pause<<min(n+1, 8)))
		final, failed := try(once)
		cancel()
		if failed == nil || final {
			return failed
		}
		if n == 0 {
			c.log.Info("cluster: "+waiting+"; trying again", "error", failed)
		}
		if n == 0 || ctx.Err() == nil && !errors.Is(failed, nats.ErrReconnectBufExceeded) {
			err = failed // else it had no time, or no connection, which says nothing
		}
		if c.nc != nil {
			c.elsewhere(began, err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func (c *Cluster) connect(ctx context.Context) error {
	options := []nats.Option{
		nats.Name("whoelse " + c.opts.Node), nats.NoEcho(),
		nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectBufSize(-1),
		nats.IgnoreAuthErrorAbort(), // the operator may be changing it
		nats.Timeout(2 * time.Second), nats.FlusherTimeout(c.opts.patience),
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			now := time.Now()
			c.down.Store(&now)
			if c.ending.Err() == nil && err != nil { // without one, see elsewhere
				c.log.Error("cluster: the connection to the engine broke; nothing can be sent until it is back", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			now := time.Now()
			c.heard.Store(&now)
			c.down.Store(nil)
			if !c.silent.Load() {
				c.log.Info("cluster: connected to the engine again", "engine", nc.ConnectedUrlRedacted())
			}
			select {
			case c.reconnected <- struct{}{}:
			default:
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				c.denied.Store(&err)
			}
			c.log.Warn("cluster: the engine reports an error", "error", err)
		}),
	}
	files, err := c.opts.fromFiles()
	if err != nil {
		return err
	}
	options = append(options, files...)
	return c.again(ctx, "the engine can't be reached yet", func(context.Context) (final bool, err error) {
		c.nc, err = nats.Connect(strings.Join(c.opts.URLs, ","), options...)
		var untrusted *tls.CertificateVerificationError
		switch {
		case errors.As(err, &untrusted):
			return true, fmt.Errorf("the engine's certificate can't be verified: %w; see --cluster-tls-ca", err)
		case errors.Is(err, nats.ErrSecureConnWanted):
			return true, fmt.Errorf("the engine does not use TLS (%w); turn it on in its configuration, or name it with nats:// "+
				"and without --cluster-tls-ca", err)
		case errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired):
			return true, fmt.Errorf("the engine refuses the credentials: %w; see --cluster-creds", err)
		case err != nil:
			return false, fmt.Errorf("the engine can't be reached at %s: %w; start it, or see --cluster", redacted(c.opts.URLs), err)
		}
		if got, need := c.nc.MaxPayload(), int64(jsonl.MaxLine+headerRoom); got < need {
			c.nc.Close()
			return true, fmt.Errorf("the engine takes messages of at most %d bytes (max_payload), and %d are needed; "+
				"raise max_payload in its configuration", got, need)
		}
		c.js, err = jetstream.New(c.nc, jetstream.WithPublishAsyncTimeout(c.opts.patience/2)) // a message is tried twice
		return true, err
	})
}

// hear notes that the engine has done something that needs most of its nodes.
func (c *Cluster) hear() {
	now := time.Now()
	c.heard.Store(&now)
	if c.silent.CompareAndSwap(true, false) {
		c.log.Info("cluster: the engine answers again", "engine", c.nc.ConnectedUrlRedacted())
	}
}

// elsewhere connects to another engine node, if nothing worked since a failure and nothing was heard for long: this node may
// be cut off from the others. It still answers pings then, and for a while tells what it remembers of the stream. why is
// the last failure.
func (c *Cluster) elsewhere(since time.Time, why error) {
	heard, now := c.heard.Load(), time.Now()
	if heard.After(since) {
		since = *heard
	}
	if !c.connected() || c.ending.Err() != nil || now.Sub(since) < c.opts.patience || !c.heard.CompareAndSwap(heard, &now) {
		return
	}
	if c.silent.CompareAndSwap(false, true) {
		c.log.Warn("cluster: no answer from this engine node's JetStream; trying the other nodes until one answers",
			"engine", c.nc.ConnectedUrlRedacted(), "error", why)
	}
	_ = c.nc.ForceReconnect() // it fails if this server is stopping
}

// fromFiles returns the options for files that the client reads whenever it connects, if it can use them now.
func (o *Options) fromFiles() (options []nats.Option, err error) {
	var try nats.Options
	if o.Creds != "" {
		options = append(options, nats.UserCredentials(o.Creds))
		if err = options[0](&try); err == nil {
			_, err = try.UserJWT()
		}
		if err == nil {
			_, err = try.SignatureCB([]byte("a try"))
		}
		if err != nil {
			return nil, fmt.Errorf("--cluster-creds %s: not a file with credentials: %w", o.Creds, err)
		}
	}
	if o.TLSCA != "" {
		ca := nats.RootCAs(o.TLSCA)
		if err = ca(&try); err == nil {
			_, err = try.RootCAsCB()
		}
		if err != nil {
			return nil, fmt.Errorf("--cluster-tls-ca %s: not a file with certificates: %w", o.TLSCA, err)
		}
		options = append(options, ca)
	}
	return options, nil
}

// redacted lists URLs without their passwords.
func redacted(urls []string) string {
	var list []string
	for _, u := range urls {
		if parsed, err := url.Parse(u); err == nil {
			u = parsed.Redacted()
		} else {
			u = "a URL that can't be read"
		}
		list = append(list, u)
	}
	return strings.Join(list, ", ")
}

// subject is the cluster's subject of these parts.
func (c *Cluster) subject(parts ...string) string {
	return c.opts.Name + "." + strings.Join(parts, ".")
}

// Name is the cluster's.
func (c *Cluster) Name() string { return c.opts.Name }

// Node implements [room.Peers].
func (c *Cluster) Node() string { return c.opts.Node }

// Probe checks whether this server can accept messages now: it is connected, and has all events of the stream.
// It waits for these, at most about 3 seconds or until ctx is over.
func (c *Cluster) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.patience)
	defer cancel()
	if err := c.following.trouble(); err != nil {
		return err
	}
	if !c.connected() {
		return errDisconnected
	}
	info, err := c.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", room.ErrCluster, err)
	}
	return c.following.reach(ctx, info.State.LastSeq)
}

// Close waits at most a few seconds for the answers to appended events and until they are in the local log, announces
// that this server leaves, and closes the connection. Later appends fail.
func (c *Cluster) Close() error {
	c.publishing.close()
	c.publishing.running.Wait() // what is missing in the local log then comes with the next start
	c.end()
	c.running.Wait()
	_ = c.nc.FlushTimeout(time.Second) // the roster that announces it; best effort
	c.nc.Close()
	return nil
}
