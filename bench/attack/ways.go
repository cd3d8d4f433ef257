package attack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"whoelse/bench/load"
)

const (
	columns = 200
	// LineSize is just under what a server takes as one line.
	LineSize = 3950
	// HistoryLines is as many lines of the room as one can ask for. The kind
	// "unread" is meant for a room that has had as many, of LineSize.
	HistoryLines = 10_000

	// What a server allows one nick: so many lines at once, then one after the other.
	burstLines = 20
	lineEvery  = 200 * time.Millisecond

	groupNicks    = 20 // of each address
	extraChannels = 4  // beside the one with a shell; servers take fewer
	// handshakeTime is a little more than a server waits for a login.
	handshakeTime = 25 * time.Second
	bannerTime    = 5 * time.Second
)

// ways are the kinds' attempts. Each tries once, and reports whether to try again at
// once.
var ways = map[string]func(*attacker, context.Context) bool{
	"idle": (*attacker).idle, "tiny": (*attacker).tiny, "unread": (*attacker).unread, "burst": (*attacker).burst,
	"group": (*attacker).group, "handshakes": (*attacker).handshake, "churn": (*attacker).churn,
}

// errEnded is returned for a session that the server has ended.
var errEnded = errors.New("the server ended the session")

// longLine is as long as allowed, the words in front of it included.
func longLine(front string) string {
	const noise = "noise "
	return front + strings.Repeat(noise, (LineSize-len(front))/len(noise))
}

// idle says nothing, at a terminal.
func (a *attacker) idle(ctx context.Context) bool {
	return a.visit(ctx, a.guest(columns), func(ctx context.Context, c *load.Client) error {
		select {
		case <-c.Done():
			return errEnded
		case <-ctx.Done():
			return nil
		}
	})
}

// tiny writes packets of one byte to all channels that it gets. Those without a shell make
// the server end the connection after some time.
func (a *attacker) tiny(ctx context.Context) bool {
	return a.visit(ctx, a.guest(columns), func(_ context.Context, c *load.Client) error {
		var writing sync.WaitGroup
		defer writing.Wait()
		for range extraChannels {
			channel, requests, err := c.Open()
			if err != nil {
				break
			}
			writing.Go(func() { ssh.DiscardRequests(requests) })
			writing.Go(func() { a.drip(channel) })
		}
		a.drip(c)
		c.Close()
		return errEnded
	})
}

// drip writes one byte after the other until that fails.
func (a *attacker) drip(w io.Writer) {
	for n := 0; ; n++ {
		if _, err := w.Write([]byte{'x'}); err != nil {
			a.said.Add(int64(n))
			return
		}
	}
}

// unread asks for the history and the help, and reads nothing.
func (a *attacker) unread(ctx context.Context) bool {
	config := a.guest(columns)
	config.Line = true
	return a.visit(ctx, config, func(ctx context.Context, c *load.Client) error {
		c.StopReading()
		return a.say(ctx, c, func(n int) string {
			if n%4 == 3 {
				return "/help\r"
			}
			return fmt.Sprintf("/history %d\r", HistoryLines)
		})
	})
}

// burst says long lines, at a terminal with a width of its own, so that no rendered line serves two.
func (a *attacker) burst(ctx context.Context) bool {
	line := longLine("") + "\r"
	return a.visit(ctx, a.guest(80+a.number%400), func(ctx context.Context, c *load.Client) error {
		return a.say(ctx, c, func(int) string { return line })
	})
}

// group writes long messages to its address's twenty nicks, itself one of them;
// others may be away.
func (a *attacker) group(ctx context.Context) bool {
	var nicks []string
	for i := range groupNicks {
		nicks = append(nicks, load.Nick(firstGroup+a.address*groupNicks+i))
	}
	line := longLine("send "+strings.Join(nicks, ",")+" ") + "\n"
	self := load.Config{Number: firstGroup + a.address*groupNicks + a.number%groupNicks}
	return a.visit(ctx, self, func(ctx context.Context, c *load.Client) error {
		return a.say(ctx, c, func(int) string { return line })
	})
}

// Known lists those whose keys a server has to know before the attack.
func (p Plan) Known() (numbers []int) {
	if p.Kind == "group" || p.Kind == All {
		for i := range p.Addresses * groupNicks {
			numbers = append(numbers, firstGroup+i)
		}
	}
	return numbers
}

// say writes lines as fast as one nick may, so that the server has no reason to make
// it wait.
func (a *attacker) say(ctx context.Context, c *load.Client, line func(n int) string) error {
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		if n >= burstLines {
			select {
			case <-tick.C:
			case <-c.Done():
				return errEnded
			case <-ctx.Done():
				return nil
			}
		}
		if _, err := io.WriteString(c, line(n)); err != nil {
			return errEnded
		}
		a.said.Add(1)
	}
}

// churn logs in with a new key each time, which claims a nick, and leaves.
func (a *attacker) churn(ctx context.Context) bool {
	self := load.Config{Number: firstNew + int(a.names.Add(1)), Columns: columns}
	return a.visit(ctx, self, func(context.Context, *load.Client) error { return nil })
}

// handshake goes half the way to a login: half stop after the banner, the other half
// when the keys are exchanged.
func (a *attacker) handshake(ctx context.Context) bool {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: a.from}}
	conn, err := dialer.DialContext(ctx, "tcp", a.Addr)
	if err != nil {
		a.refused.Add(1)
		return false
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	in := false
	stay := func() {
		in = true
		a.entered()
	}
	if a.number%2 == 0 {
		err = banner(conn, stay)
	} else {
		err = keyExchange(ctx, conn, stay)
	}
	switch {
	case in:
		a.left()
		if ctx.Err() == nil && err != nil {
			a.ended.Add(1)
		}
	case ctx.Err() == nil:
		a.refused.Add(1)
	}
	return false
}

// banner says hello and no more, until the server hangs up. stay is called when the
// server goes on with the handshake and does not disconnect.
func banner(conn net.Conn, stay func()) error {
	const keyInit, kindAt = 20, 5 // SSH_MSG_KEXINIT; behind the lengths of packet and padding
	if _, err := io.WriteString(conn, load.Version+"\r\n"); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	if err := conn.SetReadDeadline(time.Now().Add(bannerTime)); err != nil {
		return err
	}
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	packet, err := in.Peek(kindAt + 1)
	if err != nil {
		return err
	}
	if packet[kindAt] != keyInit {
		return errEnded
	}
	stay()
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return errors.Join(err, errEnded)
}

// keyExchange lets the server do the expensive part and then says no more: it stops
// where a user would be asked about the host's key.
func keyExchange(ctx context.Context, conn net.Conn, stay func()) error {
	config := &ssh.ClientConfig{ClientVersion: load.Version}
	config.Ciphers = []string{load.Cipher}
	config.HostKeyCallback = func(string, net.Addr, ssh.PublicKey) error {
		stay()
		_ = load.Pause(ctx, handshakeTime)
		return errEnded
	}
	_, _, _, err := ssh.NewClientConn(conn, conn.RemoteAddr().String(), config)
	return err
}
