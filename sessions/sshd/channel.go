package sshd

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// Bounds of what a client may send before and beside its text.
const (
	maxEnv     = 32       // variables
	maxEnvSize = 256      // bytes of a name and its value
	maxPtySize = 8 << 10  // bytes of a terminal's type and modes
	maxCommand = 64 << 10 // bytes
)

// Channel is one session: a terminal, a pipe or a command.
//
// Read is for one goroutine, and so is Write, which stands while the client takes
// nothing; only Abort frees it. Everything else may be called concurrently.
type Channel struct {
	Login   *Login
	Command string // what is to be run; "" for a shell
	Env     map[string]string

	conn  *conn
	raw   gossh.Channel
	in    *input
	sess  ssh.Session
	start *time.Timer // closes the connection when no shell or command comes
	over  *time.Timer // closes it when the client does not close its channel

	exited  atomic.Bool   // closed by Exit, and not by the client before that
	closing chan struct{} // closed when the channel is

	mu            sync.Mutex // owns the fields below
	gone          bool       // closed by the client
	term          string
	pty           bool
	width, height int
	resized       func()
}

var _ io.ReadWriter = (*Channel)(nil)

type channelKey struct{}

// channelContext carries the channel beside the connection's context.
type channelContext struct {
	ssh.Context
	ch *Channel
}

func (c channelContext) Value(key any) any {
	if key == (channelKey{}) {
		return c.ch
	}
	return c.Context.Value(key)
}

// openChannel takes a client's request for a session. The library calls it on a
// goroutine of its own for each.
func (s *Server) openChannel(srv *ssh.Server, sc *gossh.ServerConn, nc gossh.NewChannel, ctx ssh.Context) {
	c := connOf(ctx)
	defer s.recoverPanic("channel", c)
	defer c.opening.Add(-1)
	if c.opening.Add(1) > maxOpening { // a refusal stands while the client takes nothing
		c.Close()
		return
	}
	if !c.open(sc) {
		nc.Reject(gossh.ResourceShortage, "too many sessions on one connection")
		return
	}
	defer c.done()
	raw, reqs, err := c.accept(nc)
	if err != nil {
		return
	}
	ch := &Channel{conn: c, raw: raw, in: newInput(raw, c), Env: map[string]string{}, closing: make(chan struct{})}
	ch.start = time.AfterFunc(s.cfg.ShellWithin, func() { c.Close() })
	ch.over = time.AfterFunc(time.Hour, func() { c.Close() })
	ch.over.Stop()
	var all sync.WaitGroup
	ch.alongside(&all, "channel's input", ch.in.take)
	ch.alongside(&all, "channel's error input", func() { drop(raw.Stderr()) })
	ch.requests(reqs, func(shell *gossh.Request) {
		only := make(chan *gossh.Request, 1)
		only <- shell
		close(only) // so it starts the session and returns
		ssh.DefaultSessionHandler(srv, sc, accepted{nc, raw, only}, channelContext{ctx, ch})
	})
	ch.closed()
	all.Wait()
}

// alongside runs what goes on until the channel is closed.
func (ch *Channel) alongside(all *sync.WaitGroup, what string, f func()) {
	all.Go(func() {
		defer ch.conn.server.recoverPanic(what, ch.conn)
		f()
	})
}

// session is the innermost handler: it runs when a shell or command was asked for.
func (s *Server) session(ssh.Handler) ssh.Handler {
	return func(sess ssh.Session) {
		ch := sess.Context().Value(channelKey{}).(*Channel)
		defer ch.conn.finish()
		defer s.recoverPanic("session", ch.conn)
		ch.start.Stop()
		ch.sess, ch.Command = sess, sess.RawCommand()
		login, err := ch.conn.identify(sess)
		if err != nil {
			s.logHidden(login, err)
			ch.refuse(err)
			return // and the client has closeWithin to go
		}
		ch.Login = login
		s.cfg.Handle(ch)
	}
}

// logHidden logs what people are not told of an error.
func (s *Server) logHidden(login *Login, err error) {
	if t, ok := errors.AsType[*StorageError](err); ok && login != nil {
		s.cfg.Log.Error("a new user could not be let in", "nick", login.Nick, "err", t.Err)
	}
}

// ending gives the client closeWithin to close the channel, unless it has.
func (ch *Channel) ending() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.gone {
		ch.over.Reset(closeWithin)
	}
}

// closed ends what goes on with the channel: the client has closed it, or is gone.
func (ch *Channel) closed() {
	ch.start.Stop()
	ch.in.end()
	close(ch.closing)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.gone = true
	ch.over.Stop()
}

func (ch *Channel) refuse(err error) {
	ch.ending()
	io.WriteString(ch.raw.Stderr(), "whoelse: "+err.Error()+"\r\n")
	ch.Exit(1)
}

func (ch *Channel) Read(p []byte) (int, error)  { return ch.in.Read(p) }
func (ch *Channel) Write(p []byte) (int, error) { return ch.raw.Write(p) }

// Stderr is where a command's errors go. One goroutine at a time, not beside Write.
func (ch *Channel) Stderr() io.Writer { return ch.raw.Stderr() }

// Exit tells the client how the session ended and closes the channel; Read then
// returns io.EOF. Only the first call counts. A client that does not take the news
// within closeWithin loses its connection.
func (ch *Channel) Exit(code int) {
	ch.ending()
	if ch.sess.Exit(code) == nil {
		ch.exited.Store(true)
	}
}

// Abort ends the whole connection at once. A Write that stands returns.
func (ch *Channel) Abort() { ch.conn.abort() }

// Confirm calls f once, on another goroutine: with true when the client has
// received all that was written until now, with false when it never will, or had
// closed the channel by then and shows it to nobody.
func (ch *Channel) Confirm(f func(bool)) {
	ch.conn.confirm(func(ok bool) { f(ok && !ch.wasClosed()) })
}

// wasClosed reports whether the client has closed the channel, in front of whatever it
// said last, and before Exit did. The library tells nobody at once, but lets nothing
// more be sent.
func (ch *Channel) wasClosed() bool {
	_, err := ch.raw.SendRequest("keepalive@openssh.com", false, nil)
	return err != nil && !ch.exited.Load()
}

// Stale reports whether the key of the person would not let them in any more, and
// why. It is to be asked before each thing that they do.
func (ch *Channel) Stale() (why string, stale bool) { return ch.conn.server.Stale(ch.Login, ch.From()) }

// Silent reports whether the client has not answered for a while: it is stopped, or the
// connection is dead and nobody knows yet.
func (ch *Channel) Silent() bool { return ch.conn.silent() }

// Broke reports, after Read has returned io.EOF, whether the connection was lost,
// as opposed to the person having left.
func (ch *Channel) Broke() bool { return ch.conn.broke() }

// Closed is closed when the channel is, by either end, or the connection has ended. The end of the
// input does not close it.
func (ch *Channel) Closed() <-chan struct{} { return ch.closing }

// Context is over when the connection has ended.
func (ch *Channel) Context() context.Context { return ch.sess.Context() }

// From is the client's address.
func (ch *Channel) From() string { return ch.conn.RemoteAddr().String() }

// At is the address that the connection came in on; the zero AddrPort where there is none.
func (ch *Channel) At() netip.AddrPort {
	at, _ := netip.ParseAddrPort(ch.conn.LocalAddr().String())
	return at
}

// Pty returns the terminal's type and size in cells as last announced, and whether
// there is a terminal at all.
func (ch *Channel) Pty() (term string, width, height int, ok bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.term, ch.width, ch.height, ch.pty
}

// OnResize has f called after each change of the size. f must not block.
func (ch *Channel) OnResize(f func()) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.resized = f
}

// accepted keeps the library from seeing, and from keeping without bound or
// stalling on, anything but a request for a shell or a command.
type accepted struct {
	gossh.NewChannel
	raw  gossh.Channel
	reqs <-chan *gossh.Request
}

// Accept implements gossh.NewChannel: it has been done.
func (a accepted) Accept() (gossh.Channel, <-chan *gossh.Request, error) { return a.raw, a.reqs, nil }

// requests answers in, but for the first shell or exec, which start does. It must take
// whatever comes until in is closed, or the whole connection stalls.
func (ch *Channel) requests(in <-chan *gossh.Request, start func(*gossh.Request)) {
	started := false
	for req := range in {
		ok := false
		switch req.Type {
		case "shell", "exec":
			if !started && len(req.Payload) <= maxCommand+4 && ch.conn.begin() {
				started = true
				start(req)
				continue
			}
		case "pty-req":
			ok = !started && ch.takePty(req.Payload)
		case "window-change":
			ok = ch.takeSize(req.Payload)
		case "env":
			ok = !started && ch.takeEnv(req.Payload)
		}
		req.Reply(ok, nil) // fails only with the connection
	}
}

func (ch *Channel) takePty(payload []byte) bool {
	var p struct {
		Term                    string
		Width, Height, Wpx, Hpx uint32
		Modes                   string
	}
	if len(payload) > maxPtySize || gossh.Unmarshal(payload, &p) != nil {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.pty {
		return false
	}
	ch.pty, ch.term = true, p.Term
	ch.width, ch.height = clampSize(p.Width), clampSize(p.Height)
	return true
}

func (ch *Channel) takeSize(payload []byte) bool {
	var p struct{ Width, Height, Wpx, Hpx uint32 }
	if gossh.Unmarshal(payload, &p) != nil {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.pty {
		return false
	}
	ch.width, ch.height = clampSize(p.Width), clampSize(p.Height)
	if ch.resized != nil {
		ch.resized()
	}
	return true
}

// clampSize keeps a size within what an int is sure to hold; the terminal has
// narrower bounds of its own.
func clampSize(n uint32) int { return int(min(n, 1<<15)) }

func (ch *Channel) takeEnv(payload []byte) bool {
	var p struct{ Name, Value string }
	if len(payload) > maxEnvSize || gossh.Unmarshal(payload, &p) != nil || !knownEnv(p.Name) {
		return false
	}
	if len(ch.Env) >= maxEnv {
		return false
	}
	ch.Env[p.Name] = p.Value
	return true
}

// knownEnv lists what a session may ever want to know.
func knownEnv(name string) bool {
	switch name {
	case "NO_COLOR", "COLORTERM", "TZ", "LANG", "TERM":
		return true
	}
	return strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "WHOELSE_")
}
