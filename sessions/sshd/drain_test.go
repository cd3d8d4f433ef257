package sshd

import (
	"bytes"
	"testing"
	"time"

	"go.uber.org/goleak"

	"whoelse/sessions/internal/rawssh"
)

// A client that ends its connection with nonsense and sends more behind it leaves
// no goroutine behind, before the login and after.
func TestDrained(t *testing.T) {
	r := newRig(t).holds("bob")
	for name, begin := range map[string]func(*rawssh.Client){
		"before the login": func(*rawssh.Client) {},
		"after it":         func(c *rawssh.Client) { c.Prove("bob", signer("bob")) },
	} {
		left := goleak.IgnoreCurrent()
		c := rawssh.Dial(t, r.addr)
		begin(c)
		more := c.Pack(nil, []byte{rawssh.ChannelOpen}) // cut short
		for range 100 {
			more = c.Pack(more, bytes.Repeat([]byte{rawssh.ChannelData}, 1000))
		}
		c.Conn.Write(more)
		c.Verdict() // none: the server hangs up
		c.Close()
		var err error
		for late := time.Now().Add(patience); time.Now().Before(late); { // Find waits for half a second alone
			if err = goleak.Find(left); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMuchBeforeTheLogin(t *testing.T) {
	r := newRig(t)
	c := rawssh.Exchange(t, r.addr, rawssh.Version)
	ignore := rawssh.Str([]byte{2}, string(make([]byte, 8<<10)))
	for range 8 {
		if c.Send(ignore) != nil {
			break
		}
	}
	if p, err := c.Next(); err == nil {
		t.Errorf("got %q", p)
	}
}
