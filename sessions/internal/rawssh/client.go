package rawssh

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// Patience is how long a connection may take in all.
const Patience = 2 * time.Minute

// Version is what a client calls itself.
const Version = "SSH-2.0-raw"

// Client is one connection.
type Client struct {
	Conn net.Conn

	t       testing.TB
	in      *bufio.Reader
	session []byte
	seal    *sealed // nil until keys are exchanged
	open    *sealed
}

// Dial connects, exchanges keys and asks for authentication.
func Dial(t testing.TB, addr string) *Client {
	t.Helper()
	return DialFrom(t, "127.0.0.1", addr)
}

// DialFrom is Dial from another address of this machine.
func DialFrom(t testing.TB, from, addr string) *Client {
	t.Helper()
	c := connect(t, from, addr)
	c.exchange(Version)
	c.Write(Str([]byte{ServiceRequest}, "ssh-userauth"))
	c.Read(ServiceAccept)
	return c
}

// Exchange connects and exchanges keys.
func Exchange(t testing.TB, addr, version string) *Client {
	t.Helper()
	c := Connect(t, addr)
	c.exchange(version)
	return c
}

// Connect only connects. The connection is closed at the test's end.
func Connect(t testing.TB, addr string) *Client {
	t.Helper()
	return connect(t, "127.0.0.1", addr)
}

func connect(t testing.TB, from, addr string) *Client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(Patience))
	return &Client{t: t, Conn: conn, in: reader(conn)}
}

// Close ends the connection without a word.
func (c *Client) Close() { c.Conn.Close() }

func (c *Client) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// Verdict returns the answer to an authentication request, 0 when there is none
// because the server hung up.
func (c *Client) Verdict() byte {
	for {
		p, err := c.Next()
		switch {
		case err != nil:
			return 0
		case p[0] != AuthBanner:
			return p[0]
		}
	}
}

// Auth is the beginning of an authentication request.
func Auth(user, method string) []byte {
	return Str(Str(Str([]byte{AuthRequest}, user), "ssh-connection"), method)
}

// None asks to be let in with nothing, as user.
func (c *Client) None(user string) byte {
	c.Write(Auth(user, "none"))
	return c.Verdict()
}

// Guest asks to be let in by answering questions, as user.
func (c *Client) Guest(user string) byte {
	c.Write(Str(Str(Auth(user, "keyboard-interactive"), ""), ""))
	for {
		p, err := c.Next()
		switch {
		case err != nil:
			return 0
		case p[0] == AuthInfo:
			c.Write([]byte{AuthInfoAnswer, 0, 0, 0, 0})
		case p[0] != AuthBanner:
			return p[0]
		}
	}
}

// Offer asks whether user may come with the key; Prove signs for it.
func (c *Client) Offer(user string, key gossh.PublicKey) byte {
	return c.OfferBlob(user, key.Type(), key.Marshal())
}

// OfferBlob offers what need not be a key.
func (c *Client) OfferBlob(user, algorithm string, blob []byte) byte {
	p := append(Auth(user, "publickey"), 0)
	c.Write(Str(Str(p, algorithm), string(blob)))
	return c.Verdict()
}

// Prove signs with key for user.
func (c *Client) Prove(user string, key gossh.Signer) byte {
	c.t.Helper()
	return c.Forge(user, key.PublicKey(), key)
}

// Forge names one key and signs with another.
func (c *Client) Forge(user string, named gossh.PublicKey, key gossh.Signer) byte {
	c.t.Helper()
	p := append(Auth(user, "publickey"), 1)
	p = Str(Str(p, named.Type()), string(named.Marshal()))
	sig, err := key.Sign(rand.Reader, append(Str(nil, string(c.session)), p...))
	c.must(err)
	c.Write(Str(p, string(gossh.Marshal(sig))))
	return c.Verdict()
}

// Opening asks for a channel that the client calls id.
func Opening(kind string, id, window, packet uint32, extra []byte) []byte {
	p := Str([]byte{ChannelOpen}, kind)
	p = binary.BigEndian.AppendUint32(p, id)
	p = binary.BigEndian.AppendUint32(p, window)
	p = binary.BigEndian.AppendUint32(p, packet)
	return append(p, extra...)
}

// Request is a request on the channel that the server calls id.
func Request(id uint32, kind string, answer bool, payload []byte) []byte {
	p := Str(binary.BigEndian.AppendUint32([]byte{ChannelRequest}, id), kind)
	if answer {
		return append(append(p, 1), payload...)
	}
	return append(append(p, 0), payload...)
}

// Session opens a session channel; the server's name for it is 0 for the first.
func (c *Client) Session(window, packet uint32) bool {
	c.t.Helper()
	c.Write(Opening("session", 0, window, packet, nil))
	p, err := c.Next()
	return err == nil && p[0] == ChannelOpened
}

// Run runs a command in a session of its own and returns all that it and the server
// say, until the channel is closed.
func (c *Client) Run(command string) string {
	c.t.Helper()
	if !c.Session(1<<16, 0x8000) {
		return "no channel"
	}
	c.Write(Request(0, "exec", false, Str(nil, command)))
	c.Write([]byte{ChannelEOF, 0, 0, 0, 0})
	said, err := c.Said()
	if err != nil {
		return fmt.Sprintf("%s (%v)", said, err)
	}
	return said
}

// Said returns what comes on the only channel until it is closed.
func (c *Client) Said() (string, error) {
	var said strings.Builder
	for {
		p, err := c.Next()
		switch {
		case err != nil:
			return said.String(), err
		case p[0] == ChannelClose:
			return said.String(), nil
		case p[0] == ChannelData:
			s, _ := CutStr(p[5:])
			said.WriteString(s)
		case p[0] == ChannelErrData:
			s, _ := CutStr(p[9:])
			said.WriteString(s)
		}
	}
}
