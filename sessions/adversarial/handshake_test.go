package adversarial

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"whoelse/sessions/internal/rawssh"
)

// hungUp waits until the server has closed the connection.
func (r *rig) hungUp(c *rawssh.Client) {
	r.Helper()
	if _, err := io.Copy(io.Discard, c.Conn); err != nil && strings.Contains(err.Error(), "timeout") {
		r.Error("the server does not hang up")
	}
}

// Whoever stops before there is a session is let go when the time is up, wherever
// they stopped.
func TestSilence(t *testing.T) {
	t.Parallel()
	onlyFull(t)
	const within = 8 * time.Second
	cases := map[string]func(r *rig) *rawssh.Client{
		"nothing":        func(r *rig) *rawssh.Client { return r.stranger(rawssh.Connect) },
		"half a banner":  func(r *rig) *rawssh.Client { return r.says("SSH-2.0") },
		"a banner":       func(r *rig) *rawssh.Client { return r.says(rawssh.Version + "\r\n") },
		"half a KEXINIT": func(r *rig) *rawssh.Client { return r.says(rawssh.Version + "\r\n\x00\x00\x04\x00\x05") },
		"a KEXINIT": func(r *rig) *rawssh.Client {
			c := r.says(rawssh.Version + "\r\n")
			c.Write(rawssh.Proposal())
			return c
		},
		"keys exchanged": func(r *rig) *rawssh.Client {
			return r.stranger(func(t testing.TB, addr string) *rawssh.Client {
				return rawssh.Exchange(t, addr, rawssh.Version)
			})
		},
		"no credentials": func(r *rig) *rawssh.Client { return r.stranger(rawssh.Dial) },
		"a key offered": func(r *rig) *rawssh.Client {
			c := r.stranger(rawssh.Dial)
			c.Offer("bob", signer("bob").PublicKey())
			return c
		},
		"logged in": func(r *rig) *rawssh.Client { return r.raw("silent") },
		"a channel": func(r *rig) *rawssh.Client {
			c := r.raw("silent")
			c.Session(1<<20, 1<<15)
			return c
		},
		"four channels, one in use": func(r *rig) *rawssh.Client {
			c := r.raw("silent")
			for range 4 {
				c.Session(1<<20, 1<<15)
			}
			c.Write(rawssh.Request(0, "shell", false, nil))
			return c
		},
	}
	along(t, options{within: within}, func(r *rig) {
		var all []*rawssh.Client
		for _, begin := range cases {
			for range 5 {
				all = append(all, begin(r))
			}
		}
		began := time.Now()
		for _, c := range all {
			r.hungUp(c)
		}
		if took := time.Since(began); took > 5*within {
			t.Errorf("it takes %v", took)
		}
	})
}

// says connects and sends text.
func (r *rig) says(text string) *rawssh.Client {
	c := r.stranger(rawssh.Connect)
	io.WriteString(c.Conn, text)
	return c
}

// A byte now and then does not buy time.
func TestDribble(t *testing.T) {
	t.Parallel()
	onlyFull(t)
	along(t, options{within: 8 * time.Second}, func(r *rig) {
		var all sync.WaitGroup
		for range 10 {
			c := r.stranger(rawssh.Connect)
			all.Go(func() { r.dribble(c) })
		}
		all.Wait()
	})
}

func (r *rig) dribble(c *rawssh.Client) {
	bytes := c.Pack([]byte(rawssh.Version+"\r\n"), rawssh.Proposal())
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := range bytes {
		if _, err := c.Conn.Write(bytes[i : i+1]); err != nil {
			return
		}
		<-tick.C
	}
	r.Error("all bytes were taken")
}

// What is no ssh, or broken ssh, ends its own connection and nothing else.
func TestBrokenPackets(t *testing.T) {
	t.Parallel()
	onlyFull(t)
	packet := func(length uint32, rest string) string {
		return rawssh.Version + "\r\n" + string(binary.BigEndian.AppendUint32(nil, length)) + rest
	}
	junk := make([]byte, 64<<10)
	rand.Read(junk)
	along(t, options{within: 8 * time.Second}, func(r *rig) {
		var all []*rawssh.Client
		for _, bytes := range []string{
			"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-1.5-old\r\n", "SSH-2.0-" + strings.Repeat("x", 1<<20), strings.Repeat("\r\n", 1<<16),
			string(junk), "\x16\x03\x01\x02\x00\x01\x00", "SSH-2.0-\x00\x1b[2J\r\n",
			packet(0, ""), packet(1, "\x00"), packet(4, "\xff\xff\xff\xff"), packet(12, "\xff"+strings.Repeat("x", 11)),
			packet(13, strings.Repeat("x", 13)), packet(35_001, string(junk[:35_001])), packet(1<<18+1, string(junk)),
			packet(1<<31-1, "\x04"), packet(1<<31, "\x04"), packet(1<<32-1, string(junk)),
			packet(16, "\x04\x14"+strings.Repeat("\x00", 14)), packet(16, "\x0a"+"\x15"+strings.Repeat("\x00", 14)),
		} {
			all = append(all, r.says(bytes))
		}
		for _, c := range all {
			r.hungUp(c)
		}
		c := r.raw("broken") // and now where it is sealed
		c.Conn.Write(junk)
		r.hungUp(c)
		for _, payload := range []string{"\x5a", "\x5a\x00\x00\x00\xff", "\x5e\x00", "\x62\x00\x00\x00\x00\xff\xff\xff\xff", "\x5e\x00\x00\x00\x07\x00\x00\x00\x01x", "\x00", "\xff", "\x15", "\x1f\x00"} {
			c := r.raw("broken")
			c.Write([]byte(payload))
			c.Write([]byte{rawssh.Disconnect, 0, 0, 0, 11, 0, 0, 0, 3, 0x1b, '[', 'H', 0, 0, 0, 0})
			r.hungUp(c)
		}
	})
}

// Nothing that belongs behind the login is answered before it, and nobody talks the
// server into taking them for logged in.
func TestBeforeAuthentication(t *testing.T) {
	t.Parallel()
	early := map[string][]byte{
		"a channel":            rawssh.Opening("session", 0, 1<<20, 1<<15, nil),
		"a channel request":    rawssh.Request(0, "exec", true, rawssh.Str(nil, "say forged")),
		"channel data":         rawssh.Str([]byte{rawssh.ChannelData, 0, 0, 0, 0}, "say forged\n"),
		"a global request":     append(rawssh.Str([]byte{rawssh.GlobalRequest}, "tcpip-forward"), 1),
		"a ping":               rawssh.Str([]byte{rawssh.Ping}, "x"),
		"AUTH_SUCCESS":         {rawssh.AuthSuccess},
		"AUTH_FAILURE":         append(rawssh.Str([]byte{rawssh.AuthFailure}, "none"), 0),
		"PK_OK":                rawssh.Str(rawssh.Str([]byte{rawssh.AuthInfo}, "ssh-ed25519"), string(signer("bob").PublicKey().Marshal())),
		"an answer to nothing": {rawssh.AuthInfoAnswer, 0, 0, 0, 0},
		"SERVICE_ACCEPT":       rawssh.Str([]byte{rawssh.ServiceAccept}, "ssh-connection"),
		"the next service":     rawssh.Str([]byte{rawssh.ServiceRequest}, "ssh-connection"),
	}
	along(t, options{within: 8 * time.Second}, func(r *rig) {
		for name, packet := range early {
			before := r.stranger(func(t testing.TB, addr string) *rawssh.Client {
				return rawssh.Exchange(t, addr, rawssh.Version)
			})
			for _, c := range []*rawssh.Client{before, r.stranger(rawssh.Dial)} {
				c.Write(packet)
				c.Send(rawssh.Opening("session", 0, 1<<20, 1<<15, nil))
				for {
					p, err := c.Next()
					if err != nil {
						break
					}
					if p[0] == rawssh.AuthSuccess || p[0] >= rawssh.ChannelOpen {
						t.Errorf("%s is answered with %d", name, p[0])
					}
				}
			}
		}
	})
}
