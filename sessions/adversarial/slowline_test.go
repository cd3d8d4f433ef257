package adversarial

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// modem is a connection that takes few bytes at a time.
type modem struct {
	net.Conn
	tick *time.Ticker
}

func (m modem) Read(p []byte) (int, error) {
	<-m.tick.C
	return m.Conn.Read(p[:min(len(p), 1<<10)])
}

// A command's output comes to its end on a slow line, too, and so does its status.
func TestCommandOnASlowLine(t *testing.T) {
	t.Parallel()
	onlyFull(t)
	along(t, options{}, func(r *rig) {
		const lines = 40
		carol := r.connect(visit{user: "carol", key: "carol"})
		for range lines {
			carol.types("carol's " + strings.Repeat("x", 3000) + "\n")
		}
		carol.types("the end\n")
		carol.sees("carol: the end")
		nc, err := net.Dial("tcp", r.addr)
		r.must(err)
		r.must(nc.(*net.TCPConn).SetReadBuffer(4 << 10))
		tick := time.NewTicker(40 * time.Millisecond) // 25 KiB a second
		defer tick.Stop()
		sc, chans, reqs, err := gossh.NewClientConn(modem{nc, tick}, r.addr, visit{user: "mallory", key: "mallory"}.config(func(string) {}))
		r.must(err)
		c := gossh.NewClient(sc, chans, reqs)
		defer func() { c.Close(); c.Wait() }()
		s, err := c.NewSession()
		r.must(err)
		out, err := s.StdoutPipe()
		r.must(err)
		r.must(s.Start("history 1000"))
		text, err := io.ReadAll(out)
		r.must(err)
		if n := strings.Count(string(text), "carol's"); n != lines {
			t.Errorf("%d lines of %d come", n, lines)
		}
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	})
}
