// Package sshd is everything of whoelse that knows ssh: it accepts connections,
// finds out who each person is, and hands each session channel to a function as a
// [Channel]. What people say and see is not its business.
//
// It serves with charm.land's wish and ssh, but keeps the accept loop, the
// timers and the channels to itself, where the library has no bounds.
package sshd

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"charm.land/ssh"
	"charm.land/wish/v2"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"whoelse/internal/limit"
	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/certs"
	"whoelse/keys/invites"
	"whoelse/sessions/admission"
	"whoelse/sessions/floodlog"
	"whoelse/sessions/text"
)

// serverVersion is what the server calls itself on the wire.
const serverVersion = "SSH-2.0-whoelse"

// Bounds of one connection.
const (
	loginWithin    = 20 * time.Second // unless Config says so; from accept to a proven identity
	shellWithin    = 10 * time.Second // the same; from there to a shell or command
	closeWithin    = 2 * time.Second  // from a session's end to its channel's
	writeWithin    = 10 * time.Second // one write to the network
	keepaliveEvery = 15 * time.Second
	keepaliveLate  = 40 * time.Second // an answer; found at the next question
	maxChannels    = 4                // sessions at the same time on one connection
	maxRunning     = 8                // also those whose channel is closed and that have not noticed yet
	maxOpening     = 64               // also those that are being refused
	maxAuthTries   = 6                // what sshd allows
	maxBeforeAuth  = 32 << 10         // bytes before a login: some 5 KiB with all algorithms there are
	socketBuffer   = 64 << 10         // bytes, each way: what a client that takes nothing makes the kernel hold
)

// Config is what a server needs.
type Config struct {
	HostKey  gossh.Signer
	Registry *keys.Registry // which key is whose
	Invites  *invites.Store // the codes with which somebody enrols who comes as NICK+CODE
	Handle   func(*Channel) // runs a session; the channel ends when it returns
	Log      *slog.Logger

	// The rest is optional.
	Revoked   *certs.Revoked        // keys and certificates that nobody gets in with
	Claims    *limit.Limiter        // how many nicks may be claimed
	MayClaim  func() error          // why nobody may claim a nick now
	Certify   func(string) error    // called before somebody gets a nick by a certificate
	Bans      *bans.List            // who is kept out
	Admission *admission.Controller // who may connect, and how often; nil lets everybody
	Closed    bool                  // a key that is not known claims nothing
	NoGuests  bool                  // nobody comes in without a key
	Strict    bool                  // post-quantum key exchange only
	// LoginWithin bounds a login, ShellWithin what comes between it, or a channel's
	// opening, and a shell or command; 20 and 10 seconds.
	LoginWithin, ShellWithin time.Duration
}

// Server serves ssh connections. Its methods may be called concurrently.
type Server struct {
	cfg   Config
	ssh   *ssh.Server
	certs *certs.Checker

	mu       sync.Mutex
	conns    map[*conn]struct{} // every open connection, also before login
	stopped  bool
	all      sync.WaitGroup   // the connections' goroutines
	refusals floodlog.Handler // the log about who is not let in

	allClaimed rate.Sometimes // to the log
}

// New returns a server. It does not listen yet.
func New(cfg Config) (*Server, error) {
	cfg.LoginWithin = cmp.Or(cfg.LoginWithin, loginWithin)
	cfg.ShellWithin = cmp.Or(cfg.ShellWithin, shellWithin)
	cfg.Claims = cmp.Or(cfg.Claims, limit.New(limit.Limits{}))
	if cfg.Admission == nil {
		everywhere := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
		cfg.Admission = admission.New(admission.Limits{Exempt: everywhere}, nil)
	}
	s := &Server{
		cfg: cfg, certs: certs.NewChecker(cfg.Registry, cfg.Revoked), conns: map[*conn]struct{}{},
		refusals:   floodlog.New(cfg.Log, "too many refusals within a minute; some were left out"),
		allClaimed: rate.Sometimes{Interval: time.Hour},
	}
	var err error
	s.ssh, err = wish.NewServer(
		wish.WithVersion(strings.TrimPrefix(serverVersion, "SSH-2.0-")),
		wish.WithPublicKeyAuth(s.offerKey),
		wish.WithKeyboardInteractiveAuth(s.enterAsGuest),
		func(srv *ssh.Server) error {
			srv.AddHostKey(cfg.HostKey)
			srv.ConnCallback = func(ctx ssh.Context, nc net.Conn) net.Conn {
				ctx.SetValue(connKey{}, nc)
				return nc
			}
			srv.ServerConfigCallback = s.protocol
			srv.ChannelHandlers = map[string]ssh.ChannelHandler{"session": s.openChannel}
			srv.RequestHandlers = map[string]ssh.RequestHandler{} // none: no forwarding
			return nil
		},
	)
	return s, err
}

// protocol configures one connection: only algorithms without known weaknesses,
// post-quantum key exchange first.
func (s *Server) protocol(ctx ssh.Context) *gossh.ServerConfig {
	c := connOf(ctx)
	cfg := &gossh.ServerConfig{
		MaxAuthTries: maxAuthTries,
		PreAuthConnCallback: func(pre gossh.ServerPreAuthConn) {
			c.attempts.pre = pre
			c.early.Store(false)
		},
		AuthLogCallback: func(_ gossh.ConnMetadata, _ string, err error) {
			if err == nil {
				c.deadline.Reset(s.cfg.ShellWithin)
			}
		},
		VerifiedPublicKeyCallback: c.signed,
	}
	cfg.KeyExchanges = []string{gossh.KeyExchangeMLKEM768X25519}
	if !s.cfg.Strict {
		cfg.KeyExchanges = append(cfg.KeyExchanges, gossh.KeyExchangeCurve25519, "curve25519-sha256@libssh.org")
	}
	cfg.Ciphers = []string{
		gossh.CipherChaCha20Poly1305,
		gossh.CipherAES256GCM, gossh.CipherAES128GCM,
		gossh.CipherAES256CTR, gossh.CipherAES128CTR,
	}
	cfg.MACs = []string{gossh.HMACSHA256ETM, gossh.HMACSHA512ETM}
	return cfg
}

// Serve accepts connections from l until Stop or Close, then returns nil.
func (s *Server) Serve(l net.Listener) error {
	var pause time.Duration
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.start(nc)
		case s.isStopped() || errors.Is(err, net.ErrClosed):
			return nil
		default: // out of file descriptors, most likely: let some come back
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.cfg.Log.Warn("accepting a connection failed", "err", err, "retry_in", pause)
			time.Sleep(pause)
		}
	}
}

func (s *Server) start(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		nc.Close()
		return
	}
	c := newConn(s, nc)
	s.conns[c] = struct{}{}
	s.all.Go(func() {
		defer s.remove(c)
		defer s.recoverPanic("connection", c)
		s.serve(c)
	})
}

func (s *Server) remove(c *conn) {
	c.deadline.Stop()
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// serve asks admission and then runs the connection. With a proxy in front, its
// address is known only when the proxy's header has come, so this waits for it.
func (s *Server) serve(c *conn) {
	c.from = addrPort(c.RemoteAddr())
	ticket, err := s.cfg.Admission.Admit(c.from.Addr())
	if err != nil {
		c.log().Info("connection refused", "reason", reasonOf(err), "why", text.CleanLine(err.Error()))
		s.cfg.Admission.TurnAway(c.Conn, serverVersion, err)
		return
	}
	c.ticket = ticket
	context.AfterFunc(c.ctx, func() { // whatever the library still has to do, nobody is connected any more
		ticket.Close()
		c.unread.close()
	})
	if t := tcpOf(c.Conn); t != nil {
		t.SetReadBuffer(socketBuffer)
		t.SetWriteBuffer(socketBuffer)
	}
	defer c.drain()
	s.ssh.HandleConn(c)
	c.recordFailure()
}

// recoverPanic keeps a panic in one connection's goroutine from ending the server. One
// before the login is held against the address; one after it need not be the doing
// of who is connected. The library contains panics, too, but can't hold them
// against anybody, and logs to slog's default.
func (s *Server) recoverPanic(what string, c *conn) {
	if p := recover(); p != nil {
		if c.ticket != nil {
			c.ticket.Failed(admission.Crashed) // which counts nothing after a login
		}
		s.cfg.Log.Error("panic in a "+what, "panic", p, "from", c.from, "stack", string(debug.Stack()))
		c.Close()
	}
}

func (s *Server) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// Stop lets nobody in any more; connections that are open go on. The listener is
// its owner's to close.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}

// Close ends all connections and waits until their goroutines have ended.
func (s *Server) Close() {
	s.mu.Lock()
	s.stopped = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
	s.refusals.Flush()
}
