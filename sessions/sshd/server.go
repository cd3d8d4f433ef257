// Package sshd is everything of whoelse that knows ssh: it accepts connections,
// finds out who each person is, and hands each session channel to a function as a
// [Channel]. What people say and see is not its business.
//
// It serves with charm.land's wish and ssh, but keeps the accept loop, the
// timers and the channel requests to itself, where the library has no bounds.
package sshd

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"charm.land/ssh"
	"charm.land/wish/v2"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"whoelse/keys"
	"whoelse/keys/bans"
	"whoelse/keys/certs"
	"whoelse/keys/claims"
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
	keepaliveEvery = 15 * time.Second
	keepaliveMiss  = 3
	maxChannels    = 4        // sessions at the same time on one connection
	maxRunning     = 8        // also those whose channel is closed and that have not noticed yet
	maxOpening     = 64       // also those that are being refused
	maxAuthTries   = 6        // what sshd allows
	socketBuffer   = 64 << 10 // bytes, each way: what a client that takes nothing makes the kernel hold
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
	Claims    *claims.Limiter       // how many nicks may be claimed
	MayClaim  func() error          // why nobody may claim a nick now
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
	all      sync.WaitGroup // the connections' goroutines
	floods   rate.Sometimes // to the log
	refusals *slog.Logger   // bounded
	limit    floodlog.Handler
}

// New returns a server. It does not listen yet.
func New(cfg Config) (*Server, error) {
	cfg.LoginWithin = cmp.Or(cfg.LoginWithin, loginWithin)
	cfg.ShellWithin = cmp.Or(cfg.ShellWithin, shellWithin)
	s := &Server{cfg: cfg, certs: certs.NewChecker(cfg.Registry, cfg.Revoked), conns: map[*conn]struct{}{}, floods: rate.Sometimes{Interval: time.Minute}}
	s.limit = floodlog.New(cfg.Log, "too many refusals within a minute; some were left out")
	s.refusals = slog.New(s.limit)
	srv, err := wish.NewServer(
		hostSigner(cfg.HostKey),
		wish.WithVersion(strings.TrimPrefix(serverVersion, "SSH-2.0-")),
		wish.WithPublicKeyAuth(s.offerKey),
		wish.WithKeyboardInteractiveAuth(s.enterAsGuest),
		wish.WithMiddleware(s.session),
	)
	if err != nil {
		return nil, err
	}
	srv.ConnCallback = attachConn
	srv.ServerConfigCallback = s.protocol
	srv.ChannelHandlers = map[string]ssh.ChannelHandler{"session": s.openChannel}
	srv.RequestHandlers = map[string]ssh.RequestHandler{} // none: no forwarding
	srv.SubsystemHandlers = map[string]ssh.SubsystemHandler{}
	s.ssh = srv
	return s, nil
}

func hostSigner(key gossh.Signer) ssh.Option {
	return func(srv *ssh.Server) error {
		srv.AddHostKey(key)
		return nil
	}
}

// protocol configures one connection: only algorithms without known weaknesses,
// post-quantum key exchange first.
func (s *Server) protocol(ctx ssh.Context) *gossh.ServerConfig {
	c := connOf(ctx)
	cfg := &gossh.ServerConfig{
		MaxAuthTries: maxAuthTries,
		PreAuthConnCallback: func(pre gossh.ServerPreAuthConn) {
			c.login.pre = pre
			c.early.Store(false)
		},
		AuthLogCallback: func(_ gossh.ConnMetadata, _ string, err error) {
			if err == nil {
				c.deadline.Reset(s.cfg.ShellWithin)
			}
		},
	}
	cfg.VerifiedPublicKeyCallback = func(meta gossh.ConnMetadata, key gossh.PublicKey, p *gossh.Permissions, _ string) (*gossh.Permissions, error) {
		if err := c.loggedIn(); err != nil {
			c.login.note(err)
			return nil, &gossh.BannerError{Err: err, Message: "whoelse: " + err.Error() + "\r\n"}
		}
		if nick, ok := p.Extensions[extKnown]; ok {
			c.knows(&Login{Nick: nick, Role: p.Extensions[extRole], Key: key, Asked: text.CleanLine(meta.User())})
		}
		return p, nil
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
	c := newConn(s, nc)
	if !s.add(c) {
		nc.Close()
		return
	}
	go func() {
		defer s.all.Done()
		defer s.remove(c)
		defer s.recoverPanic("connection", c)
		s.serve(c)
	}()
}

// serve asks admission and then runs the connection. With a proxy in front, its
// address is known only when the proxy's header has come, so this waits for it.
func (s *Server) serve(c *conn) {
	if s.cfg.Admission != nil {
		visit, err := s.cfg.Admission.Admit(addrOf(c.RemoteAddr()))
		if err != nil {
			c.logDoor(err)
			s.cfg.Admission.TurnAway(c.Conn, serverVersion, err)
			return
		}
		if !c.enter(visit) {
			return
		}
	}
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
		if c.visit != nil {
			c.visit.Failed(admission.Crashed) // which counts nothing after a login
		}
		s.cfg.Log.Error("panic in a "+what, "panic", p, "from", c.RemoteAddr(), "stack", string(debug.Stack()))
		c.Close()
	}
}

// flooded logs that a connection is ended for what it sent, though not each time.
func (s *Server) flooded(c *conn) {
	s.floods.Do(func() {
		s.cfg.Log.Warn("connection closed: it sent faster than the server could read; more of these are not logged for a minute", "from", c.RemoteAddr())
	})
}

func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.conns[c] = struct{}{}
	s.all.Add(1)
	return true
}

func (s *Server) remove(c *conn) {
	c.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
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
	s.Stop()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
	s.limit.Flush()
}
