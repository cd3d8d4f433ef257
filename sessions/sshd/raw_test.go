package sshd

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
	"net"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// raw is an ssh client that can do what well-behaved ones can't: it sends
// authentication requests in any order, for any user. It speaks just enough of the
// protocol (RFC 4253) for that.
type raw struct {
	t       testing.TB
	conn    net.Conn
	in      *bufio.Reader
	session []byte
	seal    *sealed // nil until keys are exchanged
	open    *sealed
}

// Message numbers of RFC 4250 that raw uses.
const (
	msgServiceRequest = 5
	msgKexInit        = 20
	msgNewKeys        = 21
	msgKexInitECDH    = 30
	msgAuthRequest    = 50
	msgAuthFailure    = 51
	msgAuthSuccess    = 52
	msgAuthBanner     = 53
	msgAuthInfo       = 60 // also PK_OK
	msgAuthInfoAnswer = 61
	msgChannelOpen    = 90
	msgChannelData    = 94
	msgChannelErrData = 95
	msgChannelClose   = 97
	msgChannelRequest = 98
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

// dialRaw connects, exchanges keys and asks for authentication.
func dialRaw(t testing.TB, addr string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	r := &raw{t: t, conn: conn, in: bufio.NewReader(conn)}
	r.exchange()
	r.write(str([]byte{msgServiceRequest}, "ssh-userauth"))
	r.read(6)
	return r
}

func (r *raw) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// str appends s the way the protocol writes strings.
func str(p []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(p, uint32(len(s))), s...)
}

// cutStr takes a string off p.
func cutStr(p []byte) (s string, rest []byte) {
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

func (r *raw) exchange() {
	r.t.Helper()
	const mine = "SSH-2.0-raw"
	_, err := io.WriteString(r.conn, mine+"\r\n")
	r.must(err)
	theirs, err := r.in.ReadString('\n')
	r.must(err)
	myInit := kexInit()
	r.write(myInit)
	theirInit := r.read(msgKexInit)
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	r.must(err)
	public := string(private.PublicKey().Bytes())
	r.write(str([]byte{msgKexInitECDH}, public))
	hostKey, rest := cutStr(r.read(31)[1:])
	point, _ := cutStr(rest)
	peer, err := ecdh.X25519().NewPublicKey([]byte(point))
	r.must(err)
	secret, err := private.ECDH(peer)
	r.must(err)
	k := str(nil, mpint(new(big.Int).SetBytes(secret)))
	var hashed []byte
	for _, s := range []string{mine, strings.TrimSpace(theirs), string(myInit), string(theirInit), hostKey, public, point} {
		hashed = str(hashed, s)
	}
	h := sha256.Sum256(append(hashed, k...))
	r.session = h[:]
	r.write([]byte{msgNewKeys})
	r.read(msgNewKeys)
	r.seal, r.open = r.direction(k, 'A', 'C'), r.direction(k, 'B', 'D')
}

func kexInit() []byte {
	p := append([]byte{msgKexInit}, make([]byte, 16)...)
	const aead, mac = "aes128-gcm@openssh.com", "hmac-sha2-256-etm@openssh.com"
	for _, list := range []string{"curve25519-sha256", "ssh-ed25519", aead, aead, mac, mac, "none", "none", "", ""} {
		p = str(p, list)
	}
	return append(p, 0, 0, 0, 0, 0)
}

func (r *raw) direction(k []byte, iv, key byte) *sealed {
	derive := func(letter byte, n int) []byte {
		sum := sha256.Sum256(append(append(append(append([]byte(nil), k...), r.session...), letter), r.session...))
		return sum[:n]
	}
	block, err := aes.NewCipher(derive(key, 16))
	r.must(err)
	aead, err := cipher.NewGCM(block)
	r.must(err)
	return &sealed{aead, derive(iv, 12)}
}

// write sends one packet.
func (r *raw) write(payload []byte) {
	r.t.Helper()
	head := 1
	if r.seal == nil {
		head = 5 // the length is padded too
	}
	pad := 16 - (head+len(payload))%16
	if pad < 4 {
		pad += 16
	}
	length := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+pad))
	body := append([]byte{byte(pad)}, payload...)
	body = append(body, make([]byte, pad)...)
	if r.seal != nil {
		body = r.seal.aead.Seal(nil, r.seal.next(), body, length)
	}
	_, err := r.conn.Write(append(length, body...))
	r.must(err)
}

// next returns the next packet that is not about the connection as a whole.
func (r *raw) next() ([]byte, error) {
	for {
		p, err := r.packet()
		switch {
		case err != nil:
			return nil, err
		case p[0] == 1:
			return nil, errors.New("disconnected")
		case p[0] > 4 && p[0] != 7 && p[0] != 80:
			return p, nil
		}
	}
}

func (r *raw) packet() ([]byte, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(r.in, length); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(length))
	if r.open != nil {
		n += 16
	}
	if n > 1<<18 {
		return nil, fmt.Errorf("a packet of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r.in, body); err != nil {
		return nil, err
	}
	if r.open != nil {
		var err error
		if body, err = r.open.aead.Open(nil, r.open.next(), body, length); err != nil {
			return nil, err
		}
	}
	return body[1 : len(body)-int(body[0])], nil
}

// read returns the next packet, which has to be of this type.
func (r *raw) read(want byte) []byte {
	r.t.Helper()
	p, err := r.next()
	r.must(err)
	if p[0] != want {
		r.t.Fatalf("got message %d, want %d: %q", p[0], want, p)
	}
	return p
}

// verdict returns the answer to an authentication request, 0 when there is none
// because the server hung up.
func (r *raw) verdict() byte {
	for {
		p, err := r.next()
		switch {
		case err != nil:
			return 0
		case p[0] != msgAuthBanner:
			return p[0]
		}
	}
}

func authRequest(user, method string) []byte {
	return str(str(str([]byte{msgAuthRequest}, user), "ssh-connection"), method)
}

// none and guest ask to be let in without a key, as user.
func (r *raw) none(user string) byte {
	r.write(authRequest(user, "none"))
	return r.verdict()
}

func (r *raw) guest(user string) byte {
	r.write(str(str(authRequest(user, "keyboard-interactive"), ""), ""))
	return r.challenged()
}

// challenged answers the challenges that come.
func (r *raw) challenged() byte {
	for {
		p, err := r.next()
		switch {
		case err != nil:
			return 0
		case p[0] == msgAuthInfo:
			r.write([]byte{msgAuthInfoAnswer, 0, 0, 0, 0})
		case p[0] != msgAuthBanner:
			return p[0]
		}
	}
}

// offer asks whether user may come with the key; prove signs for it.
func (r *raw) offer(user string, key gossh.Signer) byte {
	p := append(authRequest(user, "publickey"), 0)
	r.write(str(str(p, "ssh-ed25519"), string(key.PublicKey().Marshal())))
	return r.verdict()
}

func (r *raw) prove(user string, key gossh.Signer) byte {
	r.t.Helper()
	p := append(authRequest(user, "publickey"), 1)
	p = str(str(p, "ssh-ed25519"), string(key.PublicKey().Marshal()))
	sig, err := key.Sign(rand.Reader, append(str(nil, string(r.session)), p...))
	r.must(err)
	r.write(str(p, string(gossh.Marshal(sig))))
	return r.verdict()
}

// introduced opens a session and returns all that it and the server say.
func (r *raw) introduced() string {
	r.t.Helper()
	p := str([]byte{msgChannelOpen}, "session")
	r.write(append(p, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 0))
	if p, err := r.next(); err != nil || p[0] != 91 {
		return fmt.Sprintf("no channel: %q, %v", p, err)
	}
	p = str([]byte{msgChannelRequest, 0, 0, 0, 0}, "exec")
	r.write(str(append(p, 0), "who"))
	r.write([]byte{96, 0, 0, 0, 0})
	var said strings.Builder
	for {
		p, err := r.next()
		switch {
		case err != nil || p[0] == msgChannelClose:
			return said.String()
		case p[0] == msgChannelData:
			s, _ := cutStr(p[5:])
			said.WriteString(s)
		case p[0] == msgChannelErrData:
			s, _ := cutStr(p[9:])
			said.WriteString(s)
		}
	}
}
