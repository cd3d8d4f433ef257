package sshd

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// session opens a session channel whose requests are answered by nobody.
func (r *rig) session(c *gossh.Client) gossh.Channel {
	r.Helper()
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		r.Fatal(err)
	}
	go gossh.DiscardRequests(reqs)
	return ch
}

// wantAnswer asserts how the server answers a request.
func wantAnswer(t *testing.T, ch gossh.Channel, want bool, name string, payload any) {
	t.Helper()
	var p []byte
	if payload != nil {
		p = gossh.Marshal(payload)
	}
	if ok, err := ch.SendRequest(name, true, p); ok != want || err != nil {
		t.Errorf("%s: %v, %v; want %v", name, ok, err, want)
	}
}

type ptyRequest struct {
	Term       string
	W, H, X, Y uint32
	Modes      string
}

type resize struct{ W, H, X, Y uint32 }

type envRequest struct{ Name, Value string }

type oneString struct{ S string }

// said ends the input of ch and returns all of its output.
func said(t *testing.T, ch gossh.Channel) string {
	t.Helper()
	ch.CloseWrite()
	out, err := io.ReadAll(ch)
	if err != nil {
		t.Error(err)
	}
	return string(out)
}

func TestChannelsAreBounded(t *testing.T) {
	r := newRig(t)
	c := r.login("bob", "bob").client
	var open []gossh.Channel
	for range maxChannels {
		open = append(open, r.session(c))
	}
	if _, _, err := c.OpenChannel("session", nil); err == nil || !strings.Contains(err.Error(), "too many sessions") {
		t.Errorf("one more than %d: %v", maxChannels, err)
	}
	for _, ch := range open {
		wantAnswer(t, ch, true, "exec", oneString{"x"})
	}
	if got := said(t, open[0]); !strings.HasPrefix(got, "nick=bob ") {
		t.Errorf("%q", got)
	}
	open[0].Close()
	r.within("a place for another", func() {
		for { // the server may not have noticed yet
			if ch, reqs, err := c.OpenChannel("session", nil); err == nil {
				go gossh.DiscardRequests(reqs)
				ch.Close()
				return
			}
		}
	})
}

func TestNothingButSessions(t *testing.T) {
	r := newRig(t)
	c := r.login("bob", "bob").client
	forward := gossh.Marshal(struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}{"127.0.0.1", 22, "127.0.0.1", 1})
	for _, kind := range []string{"direct-tcpip", "direct-streamlocal@openssh.com", "x11", "forwarded-tcpip", "auth-agent@openssh.com", "tun@openssh.com", "nonsense"} {
		if _, _, err := c.OpenChannel(kind, forward); err == nil {
			t.Errorf("a channel %s was opened", kind)
		}
	}
	for _, kind := range []string{"tcpip-forward", "cancel-tcpip-forward", "streamlocal-forward@openssh.com", "nonsense"} {
		if ok, _, err := c.SendRequest(kind, true, forward); ok || err != nil {
			t.Errorf("the request %s: %v, %v", kind, ok, err)
		}
	}
	if got := r.introduced(c); !strings.HasPrefix(got, "nick=bob ") {
		t.Errorf("%q", got)
	}
}

func TestSessionRequests(t *testing.T) {
	r := newRig(t)
	ch := r.session(r.login("bob", "bob").client)
	wantAnswer(t, ch, false, "auth-agent-req@openssh.com", nil)
	wantAnswer(t, ch, false, "x11-req", nil)
	wantAnswer(t, ch, false, "subsystem", oneString{"shell"})
	wantAnswer(t, ch, false, "window-change", resize{W: 80, H: 24}) // without a pty
	wantAnswer(t, ch, false, "pty-req", oneString{"cut short"})
	wantAnswer(t, ch, true, "pty-req", ptyRequest{Term: "xterm", W: 80, H: 24})
	wantAnswer(t, ch, false, "pty-req", ptyRequest{Term: "vt100", W: 1, H: 1})
	wantAnswer(t, ch, true, "window-change", resize{W: 1 << 31, H: 7})
	wantAnswer(t, ch, false, "signal", oneString{"KILL"})
	wantAnswer(t, ch, false, "break", resize{})
	wantAnswer(t, ch, true, "shell", nil)
	if got, err := bufio.NewReader(ch).ReadString('\n'); err != nil || !strings.Contains(got, "pty=true xterm 2147483648x7 ") {
		t.Errorf("%q, %v", got, err)
	}
	wantAnswer(t, ch, false, "shell", nil)
	wantAnswer(t, ch, false, "exec", oneString{"again"})
	wantAnswer(t, ch, false, "env", envRequest{"LANG", "C"}) // too late
	wantAnswer(t, ch, true, "window-change", resize{W: 90, H: 30})
	said(t, ch)
}

func TestOtherSubsystemsAreRefused(t *testing.T) {
	r := newRig(t)
	ch := r.session(r.login("bob", "bob").client)
	wantAnswer(t, ch, false, "subsystem", oneString{"shell"})
	wantAnswer(t, ch, true, "subsystem", oneString{"sftp"})
	wantAnswer(t, ch, false, "subsystem", oneString{"sftp"})
	wantAnswer(t, ch, false, "shell", nil)
	said(t, ch)
}

func TestEnvironmentIsBounded(t *testing.T) {
	r := newRig(t)
	ch := r.session(r.login("bob", "bob").client)
	wantAnswer(t, ch, false, "env", envRequest{"LD_PRELOAD", "x"})
	wantAnswer(t, ch, false, "env", envRequest{"LC_BIG", strings.Repeat("x", maxEnvSize)})
	wantAnswer(t, ch, false, "env", oneString{"cut short"})
	for i := range maxEnv {
		wantAnswer(t, ch, true, "env", envRequest{fmt.Sprint("LC_", i), "x"})
	}
	wantAnswer(t, ch, false, "env", envRequest{"LC_MORE", "x"})
	wantAnswer(t, ch, true, "exec", oneString{"x"})
	if got := said(t, ch); !strings.HasSuffix(got, fmt.Sprintf("env=%d\n", maxEnv)) {
		t.Errorf("%q", got)
	}
}

func TestCommandIsBounded(t *testing.T) {
	r := newRig(t)
	ch := r.session(r.login("bob", "bob").client)
	wantAnswer(t, ch, false, "exec", oneString{strings.Repeat("x", maxCommand+1)})
	wantAnswer(t, ch, true, "exec", oneString{strings.Repeat("x", maxCommand)})
	if got := said(t, ch); len(got) < maxCommand {
		t.Errorf("%d bytes", len(got))
	}
}

func TestCommandsComeAsTyped(t *testing.T) {
	r := newRig(t)
	for _, command := range []string{"it's", `say "unclosed`, `back\slash`, "two  spaces", "line\nbreak", "'"} {
		ch := r.session(r.login("bob", "bob").client)
		wantAnswer(t, ch, true, "exec", oneString{command})
		if got := said(t, ch); !strings.Contains(got, fmt.Sprintf("command=%q", command)) {
			t.Errorf("%q became %q", command, got)
		}
	}
}

// A window that changes all the time must not keep the connection from anything
// else, neither before there is a shell to take it nor after.
func TestWindowChangesDoNotStall(t *testing.T) {
	r := newRig(t)
	c := r.login("bob", "bob").client
	ch, other := r.session(c), r.session(c)
	wantAnswer(t, ch, true, "pty-req", ptyRequest{Term: "xterm", W: 80, H: 24})
	flood := func() {
		for i := range 1000 {
			if _, err := ch.SendRequest("window-change", false, gossh.Marshal(resize{W: uint32(20 + i%100), H: 24})); err != nil {
				t.Error(err)
				return
			}
		}
	}
	r.within("another session beside a flood", func() {
		flood()
		wantAnswer(t, other, true, "exec", oneString{"x"})
		if got := said(t, other); !strings.HasPrefix(got, "nick=bob ") {
			t.Errorf("%q", got)
		}
	})
	r.within("a shell in a flood", func() {
		wantAnswer(t, ch, true, "shell", nil)
		if got, err := bufio.NewReader(ch).ReadString('\n'); err != nil || !strings.Contains(got, "119x24") {
			t.Errorf("%q, %v", got, err)
		}
		flood()
		said(t, ch)
	})
}

// The connection ends with its last session.
func TestConnectionEndsWithSession(t *testing.T) {
	r := newRig(t)
	c := r.login("bob", "bob").client
	r.introduced(c)
	r.within("the connection's end", func() { c.Wait() })
}

func TestAlgorithms(t *testing.T) {
	r := newRig(t)
	for name, limit := range map[string]func(*gossh.ClientConfig){
		"SHA-1 key exchange": func(c *gossh.ClientConfig) { c.KeyExchanges = []string{"diffie-hellman-group14-sha1"} },
		"NIST curve":         func(c *gossh.ClientConfig) { c.KeyExchanges = []string{"ecdh-sha2-nistp256"} },
		"CBC":                func(c *gossh.ClientConfig) { c.Ciphers = []string{"aes128-cbc"} },
		"SHA-1 MAC":          func(c *gossh.ClientConfig) { c.Ciphers, c.MACs = []string{"aes128-ctr"}, []string{"hmac-sha1"} },
		"RSA host key":       func(c *gossh.ClientConfig) { c.HostKeyAlgorithms = []string{"ssh-rsa", "rsa-sha2-512"} },
	} {
		a := &attempt{}
		cfg := a.config("bob", gossh.PublicKeys(signer("bob")))
		limit(cfg)
		if c, err := gossh.Dial("tcp", r.addr, cfg); err == nil {
			c.Close()
			t.Errorf("%s is offered", name)
		}
	}
	a := &attempt{}
	cfg := a.config("bob", gossh.PublicKeys(signer("bob")))
	cfg.KeyExchanges = []string{"mlkem768x25519-sha256"}
	c, err := gossh.Dial("tcp", r.addr, cfg)
	if err != nil {
		t.Fatal("post-quantum key exchange:", err)
	}
	c.Close()
	c.Wait()
}

// A session that ends after its client has closed it takes no other session of the
// connection along.
func TestEndsAfterItsClientClosedIt(t *testing.T) {
	ch := &Channel{late: time.NewTimer(time.Hour), in: newInput(nil, &conn{}), closing: make(chan struct{})}
	ch.late.Stop()
	ch.ending()
	if !ch.late.Stop() {
		t.Error("a client that does not close it may take as long as it likes")
	}
	ch.closed()
	ch.ending()
	if ch.late.Stop() {
		t.Error("the connection would be closed")
	}
}
