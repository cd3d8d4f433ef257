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
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"whoelse/bench/load"
)

// Kinds lists the ways to attack.
var Kinds = []string{"idle", "tiny", "unread", "burst", "group", "handshakes", "churn", All}

// All is all the others, in turn by connection.
const All = "all"

const (
	// retryAfter is how long an attacker stays away that was refused or ended: an
	// address may connect thirty times a minute, and more only costs the generator.
	retryAfter = 4 * time.Second
	// loginsAtOnce is below what servers let log in at the same time.
	loginsAtOnce = 48
)

// The first numbers of clients, apart from each other and from those who chat.
const (
	firstGuest = 20_000
	firstGroup = 100_000
	firstNew   = 20_000_000
)

// Plan says who attacks whom.
type Plan struct {
	Addr       string // on the loopback interface
	Kind       string // one of Kinds
	Addresses  int
	PerAddress int // connections of each
}

// Counts is what came of an attack.
type Counts struct {
	In      int // handshakes: beyond the banner
	Most    int // of them at the same time
	Refused int // connections that were not let in
	Ended   int // by the server, after they were let in
	Said    int // lines and bytes of input, whatever came of them
}

// attack is one run of a plan. Safe for concurrent use.
type attack struct {
	Plan
	logins chan struct{} // holds one for each that is logging in
	names  atomic.Int64  // new identities so far

	in, now, most, refused, ended, said atomic.Int64
}

// attacker is one of an address's connections, and the one after it.
type attacker struct {
	*attack
	from    net.IP
	address int
	number  int // over all addresses
	kind    string
}

// Run attacks until ctx is over and all attackers have hung up.
func Run(ctx context.Context, plan Plan) Counts {
	a := &attack{Plan: plan, logins: make(chan struct{}, loginsAtOnce)}
	var all sync.WaitGroup
	for address := range plan.Addresses {
		for n := range plan.PerAddress {
			one := &attacker{attack: a, from: addressOf(address), address: address, number: address*plan.PerAddress + n, kind: plan.Kind}
			if plan.Kind == All {
				one.kind = Kinds[one.number%(len(Kinds)-1)]
			}
			all.Go(func() { one.run(ctx) })
		}
	}
	<-ctx.Done()
	all.Wait()
	return Counts{
		In: int(a.in.Load()), Most: int(a.most.Load()), Refused: int(a.refused.Load()),
		Ended: int(a.ended.Load()), Said: int(a.said.Load()),
	}
}

// addressOf leaves 127.0.0.0/16 to those who do not attack.
func addressOf(n int) net.IP { return net.IPv4(127, byte(1+n>>8), byte(n), 1) }

func (a *attacker) run(ctx context.Context) {
	attempt := ways[a.kind]
	for ctx.Err() == nil {
		if !attempt(a, ctx) {
			_ = load.Pause(ctx, retryAfter)
		}
	}
}

// entered counts an attacker that was let in; left is called when it is gone.
func (a *attack) entered() {
	a.in.Add(1)
	for now := a.now.Add(1); ; {
		most := a.most.Load()
		if now <= most || a.most.CompareAndSwap(most, now) {
			return
		}
	}
}

func (a *attack) left() { a.now.Add(-1) }

// blind is the Sink of an attacker: what it is shown does not matter.
type blind struct{}

func (blind) Take([]byte, time.Duration) []byte { return nil }

// visit logs in, lets work go on until it, the session or ctx ends, and hangs up.
// work returns an error when the server has ended the session. visit reports whether
// the attacker was let in and left by itself.
func (a *attacker) visit(ctx context.Context, config load.Config, work func(context.Context, *load.Client) error) bool {
	select {
	case a.logins <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	config.From = a.from
	client, err := load.Connect(ctx, a.Addr, config, blind{})
	<-a.logins
	if err != nil {
		if ctx.Err() == nil {
			a.refused.Add(1)
		}
		return false
	}
	a.entered()
	defer a.left()
	defer client.Close()
	stop := context.AfterFunc(ctx, client.Close) // ends a write that waits
	defer stop()
	err = work(ctx, client)
	if err != nil && ctx.Err() == nil {
		a.ended.Add(1)
	}
	return err == nil
}

// guest is the attacker without a key.
func (a *attacker) guest(columns int) load.Config {
	return load.Config{Number: firstGuest + a.number, Guest: true, Columns: columns}
}
