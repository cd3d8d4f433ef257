// Package client keeps a program in a room of whoelse, as docs/protocol.md describes.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// ErrAway is for what can't be sent, since there is no session.
var ErrAway = errors.New("the room can't be reached")

// Client logs in with a key. Send may be called at any time, the others one at a time.
type Client struct {
	address string
	config  *ssh.ClientConfig

	mu   sync.Mutex    // held while a frame is written
	send *json.Encoder // nil without a session
}

// New is for logins at NICK@HOST:PORT, with the key in a file, if the file known has the server's.
func New(target, key, known string) (*Client, error) {
	user, address, found := strings.Cut(target, "@")
	if !found {
		return nil, fmt.Errorf("%q is not NICK@HOST:PORT", target)
	}
	pem, err := os.ReadFile(key)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	hostKey, err := knownhosts.New(known)
	return &Client{address: address, config: &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: hostKey,
		BannerCallback: func(why string) error { log.Print(strings.TrimSpace(why)); return nil }, // of a refusal
	}}, err
}

// Session enters the room and gives handle each frame, until the session ends, handle fails or ctx is
// done. All messages after place, to everyone and to this nick, come once and in order; those of the past
// have Replay set. A direct message is marked as read when handle has returned: by then, its ID has to be
// on disk as the new place. Without a place the past is left out, and direct messages that waited come in
// no order.
func (c *Client) Session(ctx context.Context, place string, handle func(Frame) error) error {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	defer c.attach(nil) // after end: that makes a Send fail that does not get through
	ctx, end := context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { conn.Close() })
	defer end()
	in, out, err := c.login(ctx, conn)
	if err != nil {
		return err
	}
	send, frames := json.NewEncoder(in), json.NewDecoder(out)
	err = errors.Join(
		send.Encode(Frame{CMD: "JOIN", Since: place}),
		send.Encode(Frame{CMD: "INBOX", Ref: "inbox"}),
	)
	c.attach(send)
	for nick, gap := "", false; err == nil; {
		var f Frame
		if err = frames.Decode(&f); err != nil {
			break
		}
		switch {
		case f.Type == "FAIL", f.CMD == "ERROR", f.CMD == "BYE":
			log.Printf("%s %s %s: %s", f.CMD, f.Of, f.Code, f.Reason)
			gap = gap || f.Code == "gap"
		case f.Of == "JOIN":
			nick = f.UID
		}
		handled := f.Ref == "inbox" && place != "" // by a session that ended before READ
		if !handled {
			err = handle(f)
		}
		if err == nil && f.Direct() && f.From != nick && !(handled && gap) {
			err = c.Send(Frame{CMD: "READ", IDs: []string{f.ID}})
		}
	}
	return err
}
