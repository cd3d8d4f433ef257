package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// nemesis causes faults, the same ones in every run with the same seed.
type nemesis struct {
	c      *cluster
	random *rand.Rand
	ctx    context.Context
}

// rage causes faults, one or two at a time, until ctx is done. All has healed when it returns.
func (n *nemesis) rage() {
	for n.ctx.Err() == nil {
		var heal []func()
		for range 1 + n.random.IntN(4)/3 {
			f := faults[n.random.IntN(len(faults))]
			n.c.t.Logf("%s %s", time.Now().Format("05.000"), f.name)
			heal = append(heal, f.do(n))
		}
		pause(n.ctx, time.Duration(500+n.random.IntN(3500))*time.Millisecond)
		for _, h := range heal {
			h()
		}
		pause(n.ctx, time.Duration(n.random.IntN(2500))*time.Millisecond)
	}
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
