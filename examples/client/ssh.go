package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

// patience is how long a server may take to answer.
const patience = time.Minute

// login starts the command json on conn. Each answer to a keepalive extends conn's deadline.
func (c *Client) login(ctx context.Context, conn net.Conn) (in io.Writer, out io.Reader, err error) {
	conn.SetDeadline(time.Now().Add(patience)) // ssh.Dial sets none for the handshake
	transport, channels, requests, err := ssh.NewClientConn(conn, c.address, c.config)
	if err != nil {
		return nil, nil, err
	}
	client := ssh.NewClient(transport, channels, requests)
	go keepalive(ctx, client, conn)
	session, err := client.NewSession()
	if err != nil {
		return nil, nil, err
	}
	session.Stderr = os.Stderr
	in, inErr := session.StdinPipe()
	out, outErr := session.StdoutPipe()
	return in, out, errors.Join(inErr, outErr, session.Start("json"))
}

// keepalive asks for an answer at regular intervals. Without an answer, the connection ends.
func keepalive(ctx context.Context, client *ssh.Client, conn net.Conn) {
	for {
		conn.SetDeadline(time.Now().Add(patience))
		if _, _, err := client.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			return
		}
		select {
		case <-time.After(patience / 4):
		case <-ctx.Done():
			return
		}
	}
}

// join enters the room. Send waits for that, so that it works as soon as anybody sees this nick there.
func (c *Client) join(send *json.Encoder, place string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send = send
	return errors.Join(
		send.Encode(Frame{CMD: "JOIN", Since: place}),
		send.Encode(Frame{CMD: "INBOX", Ref: "inbox"}),
	)
}

// leave has Send fail until the next session.
func (c *Client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send = nil
}

// Send sends f. Only its ACK says whether it arrived.
func (c *Client) Send(f Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.send == nil {
		return ErrAway
	}
	return c.send.Encode(f)
}
