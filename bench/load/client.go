package load

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// handshakeTime bounds how long one client waits to be let in and shown
// something.
const handshakeTime = 60 * time.Second

// Client is one ssh session. Write may be called by one goroutine at a time;
// everything the server sends goes to the client's Sink.
type Client struct {
	Number int

	conn    net.Conn
	ssh     ssh.Conn
	channel ssh.Channel
	gate    *gate
	greeted chan struct{} // closed at the first output
	ended   chan struct{} // closed when the reading has ended
	workers sync.WaitGroup
}

// Connect logs a client in, starts its shell and waits for the first output.
func Connect(ctx context.Context, addr string, who Identity, kind Kind, sink Sink) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	c := &Client{Number: who.Number, greeted: make(chan struct{}), ended: make(chan struct{})}
	if err := c.dial(ctx, addr, kind); err != nil {
		return nil, fmt.Errorf("client %s: %w", who.Nick(), err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	if err := c.login(addr, who, kind); err != nil {
		_ = c.conn.Close()
		c.workers.Wait()
		return nil, fmt.Errorf("client %s: %w", who.Nick(), err)
	}
	c.workers.Go(func() { c.read(sink) })
	select {
	case <-c.greeted:
		return c, nil
	case <-c.ended:
	case <-ctx.Done():
	}
	c.Close()
	return nil, fmt.Errorf("client %s: no output after the shell was started", who.Nick())
}

func (c *Client) dial(ctx context.Context, addr string, kind Kind) error {
	var dialer net.Dialer
	if kind.Small {
		dialer.Control = smallSocket
	}
	if kind.From != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: kind.From}
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	c.conn = conn
	if kind.Gated {
		c.gate = newGate(conn)
		c.conn = c.gate
	}
	return nil
}

func (c *Client) login(addr string, who Identity, kind Kind) error {
	config, err := who.config()
	if err != nil {
		return err
	}
	conn, channels, requests, err := ssh.NewClientConn(c.conn, addr, config)
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	c.ssh = conn
	c.workers.Go(func() { ssh.DiscardRequests(requests) })
	c.workers.Go(func() { refuse(channels) })
	return c.shell(kind)
}

// shell opens a bare channel and not an ssh.Session, whose output pipes would
// cost a goroutine and a copy for every packet.
func (c *Client) shell(kind Kind) error {
	channel, requests, err := c.ssh.OpenChannel("session", nil)
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	c.channel = channel
	c.workers.Go(func() { ssh.DiscardRequests(requests) })
	if kind.Columns > 0 {
		if err := request(channel, "pty-req", ptyRequest(kind.Columns)); err != nil {
			return err
		}
	}
	return request(channel, "shell", nil)
}

func request(channel ssh.Channel, name string, payload []byte) error {
	ok, err := channel.SendRequest(name, true, payload)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !ok {
		return fmt.Errorf("%s: refused", name)
	}
	return nil
}

// Write sends what a person would type.
func (c *Client) Write(p []byte) (int, error) { return c.channel.Write(p) }

// Open opens one more channel and asks for no shell on it. The caller has to take
// its requests.
func (c *Client) Open() (ssh.Channel, <-chan *ssh.Request, error) {
	channel, requests, err := c.ssh.OpenChannel("session", nil)
	if err != nil {
		return nil, nil, fmt.Errorf("open session: %w", err)
	}
	return channel, requests, nil
}

// Done is closed when the server, or the network, has ended the session. A client
// that does not read learns of it when it writes.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Ended reports whether the server, or the network, has ended the session.
func (c *Client) Ended() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// Close cuts the connection and waits for everything the client had running.
func (c *Client) Close() {
	c.Release()
	_ = c.conn.Close()
	c.workers.Wait()
}
