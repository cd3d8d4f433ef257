package sshd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions/admission"
)

// conn is one TCP connection from accept to end.
type conn struct {
	net.Conn
	server    *Server
	from      netip.AddrPort    // the client's, set by serve
	ctx       context.Context   // over with the socket
	cancel    func()            // ends it
	ticket    *admission.Ticket // set by serve
	deadline  *time.Timer       // closes the connection: late login, or no session
	accepting sync.RWMutex      // held by readers while they accept a channel
	attempts  attempts          // written during authentication, read after it
	late, in  atomic.Bool       // its time ran out; somebody logged in
	opening   atomic.Int32      // channels that are open or being refused
	running   chan struct{}     // a place for each shell and command, also of closed channels
	early     atomic.Bool       // the login has not begun
	received  atomic.Int64      // bytes until then
	unread    unread
	proven    func() (*Login, error) // prove, once: all sessions are the same person's
	until     time.Time              // the deadline of writes, of which the library makes one at a time

	mu       sync.Mutex // owns the fields below
	ssh      *gossh.ServerConn
	channels int

	// Questions for a sign of life. An answer also proves that the client has taken
	// everything that was written before the question, because ssh keeps the order.
	keepalive *time.Timer
	waiting   []func(bool) // to be answered by the next question
	asking    bool         // a goroutine waits for an answer
	asked     time.Time    // since when
}

// tcpQuickAck is TCP_QUICKACK, which package syscall has on Linux alone.
const tcpQuickAck = 12

type connKey struct{}

// connOf finds the connection that the library's context belongs to.
func connOf(ctx ssh.Context) *conn { return ctx.Value(connKey{}).(*conn) }

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{Conn: nc, server: s, running: make(chan struct{}, maxRunning)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.early.Store(true)
	c.unread.conn = c
	c.proven = sync.OnceValues(c.prove)
	c.deadline = time.AfterFunc(s.cfg.LoginWithin, func() {
		c.late.Store(true)
		c.Close()
	})
	return c
}

// Close closes the socket.
func (c *conn) Close() error {
	c.Conn.Close()
	c.cancel()
	return nil
}

// abort is Close for a client that takes nothing: the kernel is not to go on trying.
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

// ackAtOnce has Linux confirm at once what comes. Otherwise it waits up to 40 ms for an answer that
// the confirmation could travel with, and for that long OpenSSH's client holds back the second of
// two packets in a row, twice in a login. Linux goes back to waiting by itself, so it is told anew
// before each read.
func (c *conn) ackAtOnce() {
	t := tcpOf(c.Conn)
	if t == nil || runtime.GOOS != "linux" {
		return
	}
	if raw, err := t.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpQuickAck, 1) }) // slower without
	}
}

// SetDeadline does nothing: the library would clear the deadline of a write.
func (c *conn) SetDeadline(time.Time) error { return nil }

// Write writes p, or ends the connection when that fails or blocks for
// writeWithin or a second more, since setting the deadline costs a tenth of a write. It always says that p was written, see accept.
func (c *conn) Write(p []byte) (int, error) {
	c.unread.pause()
	defer c.unread.resume()
	if now := time.Now(); c.until.Sub(now) < writeWithin {
		c.until = now.Add(writeWithin + time.Second)
		c.Conn.SetWriteDeadline(c.until)
	}
	if _, err := c.Conn.Write(p); err != nil {
		c.abort()
	}
	return len(p), nil
}

// Read counts what comes before the login, and what comes that is not taken.
func (c *conn) Read(p []byte) (int, error) {
	if !c.in.Load() {
		c.ackAtOnce()
	}
	n, err := c.Conn.Read(p)
	switch {
	case err != nil:
		c.Close()
	case c.early.Load() && c.received.Add(int64(n)) > maxBeforeAuth:
		err = errors.New("too much was sent before the login")
		c.Close()
	case !c.unread.add(n):
		err = errors.New("it sent faster than the server could read")
		c.log().Info("connection closed", "why", err)
		c.abort()
	}
	if err != nil {
		c.awaitAccepts()
		return 0, err
	}
	return n, nil
}

// accept accepts a channel, unless the connection has ended. It must not fail once
// the library has begun to: that marks a channel as accepted before it writes the
// confirmation, and if the writing fails nobody takes the channel's requests, for
// which the library's reader then waits for ever. So Write never fails, and Read
// does so only when nothing is being accepted.
func (c *conn) accept(nc gossh.NewChannel) (gossh.Channel, <-chan *gossh.Request, error) {
	c.accepting.RLock()
	defer c.accepting.RUnlock()
	if c.ctx.Err() != nil {
		return nil, nil, net.ErrClosed
	}
	return nc.Accept()
}

// awaitAccepts waits until nothing is being accepted on a connection that has ended. The
// bound is for a key exchange that the other side has not finished: until it has,
// writing waits for it, and reading belongs to it.
func (c *conn) awaitAccepts() {
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

// drain lets the library's goroutines of a connection end, after the library has
// done with it. When the library ends one for what the client sent, and sixteen
// more packets have come by then, its reader waits for ever for somebody to take
// the seventeenth, with up to 4 MiB in its hands, and whatever is closed does not
// free it. So they are taken here, from transport.incoming of the library's connection.
//
// The library does not export the queue. Should it look different in another
// version, nothing is drained, and TestDrained fails.
func (c *conn) drain() {
	c.Close()
	v := pointedTo(reflect.ValueOf(c.attempts.pre))
	for _, field := range []string{"transport", "incoming"} {
		if v.Kind() != reflect.Struct {
			return
		}
		v = pointedTo(v.FieldByName(field))
	}
	if !v.IsValid() || v.Type() != reflect.TypeFor[chan []byte]() {
		return
	}
	queue := reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
	for ok := true; ok; {
		_, ok = queue.Recv() // closed by the reader's end
	}
}

func pointedTo(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return v
}

// loggedIn tells admission that the person is known. The error is for them.
func (c *conn) loggedIn() error {
	if err := c.ticket.LoggedIn(); err != nil {
		return err
	}
	c.in.Store(true)
	return nil
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
		c.keepalive = time.AfterFunc(keepaliveEvery, c.keepAlive)
		context.AfterFunc(c.ctx, func() { c.keepalive.Stop() })
	}
	c.channels++
	return true
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

// confirm calls f once: with true when the client has received all that was
// written to it until now, with false when the connection ended before. f runs on
// another goroutine.
func (c *conn) confirm(f func(bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, f)
	if !c.asking {
		c.asking = true
		go c.ask()
	}
}

// ask asks until nobody waits for an answer. It ends with the connection at the
// latest: no answer comes then.
func (c *conn) ask() {
	defer c.server.recoverPanic("keepalive", c)
	for {
		c.mu.Lock()
		waiting := c.waiting
		c.waiting, c.asking, c.asked = nil, len(waiting) > 0, time.Now()
		c.mu.Unlock()
		if len(waiting) == 0 {
			return
		}
		_, _, err := c.ssh.SendRequest("keepalive@openssh.com", true, nil)
		for _, f := range waiting {
			f(err == nil)
		}
	}
}

// unanswered is for how long the client has owed an answer.
func (c *conn) unanswered() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asking {
		return 0
	}
	return time.Since(c.asked)
}

// keepAlive asks for a sign of life at every tick, and ends the connection when one
// question stays unanswered.
func (c *conn) keepAlive() {
	switch {
	case c.ctx.Err() != nil:
	case c.unanswered() > keepaliveLate:
		c.Close()
	default:
		c.confirm(func(bool) {})
		c.mu.Lock()
		defer c.mu.Unlock()
		c.keepalive.Reset(keepaliveEvery)
	}
}

// broke reports, after the input of a session has ended, whether the connection
// is gone without a word. A client that is alive, or that said goodbye, left.
func (c *conn) broke() bool {
	answer := make(chan bool, 1)
	c.confirm(func(ok bool) { answer <- ok })
	select {
	case alive := <-answer:
		return !alive && !saidGoodbye(c.ssh.Wait())
	case <-time.After(keepaliveEvery):
		return true
	}
}

// saidGoodbye recognises SSH_MSG_DISCONNECT with SSH_DISCONNECT_BY_APPLICATION,
// which OpenSSH sends when its user ends it. The library's type is not exported.
func saidGoodbye(err error) bool {
	return err != nil && strings.Contains(err.Error(), "disconnect, reason 11:")
}
