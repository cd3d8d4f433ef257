// Package client keeps a program connected to a whoelse room, with the protocol of docs/protocol.md.
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

// ErrAway is the error of Send while there is no session.
var ErrAway = errors.New("the room can't be reached")

// Client logs in with an ssh key. Send is safe for concurrent use; the other methods are not.
type Client struct {
	address string
	config  *ssh.ClientConfig

	mu   sync.Mutex    // held while a frame is written
	send *json.Encoder // nil without a session
}

// New returns a client for target, NICK@HOST:PORT. key is the file of the private key, and known a
// known_hosts file with the server's host key.
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

// Session enters the room and passes each frame to handle, until the session ends, handle fails or ctx is
// done. All messages after place, to everyone and to this nick, come once and in order; past ones have
// Replay set. When handle returns, a direct message is marked as read, so handle must first write its ID to
// disk as the new place. With the place "", past messages are left out, and direct messages that waited come
// in any order.
func (c *Client) Session(ctx context.Context, place string, handle func(Frame) error) error {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	defer c.leave() // after end, which makes a blocked Send fail
	ctx, end := context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { conn.Close() })
	defer end()
	in, out, err := c.login(ctx, conn)
	if err != nil {
		return err
	}
	send, frames := json.NewEncoder(in), json.NewDecoder(out)
	err = c.join(send, place)
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
