// Package attack takes all from a server that it can get without breaking a rule of
// ssh: each address opens as many connections as it may, and what the server refuses
// or ends is tried again a few seconds later.
//
//	counts := attack.Run(ctx, attack.Plan{Addr: addr, Kind: "burst", Addresses: 1, PerAddress: 20})
//
// Each address is a 127.a.b.1 in a /24 of its own, so a server has to be told not to
// exempt the loopback interface from its limits.
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

// Kinds lists the ways to attack.
var Kinds = []string{"idle", "tiny", "unread", "burst", "group", "handshakes", "churn", All}

// All is all the others, in turn by connection.
const All = "all"

const (
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
	loginsAtOnce  = 48 // fewer than servers let log in at the same time
	columns       = 200

	// retryAfter is how long an attacker stays away that was refused or ended: an
	// address may connect thirty times a minute, and more only costs the generator.
	retryAfter = 4 * time.Second
	// handshakeTime is a little more than a server waits for a login.
	handshakeTime = 25 * time.Second

	// The first numbers of clients, apart from each other and from those who chat.
	firstGuest, firstGroup, firstNew = 20_000, 100_000, 20_000_000
)

var errEnded = errors.New("the server ended the session")

// Plan says who attacks whom.
type Plan struct {
	Addr       string // on the loopback interface
	Kind       string // one of Kinds
	Addresses  int
	PerAddress int // connections of each
}

// Known lists the clients whose keys a server has to know before the attack.
func (p Plan) Known() (numbers []int) {
	if p.Kind == "group" || p.Kind == All {
		for i := range p.Addresses * groupNicks {
			numbers = append(numbers, firstGroup+i)
		}
	}
	return numbers
}

// Counts is what came of an attack.
type Counts struct {
	In      int // handshakes: beyond the banner
	Most    int // of them at the same time
	Refused int // connections that were not let in
	Ended   int // by the server, after they were let in
	Input   int // lines and bytes written, whatever came of them
}

// attack is one run of a plan.
type attack struct {
	Plan
	logins chan struct{} // holds one for each that is logging in

	mu         sync.Mutex
	now, names int // attackers that are in; new clients so far
	Counts
}

// attacker is one of an address's connections, and the one after it.
type attacker struct {
	*attack
	address int
	number  int // over all addresses
	kind    string
}

// Run attacks until ctx is over and all attackers have hung up.
func Run(ctx context.Context, plan Plan) Counts {
	a := &attack{Plan: plan, logins: make(chan struct{}, loginsAtOnce)}
	var all sync.WaitGroup
	for n := range plan.Addresses * plan.PerAddress {
		one := &attacker{attack: a, address: n / plan.PerAddress, number: n, kind: plan.Kind}
		if plan.Kind == All {
			one.kind = Kinds[n%(len(Kinds)-1)]
		}
		all.Go(func() {
			for ctx.Err() == nil {
				if again := one.attempt(ctx); !again {
					_ = load.Pause(ctx, retryAfter)
				}
			}
		})
	}
	<-ctx.Done()
	all.Wait()
	return a.Counts
}

// attempt attacks once, and reports whether to try again at once.
func (a *attacker) attempt(ctx context.Context) (again bool) {
	guest := load.Config{Number: firstGuest + a.number, Guest: true, Columns: columns}
	switch a.kind {
	case "idle": // says nothing
		return a.visit(ctx, guest, func(c *load.Client) error {
			<-c.Done()
			return errEnded
		})
	case "tiny": // packets of one byte, to a shell and to channels that nobody reads
		return a.visit(ctx, guest, a.drip)
	case "unread": // asks for the history and the help, and reads nothing
		guest.Line = true
		return a.visit(ctx, guest, func(c *load.Client) error {
			c.StopReading()
			return a.say(c, fmt.Sprintf("/history %d\r", HistoryLines), "/help\r")
		})
	case "burst": // long lines, at a width of its own, so that no rendered line serves two
		guest.Columns = 80 + a.number%400
		return a.visit(ctx, guest, func(c *load.Client) error { return a.say(c, longLine("")+"\r") })
	case "group": // long messages to the address's own nicks, of which some may be away
		first := firstGroup + a.address*groupNicks
		var nicks []string
		for i := range groupNicks {
			nicks = append(nicks, load.Nick(first+i))
		}
		line := longLine("send "+strings.Join(nicks, ",")+" ") + "\n"
		self := load.Config{Number: first + a.number%groupNicks}
		return a.visit(ctx, self, func(c *load.Client) error { return a.say(c, line) })
	case "churn": // a new key each time, which claims a nick
		self := load.Config{Number: firstNew, Columns: columns}
		a.count(func() { a.names++; self.Number += a.names })
		return a.visit(ctx, self, func(*load.Client) error { return nil })
	default: // handshakes
		a.handshake(ctx)
		return false
	}
}

// longLine is as long as allowed, the words in front of it included.
func longLine(front string) string {
	const noise = "noise "
	return front + strings.Repeat(noise, (LineSize-len(front))/len(noise))
}

func (a *attack) count(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func (a *attack) entered() { a.count(func() { a.In++; a.now++; a.Most = max(a.Most, a.now) }) }

// blind is the Sink of an attacker: what it is shown does not matter.
type blind struct{}

func (blind) Take([]byte, time.Duration) []byte { return nil }

// from is the address of the attacker. 127.0.0.0/16 is for those who do not attack.
func (a *attacker) from() net.IP { return net.IPv4(127, byte(1+a.address>>8), byte(a.address), 1) }

// visit logs in, lets work go on until it or ctx ends, and hangs up. work returns an
// error when the session has ended. visit reports whether the attacker was let in and
// left by itself.
func (a *attacker) visit(ctx context.Context, config load.Config, work func(*load.Client) error) bool {
	select {
	case a.logins <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	config.From = a.from()
	client, err := load.Connect(ctx, a.Addr, config, blind{})
	<-a.logins
	if err != nil {
		if ctx.Err() == nil {
			a.count(func() { a.Refused++ })
		}
		return false
	}
	a.entered()
	defer a.count(func() { a.now-- })
	defer client.Close()
	stop := context.AfterFunc(ctx, client.Close)
	defer stop()
	err = work(client)
	if err != nil && ctx.Err() == nil {
		a.count(func() { a.Ended++ })
	}
	return err == nil
}

// drip writes one byte after the other to all channels that it gets. Those without a
// shell make the server end the connection after some time.
func (a *attacker) drip(c *load.Client) error {
	drip := func(w io.Writer) {
		for n := 0; ; n++ {
			if _, err := w.Write([]byte{'x'}); err != nil {
				a.count(func() { a.Input += n })
				return
			}
		}
	}
	var writing sync.WaitGroup
	defer writing.Wait()
	for range extraChannels {
		channel, requests, err := c.Open()
		if err != nil {
			break
		}
		writing.Go(func() { ssh.DiscardRequests(requests) })
		writing.Go(func() { drip(channel) })
	}
	drip(c)
	c.Close()
	return errEnded
}

// say writes lines as fast as one nick may, so that the server has no reason to make
// it wait: the first, and every fourth time the last.
func (a *attacker) say(c *load.Client, lines ...string) error {
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		if n >= burstLines {
			select {
			case <-tick.C:
			case <-c.Done():
				return errEnded
			}
		}
		line := lines[0]
		if n%4 == 3 {
			line = lines[len(lines)-1]
		}
		if _, err := io.WriteString(c, line); err != nil {
			return errEnded
		}
		a.count(func() { a.Input++ })
	}
}

// handshake goes half the way to a login: half stop after the banner, the other half
// when the keys are exchanged, which is the expensive part.
func (a *attacker) handshake(ctx context.Context) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: a.from()}}
	in := false
	stay := func() {
		in = true
		a.entered()
	}
	conn, err := dialer.DialContext(ctx, "tcp", a.Addr)
	if err == nil {
		defer conn.Close()
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer stop()
		if a.number%2 == 0 {
			banner(conn, stay)
		} else {
			config := &ssh.ClientConfig{ClientVersion: load.Version}
			config.Ciphers = []string{load.Cipher}
			config.HostKeyCallback = func(string, net.Addr, ssh.PublicKey) error {
				stay() // where a user would be asked about the host's key
				_ = load.Pause(ctx, handshakeTime)
				return errEnded
			}
			_, _, _, _ = ssh.NewClientConn(conn, a.Addr, config)
		}
	}
	a.count(func() {
		switch over := ctx.Err() != nil; {
		case in && over:
			a.now--
		case in:
			a.now--
			a.Ended++
		case !over:
			a.Refused++
		}
	})
}

// banner sends its own and no more, until the server hangs up. stay is called when the
// server goes on with the handshake and does not disconnect.
func banner(conn net.Conn, stay func()) {
	const keyInit, kindAt = 20, 5 // SSH_MSG_KEXINIT; behind the lengths of packet and padding
	in := bufio.NewReader(conn)
	_, err1 := io.WriteString(conn, load.Version+"\r\n")
	_, err2 := in.ReadString('\n')
	packet, err3 := in.Peek(kindAt + 1)
	if errors.Join(err1, err2, err3) == nil && packet[kindAt] == keyInit {
		stay()
		_, _ = io.Copy(io.Discard, in)
	}
}
