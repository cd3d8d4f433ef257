package adversarial

import (
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"whoelse/sessions/admission"
	"whoelse/sessions/internal/rawssh"
)

// standing counts goroutines that are in a function, by the end of its name.
func standing(function string) int {
	all := make([]byte, 4<<20)
	return strings.Count(string(all[:runtime.Stack(all, true)]), function+"(")
}

// stuff asks for far more than the network holds, and takes none of it, so that the
// server's next write to c stands.
func stuff(c *rawssh.Client) {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		t.SetReadBuffer(4 << 10)
	}
	asks := rawssh.Str([]byte{rawssh.ChannelData, 0, 0, 0, 0}, strings.Repeat("help\n", 1000))
	all := c.Pack(nil, rawssh.Opening("session", 0, 1<<30, 1<<15, nil))
	c.Conn.Write(all)
	answers(c, 1, rawssh.ChannelOpened)
	all = c.Pack(nil, rawssh.Request(0, "shell", false, nil))
	for range 10 {
		all = c.Pack(all, asks)
	}
	c.Conn.Write(all)
}

// A channel whose confirmation can't be written, and requests for it meanwhile: when
// its connection has ended nothing is left of it, and nobody is counted as here.
func TestConfirmationThatStands(t *testing.T) {
	while(t, options{within: time.Hour}, func(r *rig) {
		const n = 10
		before := r.admission.Stats().Sessions
		var all []*rawssh.Client // all come before the first of them asks, who will not be here for long
		for range n {
			all = append(all, r.raw("mallory"))
		}
		for _, c := range all {
			stuff(c)
		}
		eventually(t, "the server's writes do not stand", func() bool { return standing("internal/poll.(*FD).Write") >= n })
		for _, c := range all {
			c.Write(rawssh.Opening("session", 1, 1<<20, 1<<15, nil))
			for range 40 {
				c.Write(rawssh.Request(1, "window-change", false, make([]byte, 16)))
			}
		}
		eventually(t, "no confirmation stands", func() bool { return standing("ssh.(*channel).Accept") > 0 })
		for _, c := range all {
			c.Close()
		}
		eventually(t, "they are still counted", func() bool { return r.admission.Stats().Sessions == before })
	})
}

// Input in packets of a byte that nobody reads, on channels without a shell, costs a
// bounded amount for all connections together; those that send more are ended.
func TestTinyPackets(t *testing.T) {
	// Not ended by the time that a connection may be without a shell.
	while(t, options{limits: admission.Limits{UnreadInAll: many(4 << 20)}, within: time.Hour}, func(r *rig) {
		const n = 10
		before, sessions := now(), r.admission.Stats().Sessions
		var all sync.WaitGroup
		for range n {
			c := r.raw("mallory")
			for id := range uint32(4) {
				c.Write(rawssh.Opening("session", id, 1<<20, 1<<15, nil))
			}
			answers(c, 4, rawssh.ChannelOpened)
			for id := range byte(4) { // those before may have taken all there is
				_ = c.Send(rawssh.Str([]byte{rawssh.ChannelData, 0, 0, 0, id}, strings.Repeat("x", 1<<15)))
			}
			all.Go(func() {
				packets(c, many(100_000), time.Second, func(i int) []byte {
					return rawssh.Str([]byte{rawssh.ChannelData, 0, 0, 0, byte(i % 4)}, "x")
				})
			})
		}
		all.Wait()
		costs(t, before, 20*n, 24<<20)
		eventually(t, "no connection is ended", func() bool { return r.admission.Stats().Sessions < sessions+n })
	})
}

// What clients send as if it were a server's standard error is not kept.
func TestTinyErrorPackets(t *testing.T) {
	while(t, options{}, func(r *rig) {
		c := r.raw("mallory")
		c.Session(1<<20, 1<<15)
		c.Write(rawssh.Request(0, "shell", false, nil))
		before := now()
		n := many(500_000)
		if got := packets(c, n, patience, func(int) []byte {
			return rawssh.Str([]byte{rawssh.ChannelErrData, 0, 0, 0, 0, 0, 0, 0, 1}, "x")
		}); got != n {
			t.Errorf("%d of %d are taken", got, n)
		}
		costs(t, before, 100, 16<<20)
	})
}
