package adversarial

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"whoelse/sessions/internal/rawssh"
)

// besiegers is how many connections there are of each kind, of as many addresses as
// the limits of one address ask for.
const (
	besiegers = 50 // fewer unless WHOELSE_TEST=full
	camps     = 5
)

// siegeFor is how long the siege lasts: WHOELSE_SIEGE=5m is a whole one.
func siegeFor(t *testing.T) (d time.Duration, whole bool) {
	s := os.Getenv("WHOELSE_SIEGE")
	switch {
	case s == "" && full:
		return 3 * time.Second, false
	case s == "":
		return time.Second, false
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d, true
}

// Connections that send without end what nobody reads, and others that take nothing
// while they ask for channels, again and again as they are ended.
func TestSiege(t *testing.T) {
	lasts, whole := siegeFor(t)
	r := newRig(t, options{})
	c := r.canary()
	c.hears(10)
	before := now()
	over := make(chan struct{})
	most := r.memory(over)
	end := time.AfterFunc(lasts, func() { close(over) })
	defer end.Stop()
	var all sync.WaitGroup
	crowd := besiegers
	if !full && !whole {
		crowd /= 5
	}
	for i := range crowd {
		for _, attack := range []func(*rawssh.Client, <-chan struct{}){sendsUnread, takesNothing} {
			from := fmt.Sprintf("127.0.1.%d", 1+i%camps)
			all.Go(func() {
				for !isOver(over) {
					besieges(t, r.addr, from, over, attack)
					rests(over)
				}
			})
		}
	}
	all.Wait()
	settles(t, before)
	c.ends()
	if more := <-most - before.heap; more > 300<<20 {
		t.Errorf("it costs %d MiB", more>>20)
	} else {
		t.Logf("%d MiB more at most", more>>20)
	}
	if p99 := c.quantile(99); whole && p99 > 100*time.Millisecond {
		t.Errorf("99 %% of the canary's lines took %v", p99)
	}
}

// besieges attacks with one connection, until that is ended or was refused.
func besieges(t *testing.T, addr, from string, over <-chan struct{}, attack func(*rawssh.Client, <-chan struct{})) {
	who := &besieger{TB: t}
	done := make(chan struct{})
	go func() { // which a refusal ends
		defer close(done)
		defer who.leaves()
		attack(rawssh.DialFrom(who, from, addr), over)
	}()
	<-done
}

// besieger is a test that what fails for it ends for it alone.
type besieger struct {
	testing.TB
	closers []func()
}

func (b *besieger) Helper()               {}
func (b *besieger) Cleanup(f func())      { b.closers = append(b.closers, f) }
func (b *besieger) Fatal(...any)          { runtime.Goexit() }
func (b *besieger) Fatalf(string, ...any) { runtime.Goexit() }

func (b *besieger) leaves() {
	for _, f := range b.closers {
		f()
	}
}

// rests waits a second before the next try.
func rests(over <-chan struct{}) {
	wait := time.NewTimer(time.Second)
	defer wait.Stop()
	select {
	case <-over:
	case <-wait.C:
	}
}

// memory watches the heap until over, and then tells its largest size.
func (r *rig) memory(over <-chan struct{}) <-chan uint64 {
	most := make(chan uint64, 1)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		var seen uint64
		for !isOver(over) {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			seen = max(seen, m.HeapInuse+m.StackInuse)
			<-tick.C
		}
		most <- seen
	}()
	return most
}

func isOver(over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	default:
		return false
	}
}

// sendsUnread fills four channels without a shell, and goes on in packets of a byte.
func sendsUnread(c *rawssh.Client, over <-chan struct{}) {
	defer c.Close()
	if c.Prove("mallory", signer("mallory")) != rawssh.AuthSuccess {
		return
	}
	var fill []byte
	for id := range uint32(4) {
		fill = c.Pack(fill, rawssh.Opening("session", id, 1<<20, 1<<15, nil))
	}
	c.Conn.Write(fill)
	answers(c, 4, rawssh.ChannelOpened)
	fill = fill[:0]
	for id := range byte(4) {
		fill = c.Pack(fill, rawssh.Str([]byte{rawssh.ChannelData, 0, 0, 0, id}, strings.Repeat("x", 1<<15)))
	}
	c.Conn.Write(fill)
	packets(c, 1<<20, time.Second, func(i int) []byte {
		return rawssh.Str([]byte{rawssh.ChannelData, 0, 0, 0, byte(i % 4)}, "x")
	})
	waits(c, over)
}

// takesNothing has a shell whose output it does not take, and opens a channel that
// can't be confirmed, with many long requests for it.
func takesNothing(c *rawssh.Client, over <-chan struct{}) {
	defer c.Close()
	if c.Prove("mallory", signer("mallory")) != rawssh.AuthSuccess {
		return
	}
	stuff(c)
	more := c.Pack(nil, rawssh.Opening("session", 1, 1<<20, 1<<15, nil))
	for range 40 {
		more = c.Pack(more, rawssh.Request(1, "window-change", false, make([]byte, 30<<10)))
	}
	c.Conn.SetWriteDeadline(time.Now().Add(time.Second))
	c.Conn.Write(more)
	waits(c, over)
}

// waits stays until the server hangs up, or it is over; nothing is taken meanwhile.
func waits(c *rawssh.Client, over <-chan struct{}) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for ignore := rawssh.Str([]byte{2}, "still here"); ; {
		select {
		case <-over:
			return
		case <-tick.C:
			c.Conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := c.Conn.Write(c.Pack(nil, ignore)); err != nil && !os.IsTimeout(err) {
				return
			}
		}
	}
}
