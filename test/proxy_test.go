package test

import (
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// fromProxy logs a guest in through a connection that begins with a PROXY header.
func fromProxy(t *testing.T, s *server) (*gossh.Client, error) {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "PROXY TCP4 203.0.113.7 127.0.0.1 5555 2222\r\n"); err != nil {
		t.Fatal(err)
	}
	return s.login(conn, io.Discard, "guest1")
}

// TestProxy: the address in a PROXY header is the person's if the proxy is trusted,
// and nothing but a stray line before the ssh protocol if not.
func TestProxy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		from string
	}{
		{[]string{"--trusted-proxy", "127.0.0.0/8"}, "from=203.0.113.7:5555"},
		{[]string{"--trusted-proxy", "192.0.2.1"}, "from=127.0.0.1:"},
		{nil, "from=127.0.0.1:"},
	} {
		s := startServer(t, t.TempDir(), c.args...)
		client, err := fromProxy(t, s)
		if err != nil {
			t.Fatal(err)
		}
		session, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		out, err := session.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Shell(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAtLeast(out, make([]byte, 256), 1); err != nil { // it has begun
			t.Fatal(err)
		}
		if err := s.signal(syscall.SIGTERM, patience); err != nil { // then the log is whole
			t.Error(err)
		}
		if log := s.log(); !strings.Contains(log, c.from) {
			t.Errorf("%q: %s is not in the log: %s", c.args, c.from, log)
		}
	}
}
