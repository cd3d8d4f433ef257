// Package attack does to a server what those do who want it to suffer: each
// address takes as many connections as it gets, and what the server refuses or
// ends is tried again a few seconds later. Who attacks reads and writes with
// golang.org/x/crypto/ssh like everyone else, and breaks no rule of ssh: it only
// takes all that it can.
//
//	counts := attack.Run(ctx, attack.Plan{Addr: addr, Kind: attack.Burst, Addresses: 1, PerAddress: 20})
//
// Each address is a 127.a.b.1 in a /24 of its own, so a server has to be told not to
// exempt the loopback interface from its limits.
package attack

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"whoelse/bench/load"
)

// Kind is one way to attack.
type Kind string

// The ways to attack.
const (
	Idle       Kind = "idle"       // a terminal that says nothing
	Tiny       Kind = "tiny"       // input in packets of one byte, to a terminal and to channels without a shell
	Unread     Kind = "unread"     // a terminal that asks for the history and never reads its socket
	Burst      Kind = "burst"      // a terminal of its own width that says long lines
	Group      Kind = "group"      // long messages to the twenty nicks of the own address
	Handshakes Kind = "handshakes" // half after the banner, half with the keys exchanged: nothing more
	Churn      Kind = "churn"      // logs in with a new key each time, and leaves
	All        Kind = "all"        // all of these, in turn by connection
)

// Kinds lists the ways to attack.
func Kinds() []Kind {
	return []Kind{Idle, Tiny, Unread, Burst, Group, Handshakes, Churn, All}
}

// mix is what All consists of.
var mix = []Kind{Idle, Tiny, Unread, Burst, Group, Handshakes, Churn}

const (
	// retryAfter is how long somebody refused or ended stays away: an address may
	// come thirty times a minute, and knocking more often only tires the generator.
	retryAfter = 4 * time.Second
	// loginsAtOnce is below what servers let log in at the same time.
	loginsAtOnce = 48
	// maxAddresses is how many /24 there are from 127.1.0.0 up.
	maxAddresses = 254 << 8
)

// The first numbers of identities, apart from each other and from those of the
// scenarios' people.
const (
	firstGuest = 20_000
	firstGroup = 100_000
	firstNew   = 20_000_000
)

// Plan says who attacks whom.
type Plan struct {
	Addr       string // on the loopback interface
	Kind       Kind
	Addresses  int
	PerAddress int // connections of each
	Cipher     string
}

// Check refuses what can't be done.
func (p Plan) Check() error {
	if p.Addresses > maxAddresses {
		return fmt.Errorf("%d addresses: at most %d", p.Addresses, maxAddresses)
	}
	return nil
}

// Connections is how many the plan tries to hold at the same time.
func (p Plan) Connections() int { return p.Addresses * p.PerAddress }

// Has reports whether the plan, as it is or in its mix, is of that kind.
func (p Plan) Has(kind Kind) bool { return p.Kind == kind || p.Kind == All }

// Counts is what came of an attack.
type Counts struct {
	In      int `json:"let_in"`                // handshakes: beyond the banner
	Most    int `json:"most_at_once"`          // of them
	Refused int `json:"refused_or_failed"`     // connections that were not let in
	Ended   int `json:"ended_by_server"`       // that were in
	Said    int `json:"lines_and_input_bytes"` // written, whatever came of them
}

// attack is one run of a plan. Safe for concurrent use.
type attack struct {
	Plan
	logins chan struct{} // a place for each that is logging in
	names  atomic.Int64  // new identities so far

	in, now, most, refused, ended, said atomic.Int64
}

// attacker is one of an address's connections, and the one after it.
type attacker struct {
	*attack
	from    net.IP
	address int
	number  int // over all addresses
	kind    Kind
}

// Run attacks until ctx is over and everybody has hung up.
func Run(ctx context.Context, plan Plan) Counts {
	a := &attack{Plan: plan, logins: make(chan struct{}, loginsAtOnce)}
	var all sync.WaitGroup
	for address := range plan.Addresses {
		for n := range plan.PerAddress {
			one := &attacker{attack: a, from: addressOf(address), address: address, number: address*plan.PerAddress + n, kind: plan.Kind}
			if plan.Kind == All {
				one.kind = mix[one.number%len(mix)]
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
		if attempt(a, ctx) {
			continue
		}
		pause(ctx, retryAfter)
	}
}

// entered counts somebody who is in, until left.
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

// place waits for one to log in; the caller gives it back.
func (a *attack) place(ctx context.Context) bool {
	select {
	case a.logins <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *attack) giveBack() { <-a.logins }

// nobody shows nothing to anyone.
type nobody struct{}

func (nobody) Take([]byte, time.Duration) []byte { return nil }

// visit logs in, lets work go on until it, the session or ctx ends, and hangs up.
// work returns an error when the server has ended it. visit reports whether the
// attacker was in and left by itself.
func (a *attacker) visit(
	ctx context.Context, who load.Identity, kind load.Kind, work func(context.Context, *load.Client) error,
) bool {
	if !a.place(ctx) {
		return false
	}
	kind.From = a.from
	who.Cipher = a.Cipher
	client, err := load.Connect(ctx, a.Addr, who, kind, nobody{})
	a.giveBack()
	if err != nil {
		if ctx.Err() == nil {
			a.refused.Add(1)
		}
		return false
	}
	a.entered()
	defer a.left()
	defer client.Close()
	stop := context.AfterFunc(ctx, client.Close) // frees a write that stands
	defer stop()
	err = work(ctx, client)
	if err != nil && ctx.Err() == nil {
		a.ended.Add(1)
	}
	return err == nil
}

// guest is the attacker without a key.
func (a *attacker) guest() load.Identity {
	return load.Identity{Number: firstGuest + a.number, Auth: load.AuthGuest}
}

// pause waits until d has passed or ctx is over.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
