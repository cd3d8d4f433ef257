package cluster

import (
	"context"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// What can fail, one thing at a time, while people talk; docs/cluster.md says what they see of it. The checker
// sees that all of it heals, and that nothing was lost, shown twice, or answered late.

// fails has do go wrong for a while, and people talk before, meanwhile and after.
func fails(t *testing.T, o options, d time.Duration, do func(n *nemesis) (heal func())) (*cluster, *crowd) {
	t.Helper()
	onlyFull(t)
	t.Parallel()
	c := newCluster(t, o)
	return c, during(t, c, seed(t), func(talking context.Context, random *rand.Rand) {
		n := &nemesis{c: c, random: random, ctx: talking}
		pause(talking, 2*time.Second)
		heal := do(n)
		pause(talking, d)
		heal()
		c.must(c.heal())
		pause(talking, 3*time.Second)
	})
}

func TestChatServerKilled(t *testing.T) {
	fails(t, options{chats: 3}, 3*time.Second, func(n *nemesis) func() { return n.killed(&n.chat().process) })
}

func TestEngineKilled(t *testing.T) {
	fails(t, options{chats: 2}, 3*time.Second, func(n *nemesis) func() { return n.killed(n.engine()) })
}

func TestLeaderKilled(t *testing.T) {
	fails(t, options{chats: 2}, 10*time.Second, func(n *nemesis) func() { return n.killed(n.leader()) })
}

// TestEngineUnreachable: nobody can reach the engine for longer than anything waits for it.
func TestEngineUnreachable(t *testing.T) {
	fails(t, options{chats: 2}, 15*time.Second, unreachable)
}

// TestEngineAwayForLong: nobody can reach the engine for a whole minute, and everything heals.
func TestEngineAwayForLong(t *testing.T) {
	if os.Getenv("WHOELSE_JEPSEN") == "" {
		t.Skip("takes more than a minute; runs with WHOELSE_JEPSEN")
	}
	fails(t, options{chats: 3}, time.Minute, unreachable)
}

// unreachable cuts all servers off from the engine.
func unreachable(n *nemesis) func() {
	for _, chat := range n.c.chats {
		chat.cut(closed)
	}
	return func() {}
}

// TestCutOff: a server loses the engine, and not its people, for longer than the others wait for it.
func TestCutOff(t *testing.T) {
	fails(t, options{chats: 2}, 15*time.Second, func(n *nemesis) func() { return cutOff(n.c.chats[1], held) })
}

func TestSlowEngine(t *testing.T) {
	fails(t, options{chats: 2}, 8*time.Second, func(n *nemesis) func() {
		for _, chat := range n.c.chats {
			chat.cut(crawl)
		}
		return func() {}
	})
}

func TestAllRestarted(t *testing.T) {
	fails(t, options{chats: 2}, time.Second, func(n *nemesis) func() {
		all := n.c.all()
		n.c.must(n.c.together(func(p *process) error { p.kill(); return nil }, all...))
		return func() { n.c.must(n.c.together((*process).restart, all...)) }
	})
}

// TestAnswersLost: the engine stores what a server sends, and its answers do not arrive.
func TestAnswersLost(t *testing.T) {
	fails(t, options{chats: 2}, 4*time.Second, func(n *nemesis) func() { return cutOff(n.c.chats[0], deaf) })
}
