package adversarial

import (
	"strings"
	"sync"
	"testing"
	"time"

	"whoelse/sessions/internal/rawssh"
)

// The server goes down in the middle of all of it, in time, and tells whoever
// listens.
func TestShutdownInTheMiddle(t *testing.T) {
	onlyFull(t)
	r := newRig(t, options{rate: 100})
	c := r.canary()
	var attack sync.WaitGroup
	for range 10 {
		r.says(rawssh.Version + "\r\n")
		r.stranger(rawssh.Dial)
		idle := r.raw("mallory")
		idle.Session(0, 9)
		idle.Write(rawssh.Request(0, "shell", false, nil))
	}
	floods := []func(i int) []byte{
		func(i int) []byte { return rawssh.Opening("direct-tcpip", uint32(i), 1<<20, 1<<15, tunnel) },
		func(i int) []byte { return rawssh.Opening("session", uint32(i), 1<<20, 1<<15, nil) },
		func(int) []byte { return append(rawssh.Str([]byte{rawssh.GlobalRequest}, "keepalive@openssh.com"), 1) },
	}
	for _, next := range floods {
		flood := r.raw("mallory")
		attack.Go(func() { packets(flood, 1<<30, time.Minute, next) })
	}
	talker := r.connect(visit{user: "talker", key: "talker"})
	attack.Go(func() { // until the server hangs up
		for {
			if _, err := talker.ch.Write([]byte(strings.Repeat("x", 300) + "\n")); err != nil {
				return
			}
		}
	})
	commands := r.raw("mallory")
	attack.Go(func() {
		packets(commands, 1<<30, time.Minute, func(i int) []byte {
			return onFirst(i, rawssh.Opening("session", 0, 1<<20, 1<<15, nil), "exec", rawssh.Str(nil, "send bob psst"))
		})
	})
	meanwhile := 5
	if full {
		meanwhile = 20
	}
	c.hears(meanwhile)

	began := time.Now()
	r.stop()
	if took := time.Since(began); took > 9*time.Second { // less than a write may stand; sessions have 3 s
		t.Errorf("it takes %v", took)
	}
	attack.Wait()
	for _, who := range []*client{c.bob, c.carol} {
		who.sees("the server is shutting down")
		who.leaves()
		who.clean("who was there")
	}
	r.hangUp()
}
