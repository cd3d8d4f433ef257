package adversarial

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"whoelse/sessions/internal/testclient"
)

// channel opens a session and asks for nothing yet.
func (r *rig) channel(user string) *client {
	r.Helper()
	sc, words, err := r.login(visit{user: user, key: user})
	if err != nil {
		r.Fatal(err, words)
	}
	ch, reqs, err := sc.OpenChannel("session", nil)
	r.must(err)
	go gossh.DiscardRequests(reqs)
	return &client{t: r.T, ssh: sc, ch: ch}
}

type resize struct{ W, H, X, Y uint32 }

type text struct{ S string }

// flood sends n requests that want no answer.
func (c *client) flood(n int, name string, payload func(i int) any) {
	c.t.Helper()
	for i := range n {
		if _, err := c.ch.SendRequest(name, false, gossh.Marshal(payload(i))); err != nil {
			c.t.Fatalf("%s: %v", name, err)
		}
	}
}

func TestEnvironmentFlood(t *testing.T) {
	// Not ended by the time that a connection may be without a shell.
	while(t, options{within: time.Hour}, func(r *rig) {
		c := r.channel("mallory")
		type env struct{ Name, Value string }
		c.flood(many(100_000), "env", func(i int) any { return env{fmt.Sprint("LC_", i), strings.Repeat("x", 100)} })
		if c.ask("env", env{"LC_BIG", strings.Repeat("x", 250<<10)}) {
			t.Error("250 KiB of environment are taken")
		}
		c.must("exec", text{"nick"})
		said := make([]byte, 1000)
		if n, _ := c.ch.Read(said); !strings.Contains(string(said[:n]), "you are mallory") {
			t.Errorf("afterwards: %q", said[:n])
		}
		big := r.channel("mallory")
		big.ask("env", env{"LC_BIG", strings.Repeat("x", 256<<10)}) // more than a packet may be
		if big.ask("shell", nil) {
			t.Error("there is a shell after a packet that is too big")
		}
	})
}

// Windows of any size at any time, signals and breaks.
func TestResizesSignalsAndBreaks(t *testing.T) {
	sizes := []resize{{0, 0, 0, 0}, {1<<32 - 1, 1<<32 - 1, 1, 1}, {1, 1, 0, 0}, {80, 0, 0, 0}, {0, 1 << 31, 0, 0}, {500, 500, 0, 0}}
	size := func(i int) any { return sizes[i%len(sizes)] }
	while(t, options{}, func(r *rig) {
		c := r.channel("mallory")
		c.flood(100, "window-change", size) // there is no terminal yet
		c.must("pty-req", testclient.PTY{Term: "xterm", W: 1<<32 - 1})
		c.flood(100, "window-change", size)
		c.must("shell", nil)
		other := make(chan struct{})
		go func() {
			defer close(other)
			buf := make([]byte, 1<<16)
			for {
				if _, err := c.ch.Read(buf); err != nil {
					return
				}
			}
		}()
		c.types("some text that is wrapped anew each time")
		c.flood(many(10_000), "window-change", size)
		c.flood(many(10_000), "signal", func(i int) any { return text{[]string{"INT", "KILL", "\x1b[H", strings.Repeat("x", 1000)}[i%4]} })
		c.flood(many(10_000), "break", func(int) any { return struct{ Length uint32 }{1<<32 - 1} })
		c.types("\x15quit\r")
		<-other
		for range 100 {
			if _, err := c.ch.SendRequest("window-change", true, gossh.Marshal(sizes[0])); err != nil {
				break // the session has ended: its channel, or the whole connection
			}
		}
	})
}

// What other servers offer is not to be had here, and asking for it hurts nobody.
func TestNothingElseIsOffered(t *testing.T) {
	t.Parallel()
	// Not ended by the time that a connection may be without a shell.
	along(t, options{within: time.Hour}, func(r *rig) {
		c := r.channel("mallory")
		for _, name := range []string{"auth-agent-req@openssh.com", "x11-req", "subsystem", "xon-xoff", "signal", "break", "env", "tty"} {
			for _, payload := range []any{text{"shell"}, nil, text{strings.Repeat("x", 1<<15)}} {
				if c.ask(name, payload) {
					t.Errorf("%s is granted", name)
				}
			}
		}
		for _, kind := range []string{"direct-tcpip", "direct-streamlocal@openssh.com", "x11", "auth-agent@openssh.com", "tun@openssh.com", "", "\x1b[2J"} {
			if _, _, err := c.ssh.OpenChannel(kind, tunnel); err == nil {
				t.Errorf("a channel %q is opened", kind)
			}
		}
		for _, name := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "no-more-sessions@openssh.com", "hostkeys-prove-00@openssh.com", ""} {
			if ok, _, err := c.ssh.SendRequest(name, true, tunnel); ok || err != nil {
				t.Errorf("%s: %v %v", name, ok, err)
			}
		}
		for _, command := range []string{"/usr/lib/sftp-server", "sh", "rsync --server . .", "git-upload-pack '/x'", "$(id)", "`id`; id"} {
			c := r.connect(visit{user: "mallory", key: "mallory", command: command})
			c.leaves()
			if got := c.received(); !strings.Contains(got, "no command") {
				t.Errorf("%s says %q", command, got)
			}
		}
	})
}
