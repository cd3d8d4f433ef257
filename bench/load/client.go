// Package load is a crowd of ssh clients: it connects sessions to a server on
// this machine, lets them talk at a given rate, and counts what each of them is
// shown, with the time it took. It shares the machine with the server, so it is
// built to cost little: streams are searched for markers, never interpreted.
package load

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// Cipher is what all clients offer: OpenSSH's first, so that a comparison
	// compares servers and not ciphers.
	Cipher = ssh.CipherChaCha20Poly1305
	// Version is how clients announce themselves.
	Version = "SSH-2.0-whoelse_bench"

	connectTime = 60 * time.Second // to be let in and shown something
	// bufferSize holds a burst of a few hundred short messages, and keeps
	// thousands of idle clients small.
	bufferSize = 8 << 10
)

// Config describes one client. Its name and key follow from its number, so that
// every run, and every server in it, meets the same clients.
type Config struct {
	Number  int
	Guest   bool   // has no key
	Columns int    // of its terminal; 0: it has none
	Bot     bool   // speaks the JSON protocol, and has no terminal
	From    net.IP // the address that it comes from; nil: the kernel's choice
	// Line has it connected as over an ordinary line: a small receive buffer and
	// small segments. On loopback a segment has 64 KiB, and the kernel then gives
	// the server's side megabytes of send buffer, which hide a client that does
	// not read for minutes.
	Line bool
}

// Nick is the name of the client with a number.
func Nick(number int) string { return fmt.Sprintf("u%04d", number) }

// AuthorizedKey is a client's line in an authorized_keys file.
func AuthorizedKey(number int) []byte {
	line := ssh.MarshalAuthorizedKey(signer(number).PublicKey())
	return fmt.Appendf(nil, "%s %s@bench\n", line[:len(line)-1], Nick(number))
}

func signer(number int) ssh.Signer {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, "load generator")
	binary.BigEndian.PutUint64(seed[ed25519.SeedSize-8:], uint64(number))
	signer, err := ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		panic(err) // every ed25519 key is taken
	}
	return signer
}

// Client is one ssh session. Write may be called by one goroutine at a time;
// everything the server sends goes to the client's Sink.
type Client struct {
	Number int

	enter   byte // what ends a line: a terminal's \r or a pipe's \n
	conn    *gate
	ssh     ssh.Conn
	channel ssh.Channel
	greeted chan struct{} // closed at the first output
	ended   chan struct{} // closed when reading has ended
	cut     chan struct{} // closed when the connection has ended
	workers sync.WaitGroup
}

// Connect logs a client in, starts its shell and waits for the first output.
func Connect(ctx context.Context, addr string, config Config, sink Sink) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	var dialer net.Dialer
	if config.Line {
		dialer.Control = ordinaryLine
	}
	if config.From != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: config.From}
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", Nick(config.Number), err)
	}
	c := &Client{Number: config.Number, conn: newGate(conn), greeted: make(chan struct{}), ended: make(chan struct{}), cut: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err = c.login(addr, config); err == nil {
		c.workers.Go(func() { c.read(sink) })
		select {
		case <-c.greeted:
			return c, nil
		case <-c.ended:
		case <-ctx.Done():
		}
		err = errors.New("no output after the shell was started")
	}
	c.Close()
	return nil, fmt.Errorf("client %s: %w", Nick(config.Number), err)
}

func (c *Client) login(addr string, config Config) error {
	client := &ssh.ClientConfig{
		User:            Nick(config.Number),
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the server is our own child, on loopback
		ClientVersion:   Version,
	}
	client.KeyExchanges = []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519}
	client.Ciphers = []string{Cipher}
	client.Auth = []ssh.AuthMethod{ssh.PublicKeys(signer(config.Number))}
	if config.Guest {
		client.Auth = []ssh.AuthMethod{ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				return make([]string, len(questions)), nil
			})}
	}
	conn, channels, requests, err := ssh.NewClientConn(c.conn, addr, client)
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	c.ssh = conn
	c.workers.Go(func() { ssh.DiscardRequests(requests) })
	c.workers.Go(func() {
		defer close(c.cut)
		for offered := range channels {
			_ = offered.Reject(ssh.Prohibited, "")
		}
	})
	return c.session(config)
}

// session opens a bare channel and not an ssh.Session, whose output pipes would
// cost a goroutine and a copy for every packet.
func (c *Client) session(config Config) error {
	channel, requests, err := c.Open()
	if err != nil {
		return err
	}
	c.channel = channel
	c.workers.Go(func() { ssh.DiscardRequests(requests) })
	c.enter = '\n'
	if config.Bot {
		if err := request(channel, "exec", ssh.Marshal(struct{ Command string }{"json"})); err != nil {
			return err
		}
		_, err := channel.Write([]byte(`{"CMD":"JOIN"}` + "\n"))
		return err
	}
	if config.Columns > 0 {
		c.enter = '\r'
		terminal := ssh.Marshal(struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}{Term: "xterm-256color", Columns: uint32(config.Columns), Rows: 50, Modes: "\x00"})
		if err := request(channel, "pty-req", terminal); err != nil {
			return err
		}
	}
	return request(channel, "shell", nil)
}

func request(channel ssh.Channel, name string, payload []byte) error {
	ok, err := channel.SendRequest(name, true, payload)
	if err == nil && !ok {
		err = errors.New("refused")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// read hands all output to the sink. The clock is read once for every piece
// that arrives, before any of it is looked at.
func (c *Client) read(sink Sink) {
	defer close(c.ended)
	greet := sync.OnceFunc(func() { close(c.greeted) })
	buffer := make([]byte, bufferSize)
	kept := 0
	for {
		n, err := c.channel.Read(buffer[kept:])
		at := now()
		if n > 0 {
			greet()
			kept = copy(buffer, sink.Take(buffer[:kept+n], at))
		}
		if kept == len(buffer) {
			kept = 0 // a sink that never finishes must not end the reading
		}
		if err != nil {
			return
		}
	}
}

// Write sends what a person would type.
func (c *Client) Write(p []byte) (int, error) { return c.channel.Write(p) }

// Open opens one more channel, without a shell. The caller has to take its requests.
//
// The library waits for ever for a channel that it asks for while the connection ends.
func (c *Client) Open() (ssh.Channel, <-chan *ssh.Request, error) {
	var channel ssh.Channel
	var requests <-chan *ssh.Request
	answer := make(chan error, 1)
	go func() {
		var err error
		channel, requests, err = c.ssh.OpenChannel("session", nil)
		answer <- err
	}()
	select {
	case err := <-answer:
		if err != nil {
			err = fmt.Errorf("open session: %w", err)
		}
		return channel, requests, err
	case <-c.cut:
		return nil, nil, errors.New("open session: the connection has ended")
	}
}

// Done is closed when the server, or the network, has ended the session. A client
// that has stopped reading finds out when it writes.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Ended reports whether Done is closed.
func (c *Client) Ended() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// StopReading leaves everything in the socket from now on, so that first the client's
// and then the server's kernel buffers fill, as when a laptop's lid is closed.
func (c *Client) StopReading() { c.conn.stop() }

// ReadOn reads all that is there, and does not stop again.
func (c *Client) ReadOn() { c.conn.release() }

// Close cuts the connection and waits for everything the client had running.
func (c *Client) Close() {
	c.ReadOn()
	_ = c.conn.Close()
	c.workers.Wait()
}

// gate is a connection whose reading can be stopped, once.
type gate struct {
	net.Conn
	stopped, released chan struct{}
	stop, release     func() // close these
}

func newGate(conn net.Conn) *gate {
	g := &gate{Conn: conn, stopped: make(chan struct{}), released: make(chan struct{})}
	g.stop = sync.OnceFunc(func() { close(g.stopped) })
	g.release = sync.OnceFunc(func() { close(g.released) })
	return g
}

// Read keeps back what a read that was already waiting in the kernel still gets.
func (g *gate) Read(p []byte) (int, error) {
	g.wait()
	n, err := g.Conn.Read(p)
	g.wait()
	return n, err
}

func (g *gate) wait() {
	select {
	case <-g.stopped:
		<-g.released
	default:
	}
}

// ordinaryLine is called before connecting, so that the window that is announced is
// small from the start.
func ordinaryLine(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1400),
		)
	})
	return errors.Join(err, failed)
}
