package sshd

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions/admission"
)

// writeWithin is how long a write to the network may stand.
const writeWithin = 10 * time.Second

// conn is one TCP connection from accept to end.
type conn struct {
	net.Conn
	server    *Server
	visit     *admission.Ticket // nil without a controller; set by enter
	deadline  *time.Timer       // closes the connection: late login, no session, or the keepalive's
	gone      chan struct{}     // closed with the socket
	closing   sync.Once
	accepting sync.RWMutex // held by readers while they accept a channel
	login     login        // written during authentication, read after it
	late, in  atomic.Bool  // its time ran out; somebody logged in
	opening   atomic.Int32 // channels that are open or being refused
	early     atomic.Bool  // the login has not begun
	received  atomic.Int64 // bytes until then
	unread    unread

	knowing  sync.Mutex // owns the two below; held while a nick is claimed on disk
	identity *Login     // of the first session; all others are the same person's
	denied   error

	mu       sync.Mutex // owns the fields below
	closed   bool
	known    *Login // whose key has signed, as far as a nick is bound to it: for EndStale
	ssh      *gossh.ServerConn
	channels int
	running  int // shells and commands, also of channels that are closed
	probe    probe
}

type connKey struct{}

// connOf finds the connection that the library's context belongs to.
func connOf(ctx ssh.Context) *conn { return ctx.Value(connKey{}).(*conn) }

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{Conn: nc, server: s, gone: make(chan struct{})}
	c.early.Store(true)
	c.unread.conn = c
	c.deadline = time.AfterFunc(s.cfg.LoginWithin, c.expire)
	return c
}

// expire ends a connection that has not got anywhere in its time.
func (c *conn) expire() {
	c.late.Store(true)
	c.Close()
}

// enter notes what admission said. It reports false when the connection was closed
// meanwhile.
func (c *conn) enter(visit *admission.Ticket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		visit.Close()
		return false
	}
	c.visit = visit
	return true
}

// Close closes the socket, and with it ends the visit: whatever the library still
// has to do, nobody is connected any more.
func (c *conn) Close() error {
	c.closing.Do(func() {
		c.Conn.Close()
		close(c.gone)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.closed = true
		if c.visit != nil {
			c.visit.Close()
		}
	})
	return nil
}

// accept accepts a channel, unless the connection has ended. It must not fail once
// the library has begun to: that marks a channel as accepted before it writes the
// confirmation, and if the writing fails nobody takes the channel's requests, for
// which the library's reader then waits for ever. So Write never fails, and Read
// does so only when nothing is being accepted.
func (c *conn) accept(nc gossh.NewChannel) (gossh.Channel, <-chan *gossh.Request, error) {
	c.accepting.RLock()
	defer c.accepting.RUnlock()
	if c.isGone() {
		return nil, nil, net.ErrClosed
	}
	return nc.Accept()
}

// accepted waits until nothing is being accepted on a connection that has ended. The
// bound is for a key exchange that the other side has not finished: while it stands,
// writing waits for it, and reading belongs to it.
func (c *conn) accepted() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.accepting.Lock()
		defer c.accepting.Unlock()
	}()
	select {
	case <-done:
	case <-time.After(closeWithin):
	}
}

// Write writes p, or ends the connection when that fails or stands for
// writeWithin. It always says that p was written, see accept.
func (c *conn) Write(p []byte) (int, error) {
	c.unread.pause()
	defer c.unread.resume()
	c.Conn.SetWriteDeadline(time.Now().Add(writeWithin))
	if _, err := c.Conn.Write(p); err != nil {
		c.abort()
	}
	return len(p), nil
}

// abort is Close for who takes nothing: the kernel is not to go on trying.
func (c *conn) abort() {
	if t := tcpOf(c.Conn); t != nil {
		t.SetLinger(0)
	}
	c.Close()
}

// tcpOf returns the TCP connection behind nc, nil where there is none.
func tcpOf(nc net.Conn) *net.TCPConn {
	switch c := nc.(type) {
	case *net.TCPConn:
		return c
	case interface{ TCPConn() (*net.TCPConn, bool) }: // with a PROXY header
		t, _ := c.TCPConn()
		return t
	}
	return nil
}

// isGone reports whether the connection has ended.
func (c *conn) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// loggedIn tells admission that the person is known. The error is for them.
func (c *conn) loggedIn() error {
	if c.visit != nil {
		if err := c.visit.LoggedIn(); err != nil {
			return err
		}
	}
	c.in.Store(true)
	return nil
}

// recordFailure tells the log and admission how a connection ended that nobody logged in on.
func (c *conn) recordFailure() {
	if c.in.Load() || c.server.isStopped() {
		return
	}
	how := admission.NoAuth
	switch {
	case c.late.Load():
		how = admission.GraceExceeded
	case c.login.tried:
		how = admission.AuthFailed
	}
	c.logRefusal(how)
	if c.visit != nil {
		c.visit.Failed(how)
	}
}

// attachConn is called when a connection starts.
func attachConn(ctx ssh.Context, nc net.Conn) net.Conn {
	ctx.SetValue(connKey{}, nc)
	return nc
}

// SetDeadline does nothing: the library would set one at every read and write.
func (c *conn) SetDeadline(time.Time) error { return nil }

// end releases what belongs to the connection, after its goroutine is done.
func (c *conn) end() {
	c.deadline.Stop()
	c.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probe.stop()
}

// open counts a new session channel, unless there are too many.
func (c *conn) open(sc *gossh.ServerConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.channels >= maxChannels {
		return false
	}
	if c.ssh == nil {
		c.ssh = sc
		c.deadline.Stop()
		c.probe.keepalive = time.AfterFunc(keepaliveEvery, c.keepalive)
	}
	c.channels++
	return true
}

// begin counts a shell or command, unless too many are running. A client that opens
// and closes channels at will has no more of them than one that leaves them open.
func (c *conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running >= maxRunning {
		return false
	}
	c.running++
	return true
}

func (c *conn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
}

// done ends the connection with its last session.
func (c *conn) done() {
	c.mu.Lock()
	c.channels--
	last := c.channels == 0
	c.mu.Unlock()
	if last {
		c.Close()
	}
}

// probe asks the client for a sign of life. An answer also proves that the client
// has taken everything that was written before the question, because ssh keeps
// the order. Owned by conn.mu.
type probe struct {
	waiting   []func(bool) // to be answered by the next question
	asking    bool         // a goroutine waits for an answer
	asked     time.Time    // since when
	misses    int          // keepalive ticks that found it still waiting
	keepalive *time.Timer
	over      bool // the connection has ended
}

func (p *probe) stop() {
	p.over = true
	if p.keepalive != nil {
		p.keepalive.Stop()
	}
}

// confirm calls f once: with true when the client has received all that was
// written to it until now, with false when the connection ended before. f runs on
// another goroutine.
func (c *conn) confirm(f func(bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probe.waiting = append(c.probe.waiting, f)
	if !c.probe.asking {
		c.probe.asking = true
		go c.ask()
	}
}

// ask asks until nobody waits for an answer. It ends with the connection at the
// latest: no answer comes then.
func (c *conn) ask() {
	defer c.server.recoverPanic("keepalive", c)
	for {
		c.mu.Lock()
		waiting, sc := c.probe.waiting, c.ssh
		c.probe.waiting = nil
		if len(waiting) == 0 {
			c.probe.asking = false
			c.mu.Unlock()
			return
		}
		c.probe.asked = time.Now()
		c.mu.Unlock()
		_, _, err := sc.SendRequest("keepalive@openssh.com", true, nil)
		for _, f := range waiting {
			f(err == nil)
		}
	}
}

// keepalive asks for a sign of life at every tick and ends the connection when
// one question stays unanswered for keepaliveMiss ticks.
func (c *conn) keepalive() {
	c.mu.Lock()
	dead := false
	if c.probe.asking {
		c.probe.misses++
		dead = c.probe.misses >= keepaliveMiss
	} else {
		c.probe.misses = 0
	}
	over := c.probe.over
	if !over {
		c.probe.keepalive.Reset(keepaliveEvery)
	}
	c.mu.Unlock()
	if over {
		return
	}
	if dead {
		c.Close()
		return
	}
	c.confirm(func(bool) {})
}

// silent reports whether the client owes an answer for longer than a keepalive tick.
func (c *conn) silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.probe.asking && time.Since(c.probe.asked) > keepaliveEvery
}

// broke reports, after the input of a session has ended, whether the connection
// is gone without a word. A client that is alive, or that said goodbye, left.
func (c *conn) broke() bool {
	answer := make(chan bool, 1)
	c.confirm(func(ok bool) { answer <- ok })
	late := time.NewTimer(keepaliveEvery)
	defer late.Stop()
	select {
	case alive := <-answer:
		return !alive && !saidGoodbye(c.ssh.Wait())
	case <-late.C:
		return true
	}
}

// saidGoodbye recognises SSH_MSG_DISCONNECT with SSH_DISCONNECT_BY_APPLICATION,
// which OpenSSH sends when its user ends it. The library's type is not exported.
func saidGoodbye(err error) bool {
	return err != nil && strings.Contains(err.Error(), "disconnect, reason 11:")
}
