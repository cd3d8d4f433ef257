package adversarial

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions/internal/rawssh"
)

// packets writes n of what next returns, many at a time, and reports how many the
// server took before it hung up or took nothing more for stall.
func packets(c *rawssh.Client, n int, stall time.Duration, next func(i int) []byte) (taken int) {
	const batch = 200
	var buf []byte
	for i := 0; i < n; i += batch {
		buf = buf[:0]
		for j := i; j < min(i+batch, n); j++ {
			buf = c.Pack(buf, next(j))
		}
		c.Conn.SetWriteDeadline(time.Now().Add(stall))
		if _, err := c.Conn.Write(buf); err != nil {
			return i
		}
	}
	return n
}

// answers reads until n packets of one of these types came, and returns how many.
func answers(c *rawssh.Client, n int, types ...byte) (got int) {
	for got < n {
		p, err := c.Next()
		if err != nil {
			return got
		}
		for _, t := range types {
			if p[0] == t {
				got++
			}
		}
	}
	return got
}

var tunnel = gossh.Marshal(struct {
	Host       string
	Port       uint32
	Origin     string
	OriginPort uint32
}{"127.0.0.1", 22, "127.0.0.1", 1})

// Channels that nobody may open, as fast as they can be asked for.
func TestForwardingFlood(t *testing.T) {
	// Not ended by the time that a connection may be without a shell.
	while(t, options{within: time.Hour}, func(r *rig) {
		n := many(100_000)
		c := r.raw("mallory")
		var reading sync.WaitGroup
		reading.Go(func() {
			if got := answers(c, n, rawssh.ChannelRefused); got != n {
				t.Errorf("%d of %d channels are refused", got, n)
			}
		})
		if got := packets(c, n, patience, func(i int) []byte { return rawssh.Opening("direct-tcpip", uint32(i), 1<<20, 1<<15, tunnel) }); got != n {
			t.Errorf("%d of %d were taken", got, n)
		}
		reading.Wait()
		if got := c.Run("nick"); !strings.Contains(got, "you are mallory") {
			t.Errorf("afterwards: %q", got)
		}
	})
}

// Session after session on one connection, each answered before the next.
func TestSessionFlood(t *testing.T) {
	// Not ended by the time that a channel may be without a shell.
	whileInRooms(t, options{within: time.Hour}, func(r *rig) {
		c := r.connect(visit{user: "mallory", key: "mallory"})
		refused := 0
		for range many(10_000) {
			ch, reqs, err := c.ssh.OpenChannel("session", nil)
			if err != nil {
				refused++
				continue
			}
			go gossh.DiscardRequests(reqs)
			defer ch.Close()
		}
		if want := many(10_000) - 3; refused != want {
			t.Errorf("%d sessions are refused, want %d", refused, want)
		}
		c.types("still here\n")
		c.sees("mallory: still here")
	})
}

// Sessions that are opened, used and closed at once leave nothing behind that goes
// on for longer, and never more at a time than a connection may have.
func TestSessionsOpenedAndClosed(t *testing.T) {
	while(t, options{rate: 60}, func(r *rig) {
		c := r.raw("mallory")
		before := runtime.NumGoroutine()
		var reading sync.WaitGroup
		reading.Go(func() { answers(c, 1<<30) })
		ids := []uint32{0, 1, 2, 3}
		packets(c, many(10_000), time.Second, func(i int) []byte {
			id := ids[i/3%len(ids)]
			switch i % 3 {
			case 0:
				return rawssh.Opening("session", id, 1<<20, 1<<15, nil)
			case 1:
				return rawssh.Request(id, "exec", false, rawssh.Str(nil, "send bob psst"))
			}
			return binary.BigEndian.AppendUint32([]byte{rawssh.ChannelClose}, id)
		})
		if more := runtime.NumGoroutine() - before; more > 150 {
			t.Errorf("%d goroutines for one connection", more)
		}
		c.Close()
		reading.Wait()
	})
}

// Whoever reads no answers is held up by that, and costs next to nothing meanwhile.
func TestUnreadAnswers(t *testing.T) {
	onlyFull(t)
	global := func(name string) []byte { return append(rawssh.Str([]byte{rawssh.GlobalRequest}, name), 1) }
	session := rawssh.Opening("session", 0, 1<<20, 1<<15, nil)
	for name, next := range map[string]func(i int) []byte{
		"keepalives":      func(int) []byte { return global("keepalive@openssh.com") },
		"pings":           func(int) []byte { return rawssh.Str([]byte{rawssh.Ping}, strings.Repeat("x", 1000)) },
		"forwardings":     func(int) []byte { return global("tcpip-forward") },
		"tunnels":         func(i int) []byte { return rawssh.Opening("direct-tcpip", uint32(i), 1<<20, 1<<15, tunnel) },
		"sessions":        func(int) []byte { return session },
		"odd sessions":    func(int) []byte { return rawssh.Opening("session", 0, 1<<20, 1, nil) },
		"environment":     func(i int) []byte { return onFirst(i, session, "env", rawssh.Str(rawssh.Str(nil, "LC_X"), "y")) },
		"resizes":         func(i int) []byte { return onFirst(i, session, "window-change", make([]byte, 16)) },
		"unknown":         func(i int) []byte { return onFirst(i, session, "nonsense", nil) },
		"unknown channel": func(int) []byte { return rawssh.Request(77, "shell", true, nil) },
		"shells":          func(i int) []byte { return onFirst(i, session, "shell", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			while(t, options{}, func(r *rig) {
				c := r.raw("mallory")
				before := now()
				taken := packets(c, many(100_000), 300*time.Millisecond, next)
				t.Logf("%d packets were taken", taken)
				costs(t, before, 100, 32<<20)
			})
		})
	}
}

// onFirst opens a session and then sends requests on it, with answers.
func onFirst(i int, session []byte, name string, payload []byte) []byte {
	if i == 0 {
		return session
	}
	return rawssh.Request(0, name, true, payload)
}

// Keys are exchanged anew every few lines.
func TestRekeyStorm(t *testing.T) {
	whileInRooms(t, options{}, func(r *rig) {
		c := r.connect(visit{user: "mallory", key: "mallory", term: "xterm", rekey: 1})
		for range many(500) {
			c.types("again and again, until new keys are needed, and again and again and again\r")
		}
		c.types("enough\r")
		c.sees("mallory: enough")
	})
}

// A key exchange that is begun in a session and never ended holds up nobody else.
func TestUnfinishedRekey(t *testing.T) {
	t.Parallel()
	along(t, options{}, func(r *rig) {
		for range 10 {
			c := r.raw("mallory")
			c.Session(1<<20, 1<<15)
			c.Write(rawssh.Request(0, "shell", true, nil))
			answers(c, 1, 99)
			c.Write(rawssh.Proposal())
		}
		pause(t, 500*time.Millisecond)
		c := r.raw("mallory")
		packets(c, many(10_000), time.Second, func(int) []byte { return rawssh.Proposal() })
		r.hungUp(c) // one key exchange is not begun inside another
	})
}

// A window of nothing, and packets of the least size there is.
func TestSmallestWindow(t *testing.T) {
	while(t, options{}, func(r *rig) {
		shut := r.raw("mallory")
		shut.Session(0, 9)
		shut.Write(rawssh.Request(0, "shell", false, nil))
		for range 50 {
			shut.Write(rawssh.Str([]byte{rawssh.ChannelData, 0, 0, 0, 0}, "hello\nwhoelse\n"))
		}
		small := r.raw("mallory")
		if got := small.Run("help"); got == "" {
			t.Error("nothing")
		}
		least := r.raw("mallory")
		if !least.Session(1<<20, 9) {
			t.Fatal("packets of 9 bytes are refused")
		}
		least.Write(rawssh.Request(0, "exec", false, rawssh.Str(nil, "help")))
		if got, err := least.Said(); err != nil || !strings.Contains(got, "list everyone else here") || !strings.Contains(got, "quit") {
			t.Errorf("in packets of 9 bytes: %q, %v", got, err)
		}
		for _, size := range []uint32{0, 1, 8, 1<<31 + 1, 1<<32 - 1} {
			if r.raw("mallory").Session(1<<20, size) {
				t.Errorf("packets of %d bytes are agreed to", size)
			}
		}
		over := r.raw("mallory") // more window than there can be
		over.Session(1<<32-1, 1<<15)
		over.Write([]byte{rawssh.WindowAdjust, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
		r.hungUp(over)
	})
}

// More data than the server has agreed to take.
func TestWindowOverrun(t *testing.T) {
	while(t, options{}, func(r *rig) {
		c := r.raw("mallory")
		c.Session(1<<20, 1<<15)
		before := now()
		data := rawssh.Str([]byte{rawssh.ChannelData, 0, 0, 0, 0}, strings.Repeat("x", 1<<15))
		taken := packets(c, 1000, time.Second, func(int) []byte { return data })
		if taken == 1000 {
			t.Error("32 MiB are taken by a session that is not read")
		}
		costs(t, before, 100, 16<<20)
		if err := c.Send(data); err == nil {
			if _, err := c.Next(); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the server does not hang up")
			}
		}
	})
}
