package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// fault is something that goes wrong for a while: do begins it, and what that returns ends it.
type fault struct {
	name string
	do   func(*nemesis) (heal func())
}

var faults = []fault{
	{"a chat server is killed", func(n *nemesis) func() { return n.killed(&n.chat().process) }},
	{"a chat server is paused", func(n *nemesis) func() { return paused(&n.chat().process) }},
	{"an engine is killed", func(n *nemesis) func() { return n.killed(n.engine()) }},
	{"an engine is paused", func(n *nemesis) func() { return paused(n.engine()) }},
	{"the stream's leader is killed", func(n *nemesis) func() { return n.killed(n.leader()) }},
	{"the stream's leader is paused", func(n *nemesis) func() { return paused(n.leader()) }},
	{"a chat server's connections break", func(n *nemesis) func() { return cutOff(n.chat(), closed) }},
	{"a chat server's cables are pulled", func(n *nemesis) func() { return cutOff(n.chat(), held) }},
	{"answers to a chat server are lost", func(n *nemesis) func() { return cutOff(n.chat(), deaf) }},
	{"a chat server's network is slow", func(n *nemesis) func() { return cutOff(n.chat(), slow) }},
	{"two engines are killed", func(n *nemesis) func() {
		i := n.random.IntN(len(n.c.engines))
		first, second := n.c.engines[i], n.c.engines[(i+1)%len(n.c.engines)]
		one, other := n.killed(first), n.killed(second)
		return func() { one(); other() }
	}},
	{"the whole network breaks", func(n *nemesis) func() {
		var heal []func()
		for _, chat := range n.c.chats {
			heal = append(heal, cutOff(chat, closed))
		}
		return func() {
			for _, h := range heal {
				h()
			}
		}
	}},
}

// netFaults need namespaces: servers that can't reach each other, though all of them run.
var netFaults = []fault{
	{"an engine node is cut off from the others", func(n *nemesis) func() { return n.alone(n.engine().name) }},
	{"the stream's leader is cut off from the others", func(n *nemesis) func() { return n.alone(n.leader().name) }},
	{"no engine node reaches another", func(n *nemesis) func() { return n.apart(func(a, b string) bool { return isEngine(a) && isEngine(b) }) }},
	{"the network splits in two", func(n *nemesis) func() {
		side := map[string]bool{}
		for _, p := range n.c.all() {
			side[p.name] = n.random.IntN(2) == 0
		}
		return n.apart(func(a, b string) bool { return side[a] != side[b] })
	}},
	{"two engine nodes reach each other by way of the third only", func(n *nemesis) func() {
		a, b := n.two()
		return n.c.net.cut(a, b)
	}},
	{"an engine node does not hear another", func(n *nemesis) func() {
		a, b := n.two()
		n.c.net.lose(a, b)
		return func() { n.c.net.deliver(a, b) }
	}},
	{"the stream's leader hears nobody", func(n *nemesis) func() {
		leader := n.leader().name
		return n.oneWay(func(from, to string) bool { return to == leader })
	}},
	{"nobody hears the stream's leader", func(n *nemesis) func() {
		leader := n.leader().name
		return n.oneWay(func(from, to string) bool { return from == leader })
	}},
	{"an engine node's network is slow", func(n *nemesis) func() {
		name := n.engine().name
		n.c.net.delay(name, slow)
		return func() { n.c.net.hurry(name) }
	}},
}

func isEngine(name string) bool { return strings.HasPrefix(name, "engine") }

// two chooses two engine nodes.
func (n *nemesis) two() (a, b string) {
	i := n.random.IntN(len(n.c.engines))
	return n.c.engines[i].name, n.c.engines[(i+1)%len(n.c.engines)].name
}

// alone cuts an engine node off from the others. Chat servers reach all of them.
func (n *nemesis) alone(name string) (heal func()) {
	return n.apart(func(a, b string) bool { return a == name && isEngine(b) })
}

// apart cuts the servers off from each other that are.
func (n *nemesis) apart(are func(a, b string) bool) (heal func()) {
	return n.oneWay(func(from, to string) bool { return are(from, to) || are(to, from) })
}

// oneWay loses the packets that are.
func (n *nemesis) oneWay(are func(from, to string) bool) (heal func()) {
	var heals []func()
	for _, from := range n.c.net.nodes {
		for _, to := range n.c.net.nodes {
			if from != to && are(from, to) {
				n.c.net.lose(from, to)
				heals = append(heals, func() { n.c.net.deliver(from, to) })
			}
		}
	}
	return func() {
		for _, heal := range heals {
			heal()
		}
	}
}

// nemesis causes faults, the same ones in every run with the same seed.
type nemesis struct {
	c      *cluster
	random *rand.Rand
	ctx    context.Context
}

// rage causes faults, one or two at a time, until ctx is done. All has healed when it returns, with how often each
// was caused.
func (n *nemesis) rage() (caused map[string]int) {
	may, longest := faults, 3500
	if n.c.net != nil {
		may, longest = slices.Concat(faults, netFaults), 12_000 // longer than an election takes
	}
	caused = map[string]int{}
	for n.ctx.Err() == nil {
		var heal []func()
		for range 1 + n.random.IntN(4)/3 {
			f := may[n.random.IntN(len(may))]
			n.c.t.Logf("%s %s", time.Now().Format("04:05.000"), f.name)
			caused[f.name]++
			if h := f.do(n); strings.Contains(f.name, "killed") {
				heal = append(heal, h)
			} else { // first: what was killed may need the others to start
				heal = slices.Insert(heal, 0, h)
			}
		}
		pause(n.ctx, time.Duration(500+n.random.IntN(longest))*time.Millisecond)
		for _, h := range heal {
			h()
		}
		pause(n.ctx, time.Duration(n.random.IntN(2500))*time.Millisecond)
	}
	return caused
}

func (n *nemesis) chat() *chatServer { return n.c.chats[n.random.IntN(len(n.c.chats))] }
func (n *nemesis) engine() *process  { return n.c.engines[n.random.IntN(len(n.c.engines))] }

// killed ends p, and starts it again when it heals, as a service manager would.
func (n *nemesis) killed(p *process) func() {
	p.kill()
	return func() {
		if p.running() {
			return
		}
		if err := p.restart(); err != nil {
			n.c.t.Error(err)
		}
	}
}

// restart starts p until it stays.
func (p *process) restart() error {
	deadline := time.Now().Add(patience)
	for {
		err := p.start()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		p.kill()
		<-time.After(500 * time.Millisecond)
	}
}

func paused(p *process) func() {
	p.pause()
	return p.resume
}

func cutOff(chat *chatServer, m mode) func() {
	chat.cut(m)
	return func() { chat.cut(open) }
}

// leader is the engine that leads the stream, or any, if none answers.
func (n *nemesis) leader() *process {
	any := n.engine()
	if p, err := n.c.leader(); err == nil {
		return p
	}
	return any
}

func (c *cluster) leader() (*process, error) {
	info, err := c.stream()
	if err != nil {
		return nil, err
	}
	if info.Cluster != nil {
		for _, e := range c.engines {
			if e.name == info.Cluster.Leader {
				return e, nil
			}
		}
	}
	return nil, errors.New("the stream has no leader")
}

// stream asks the engines about the log, directly.
func (c *cluster) stream() (info *jetstream.StreamInfo, err error) {
	err = c.withJetStream(func(ctx context.Context, js jetstream.JetStream) error {
		s, err := js.Stream(ctx, "whoelse_LOG")
		if err == nil {
			info, err = s.Info(ctx)
		}
		return err
	})
	return info, err
}

func (c *cluster) withJetStream(do func(context.Context, jetstream.JetStream) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	nc, err := nats.Connect(strings.Join(c.urls, ","), nats.Timeout(time.Second))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return do(ctx, js)
}

// heal ends all that was done to the cluster.
func (c *cluster) heal() error {
	for _, chat := range c.chats {
		chat.cut(open)
	}
	if c.net != nil {
		c.net.heal()
	}
	for _, p := range c.all() {
		p.resume()
	}
	return c.together(func(p *process) error {
		if p.running() {
			return nil
		}
		return p.restart()
	}, c.all()...)
}

// collect asks all servers for everything, until they agree or it is too late: a server may be behind for
// a moment.
func (c *crowd) collect(people []*person) error {
	var err error
	for deadline := time.Now().Add(patience / 2); ; {
		err = c.collectOnce(people)
		agree := err == nil && len((&story{lobby: c.story.lobby, direct: c.story.direct}).agree()) == 0
		if agree || time.Now().After(deadline) {
			return err
		}
		<-time.After(200 * time.Millisecond)
	}
}

// agree returns how the servers' histories differ.
func (s *story) agree() (wrong []string) {
	c := &checker{story: s, wrong: map[string]bool{}}
	c.histories("the lobby", s.lobby)
	for nick, on := range s.direct {
		c.histories(nick, on)
	}
	for w := range c.wrong {
		wrong = append(wrong, w)
	}
	return wrong
}

func (c *crowd) collectOnce(people []*person) error {
	lobby, direct := map[string][]message{}, map[string]map[string][]message{}
	for _, chat := range c.c.chats {
		has, err := chat.run(people[0].nick, people[0].id, "history", "--json", "10000").messages()
		if err != nil {
			return fmt.Errorf("the lobby on %s: %w", chat.name, err)
		}
		lobby[chat.name] = has
		for _, p := range people {
			if direct[p.nick] == nil {
				direct[p.nick] = map[string][]message{}
			}
			has, err := chat.run(p.nick, p.id, "inbox", "--json", "all", "10000").messages()
			if err != nil {
				return fmt.Errorf("the messages of %s on %s: %w", p.nick, chat.name, err)
			}
			direct[p.nick][chat.name] = has
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.story.lobby, c.story.direct = lobby, direct
	return nil
}
