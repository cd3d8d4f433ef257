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
	// HistoryLines is as many lines of the room as one can ask for.
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
var ways = map[Kind]func(*attacker, context.Context) bool{
	Idle: (*attacker).idle, Tiny: (*attacker).tiny, Unread: (*attacker).unread, Burst: (*attacker).burst,
	Group: (*attacker).group, Handshakes: (*attacker).handshake, Churn: (*attacker).churn,
}

// errEnded is returned for a session that the server has ended.
var errEnded = errors.New("the server ended the session")

// Line is as long as allowed, the words in front of it included.
func Line(front string) string {
	const noise = "noise "
	return front + strings.Repeat(noise, (LineSize-len(front))/len(noise))
}

func (a *attacker) idle(ctx context.Context) bool {
	return a.visit(ctx, a.guest(), load.Kind{Columns: columns}, func(ctx context.Context, c *load.Client) error {
		select {
		case <-c.Done():
			return errEnded
		case <-ctx.Done():
			return nil
		}
	})
}

// tiny writes single bytes to all channels that it gets. Those without a shell make
// the server end the connection after some time.
func (a *attacker) tiny(ctx context.Context) bool {
	return a.visit(ctx, a.guest(), load.Kind{Columns: columns}, func(_ context.Context, c *load.Client) error {
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

// unread has no more than the kernel's smallest buffer read.
func (a *attacker) unread(ctx context.Context) bool {
	kind := load.Kind{Columns: columns, Gated: true, Small: true}
	return a.visit(ctx, a.guest(), kind, func(ctx context.Context, c *load.Client) error {
		c.Stick()
		return a.say(ctx, c, func(n int) string {
			if n%4 == 3 {
				return "/help\r"
			}
			return fmt.Sprintf("/history %d\r", HistoryLines)
		})
	})
}

// burst has a width of its own, so that no rendered line serves two.
func (a *attacker) burst(ctx context.Context) bool {
	line := Line("") + "\r"
	kind := load.Kind{Columns: 80 + a.number%400}
	return a.visit(ctx, a.guest(), kind, func(ctx context.Context, c *load.Client) error {
		return a.say(ctx, c, func(int) string { return line })
	})
}

// group is one of its address's twenty nicks, of which others may be away.
func (a *attacker) group(ctx context.Context) bool {
	var nicks []string
	for _, who := range groupOf(a.address) {
		nicks = append(nicks, who.Nick())
	}
	line := Line("send "+strings.Join(nicks, ",")+" ") + "\n"
	who := groupOf(a.address)[a.number%groupNicks]
	return a.visit(ctx, who, load.Kind{}, func(ctx context.Context, c *load.Client) error {
		return a.say(ctx, c, func(int) string { return line })
	})
}

// groupOf is whom an address writes to.
func groupOf(address int) []load.Identity {
	all := make([]load.Identity, groupNicks)
	for i := range all {
		all[i] = load.Identity{Number: firstGroup + address*groupNicks + i, Auth: load.AuthKnown}
	}
	return all
}

// Known lists those whose keys a server has to know before the attack.
func (p Plan) Known() []load.Identity {
	if !p.Has(Group) {
		return nil
	}
	var all []load.Identity
	for address := range p.Addresses {
		all = append(all, groupOf(address)...)
	}
	return all
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

// churn claims a nick each time.
func (a *attacker) churn(ctx context.Context) bool {
	who := load.Identity{Number: firstNew + int(a.names.Add(1)), Auth: load.AuthNew}
	return a.visit(ctx, who, load.Kind{Columns: columns}, func(context.Context, *load.Client) error { return nil })
}

// handshake goes half the way to a login and stays there.
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
		err = keyExchange(ctx, conn, a.Cipher, stay)
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
	if _, err := io.WriteString(conn, "SSH-2.0-whoelse_bench\r\n"); err != nil {
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

// keyExchange lets the server do the dear part and then says no more: it stops where
// a person would be asked about the host's key.
func keyExchange(ctx context.Context, conn net.Conn, cipher string, stay func()) error {
	config := &ssh.ClientConfig{ClientVersion: "SSH-2.0-whoelse_bench"}
	config.Ciphers = []string{cipher}
	config.HostKeyCallback = func(string, net.Addr, ssh.PublicKey) error {
		stay()
		pause(ctx, handshakeTime)
		return errEnded
	}
	_, _, _, err := ssh.NewClientConn(conn, conn.RemoteAddr().String(), config)
	return err
}
