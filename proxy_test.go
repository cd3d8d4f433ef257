package main_test

import (
	"io"
	"net"
	"strings"
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
	none := func(string, string, []string, []bool) ([]string, error) { return nil, nil }
	c, chans, reqs, err := gossh.NewClientConn(conn, "whoelse", &gossh.ClientConfig{
		User: "guest1", Auth: []gossh.AuthMethod{gossh.KeyboardInteractive(none)},
		HostKeyCallback: gossh.InsecureIgnoreHostKey(), // the server is this test's own
	})
	if err != nil {
		return nil, err
	}
	return gossh.NewClient(c, chans, reqs), nil
}

// TestProxy: the address in a PROXY header is the person's if the proxy is trusted,
// and nothing that ssh knows if not.
func TestProxy(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), "--trusted-proxy", "127.0.0.0/8")
	c, err := fromProxy(t, s)
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Shell(); err != nil {
		t.Fatal(err)
	}
	session.Close()
	c.Wait()
	if log := s.log(); !strings.Contains(log, "from=203.0.113.7:5555") {
		t.Errorf("the log does not have the address: %s", log)
	}
	if _, err := fromProxy(t, startServer(t, t.TempDir())); err == nil {
		t.Error("a header from a proxy that is not trusted is taken")
	}
}
