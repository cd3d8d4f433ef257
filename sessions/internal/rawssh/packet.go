// Package rawssh is an ssh client for tests that can do what well-behaved ones
// can't: it sends any packet at any time, for any user, and need not read what
// comes back. It speaks just enough of the protocol (RFC 4253) for that.
//
// It is no part of the server. A Client is for one goroutine at a time, but one
// may write while another reads.
package rawssh

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
)

// Message numbers of RFC 4250.
const (
	Disconnect     = 1
	ServiceRequest = 5
	ServiceAccept  = 6
	KexInit        = 20
	NewKeys        = 21
	KexInitECDH    = 30
	AuthRequest    = 50
	AuthFailure    = 51
	AuthSuccess    = 52
	AuthBanner     = 53
	AuthInfo       = 60 // also PK_OK
	AuthInfoAnswer = 61
	GlobalRequest  = 80
	RequestSuccess = 81
	ChannelOpen    = 90
	ChannelOpened  = 91
	ChannelRefused = 92
	WindowAdjust   = 93
	ChannelData    = 94
	ChannelErrData = 95
	ChannelEOF     = 96
	ChannelClose   = 97
	ChannelRequest = 98
	ChannelSuccess = 99
	Ping           = 192 // of OpenSSH
)

// sealed is one direction of aes128-gcm@openssh.com.
type sealed struct {
	aead  cipher.AEAD
	nonce []byte
}

func (s *sealed) next() []byte {
	n := append([]byte(nil), s.nonce...)
	binary.BigEndian.PutUint64(s.nonce[4:], binary.BigEndian.Uint64(s.nonce[4:])+1)
	return n
}

// Str appends s the way the protocol writes strings.
func Str(p []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(p, uint32(len(s))), s...)
}

// CutStr takes a string off p.
func CutStr(p []byte) (s string, rest []byte) {
	if len(p) < 4 || len(p)-4 < int(binary.BigEndian.Uint32(p)) {
		return "", nil
	}
	n := 4 + int(binary.BigEndian.Uint32(p))
	return string(p[4:n]), p[n:]
}

func mpint(n *big.Int) string {
	b := n.Bytes()
	if len(b) > 0 && b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return string(b)
}

// exchange is the whole key exchange, the identification lines included.
func (c *Client) exchange(version string) {
	c.t.Helper()
	_, err := io.WriteString(c.Conn, version+"\r\n")
	c.must(err)
	theirs, err := c.in.ReadString('\n')
	c.must(err)
	myInit := Proposal()
	c.Write(myInit)
	theirInit := c.Read(KexInit)
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	c.must(err)
	public := string(private.PublicKey().Bytes())
	c.Write(Str([]byte{KexInitECDH}, public))
	hostKey, rest := CutStr(c.Read(31)[1:])
	point, _ := CutStr(rest)
	peer, err := ecdh.X25519().NewPublicKey([]byte(point))
	c.must(err)
	secret, err := private.ECDH(peer)
	c.must(err)
	k := Str(nil, mpint(new(big.Int).SetBytes(secret)))
	var hashed []byte
	for _, s := range []string{version, strings.TrimSpace(theirs), string(myInit), string(theirInit), hostKey, public, point} {
		hashed = Str(hashed, s)
	}
	h := sha256.Sum256(append(hashed, k...))
	c.session = h[:]
	c.Write([]byte{NewKeys})
	c.Read(NewKeys)
	c.seal, c.open = c.direction(k, 'A', 'C'), c.direction(k, 'B', 'D')
}

// Proposal is a KEXINIT of the algorithms that a Client speaks.
func Proposal() []byte {
	p := append([]byte{KexInit}, make([]byte, 16)...)
	const aead, mac = "aes128-gcm@openssh.com", "hmac-sha2-256-etm@openssh.com"
	for _, list := range []string{"curve25519-sha256", "ssh-ed25519", aead, aead, mac, mac, "none", "none", "", ""} {
		p = Str(p, list)
	}
	return append(p, 0, 0, 0, 0, 0)
}

func (c *Client) direction(k []byte, iv, key byte) *sealed {
	derive := func(letter byte, n int) []byte {
		sum := sha256.Sum256(append(append(append(append([]byte(nil), k...), c.session...), letter), c.session...))
		return sum[:n]
	}
	block, err := aes.NewCipher(derive(key, 16))
	c.must(err)
	aead, err := cipher.NewGCM(block)
	c.must(err)
	return &sealed{aead, derive(iv, 12)}
}

// Pack appends a whole packet to dst, to be written in this order.
func (c *Client) Pack(dst, payload []byte) []byte {
	head := 1
	if c.seal == nil {
		head = 5 // the length is padded too
	}
	pad := 16 - (head+len(payload))%16
	if pad < 4 {
		pad += 16
	}
	length := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+pad))
	body := append([]byte{byte(pad)}, payload...)
	body = append(body, make([]byte, pad)...)
	if c.seal != nil {
		body = c.seal.aead.Seal(nil, c.seal.next(), body, length)
	}
	return append(append(dst, length...), body...)
}

// Send sends one packet.
func (c *Client) Send(payload []byte) error {
	_, err := c.Conn.Write(c.Pack(nil, payload))
	return err
}

// Write sends one packet, which has to work.
func (c *Client) Write(payload []byte) {
	c.t.Helper()
	c.must(c.Send(payload))
}

// Next returns the next packet that is not about the connection as a whole.
func (c *Client) Next() ([]byte, error) {
	for {
		p, err := c.packet()
		switch {
		case err != nil:
			return nil, err
		case p[0] == Disconnect:
			return nil, errors.New("disconnected")
		case p[0] > 4 && p[0] != 7 && p[0] != GlobalRequest:
			return p, nil
		}
	}
}

// Asked waits for a request about the connection as a whole, which the server makes to
// hear whether all has come, and returns what came on channels until then.
func (c *Client) Asked() (said string, err error) {
	for {
		p, err := c.packet()
		switch {
		case err != nil || p[0] == GlobalRequest:
			return said, err
		case p[0] == ChannelData:
			s, _ := CutStr(p[5:])
			said += s
		}
	}
}

func (c *Client) packet() ([]byte, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(c.in, length); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(length))
	if c.open != nil {
		n += 16
	}
	if n > 1<<18 {
		return nil, fmt.Errorf("a packet of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return nil, err
	}
	if c.open != nil {
		var err error
		if body, err = c.open.aead.Open(nil, c.open.next(), body, length); err != nil {
			return nil, err
		}
	}
	return body[1 : len(body)-int(body[0])], nil
}

// Read returns the next packet, which has to be of this type.
func (c *Client) Read(want byte) []byte {
	c.t.Helper()
	p, err := c.Next()
	c.must(err)
	if p[0] != want {
		c.t.Fatalf("got message %d, want %d: %q", p[0], want, p)
	}
	return p
}

func reader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 64<<10) }
