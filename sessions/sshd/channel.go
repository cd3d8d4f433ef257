package sshd

import (
	"context"
	"io"
	"net/netip"
	"slices"
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
// Read is for one goroutine, and so is Write, which blocks while the client takes
// nothing; only Abort frees it. Everything else may be called concurrently.
type Channel struct {
	Login     *Login
	Command   string // what is to be run; "" for a shell
	Subsystem bool   // Command is the name of a subsystem: sftp
	Env       map[string]string

	conn *conn
	raw  gossh.Channel
	in   *input
	late *time.Timer // closes the connection: no shell or command, or the client leaves the channel open

	exit    sync.Once
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

// openChannel takes a client's request for a session. The library calls it on a
// goroutine of its own for each.
func (s *Server) openChannel(_ *ssh.Server, sc *gossh.ServerConn, nc gossh.NewChannel, ctx ssh.Context) {
	c := connOf(ctx)
	defer s.recoverPanic("channel", c)
	defer c.opening.Add(-1)
	if c.opening.Add(1) > maxOpening { // a refusal blocks while the client takes nothing
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
	ch.late = time.AfterFunc(s.cfg.ShellWithin, func() { c.Close() })
	var all sync.WaitGroup
	all.Go(func() {
		defer s.recoverPanic("channel's input", c)
		ch.in.take()
	})
	all.Go(func() { // clients have nothing to send on their standard error, and it would be kept
		p := make([]byte, 64)
		for err := error(nil); err == nil; {
			_, err = raw.Stderr().Read(p)
		}
	})
	ch.requests(reqs)
	ch.closed()
	all.Wait()
}

// run is the session, from when a shell or command was asked for.
func (ch *Channel) run() {
	c := ch.conn
	defer func() { <-c.running }()
	defer c.server.recoverPanic("session", c)
	ch.late.Stop()
	login, err := c.identify()
	if err != nil {
		ch.ending() // the client has closeWithin to go
		io.WriteString(ch.raw.Stderr(), "whoelse: "+err.Error()+"\r\n")
		ch.Exit(1)
		return
	}
	ch.Login = login
	c.server.cfg.Handle(ch)
	ch.Exit(0)
}

// ending gives the client closeWithin to close the channel, unless it has.
func (ch *Channel) ending() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.gone {
		ch.late.Reset(closeWithin)
	}
}

// closed ends what goes on with the channel: the client has closed it, or is gone.
func (ch *Channel) closed() {
	ch.in.end()
	close(ch.closing)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.gone = true
	ch.late.Stop()
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
	ch.exit.Do(func() {
		status := gossh.Marshal(struct{ Status uint32 }{uint32(code)})
		if _, err := ch.raw.SendRequest("exit-status", false, status); err == nil {
			ch.exited.Store(ch.raw.Close() == nil)
		}
	})
}

// Abort ends the whole connection at once. A Write that blocks returns.
func (ch *Channel) Abort() { ch.conn.abort() }

// Confirm calls f once, on another goroutine: with true when the client has
// received all that was written until now, with false when it never will, or had
// closed the channel by then and shows it to nobody.
func (ch *Channel) Confirm(f func(bool)) {
	ch.conn.confirm(func(ok bool) {
		// The library says at once of a closed channel only that nothing can be sent.
		_, err := ch.raw.SendRequest("keepalive@openssh.com", false, nil)
		f(ok && (err == nil || ch.exited.Load()))
	})
}

// Stale reports whether the key of the person would not let them in any more, and
// why. It is to be asked before each thing that they do.
func (ch *Channel) Stale() (why string, stale bool) { return ch.conn.server.Stale(ch.Login, ch.From()) }

// Silent reports whether the client has not answered for a while: it is stopped, or the
// connection is dead and nobody knows yet.
func (ch *Channel) Silent() bool { return ch.conn.unanswered() > keepaliveEvery }

// Broke reports, after Read has returned io.EOF, whether the connection was lost,
// as opposed to the person having left.
func (ch *Channel) Broke() bool { return ch.conn.broke() }

// Closed is closed when the channel is, by either end, or the connection has ended. The end of the
// input does not close it.
func (ch *Channel) Closed() <-chan struct{} { return ch.closing }

// Context is over when the connection has ended.
func (ch *Channel) Context() context.Context { return ch.conn.ctx }

// From is the client's address.
func (ch *Channel) From() netip.AddrPort { return ch.conn.from }

// At is the address that the connection came in on; the zero AddrPort where there is none.
func (ch *Channel) At() netip.AddrPort { return addrPort(ch.conn.LocalAddr()) }

// Pty returns the terminal's type and size in cells as last announced, whatever that is, and
// whether there is a terminal at all.
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

// requests answers in; the first shell or exec starts the session. It must take
// whatever comes until in is closed, or the whole connection stalls.
func (ch *Channel) requests(in <-chan *gossh.Request) {
	started := false
	for req := range in {
		ok, start := false, false
		switch req.Type {
		case "shell", "exec", "subsystem":
			start = !started && ch.takeCommand(req.Type, req.Payload)
			started = started || start
			ok = start
		case "pty-req":
			ok = !started && ch.takePty(req.Payload)
		case "window-change":
			ok = ch.takeSize(req.Payload)
		case "env":
			ok = !started && ch.takeEnv(req.Payload)
		}
		req.Reply(ok, nil) // fails only with the connection
		if start {
			go ch.run()
		}
	}
}

// takeCommand reports whether a shell or command may run. A client that opens and closes
// channels at will has no more of them than one that leaves them open.
func (ch *Channel) takeCommand(kind string, payload []byte) bool {
	if len(payload) > maxCommand+4 {
		return false
	}
	var p struct{ Command string }
	gossh.Unmarshal(payload, &p) // of a shell there is none
	subsystem := kind == "subsystem"
	if subsystem && p.Command != "sftp" {
		return false
	}
	select {
	case ch.conn.running <- struct{}{}:
	default:
		return false
	}
	ch.Command, ch.Subsystem = p.Command, subsystem
	return true
}

func (ch *Channel) takePty(payload []byte) bool {
	var p struct {
		Term                    string
		Width, Height, Wpx, Hpx uint32
		Modes                   string
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.pty || len(payload) > maxPtySize || gossh.Unmarshal(payload, &p) != nil {
		return false
	}
	ch.pty, ch.term = true, p.Term
	ch.width, ch.height = int(p.Width), int(p.Height)
	return true
}

func (ch *Channel) takeSize(payload []byte) bool {
	var p struct{ Width, Height, Wpx, Hpx uint32 }
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.pty || gossh.Unmarshal(payload, &p) != nil {
		return false
	}
	ch.width, ch.height = int(p.Width), int(p.Height)
	if ch.resized != nil {
		ch.resized()
	}
	return true
}

// takeEnv takes a variable that a session may want to know.
func (ch *Channel) takeEnv(payload []byte) bool {
	var p struct{ Name, Value string }
	if len(payload) > maxEnvSize || gossh.Unmarshal(payload, &p) != nil || len(ch.Env) >= maxEnv {
		return false
	}
	known := slices.Contains([]string{"NO_COLOR", "COLORTERM", "TZ", "LANG", "TERM"}, p.Name)
	if !known && !strings.HasPrefix(p.Name, "LC_") && !strings.HasPrefix(p.Name, "WHOELSE_") {
		return false
	}
	ch.Env[p.Name] = p.Value
	return true
}
