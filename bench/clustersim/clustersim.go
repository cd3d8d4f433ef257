// Package clustersim drives the work that servers of a cluster do for each other, with any number of nicks,
// through the engine and without ssh: rosters, claims of nicks, messages, and a server
// that catches up.
package clustersim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"whoelse/keys"
	"whoelse/room"
	"whoelse/room/cluster"
	"whoelse/room/history"
	"whoelse/room/settings"
)

// Size is how much is simulated.
type Size struct {
	People int // all together
	Nodes  int
	Events int
}

// Heard is the name of the cost of receiving a person's presence on another server.
const Heard = "people heard of from another server"

// Cost is what one thing cost.
type Cost struct {
	Name    string
	Count   int
	Elapsed time.Duration
	CPU     time.Duration // of this process
	Bytes   int           // that the engine passed on to one node, or 0
}

// Run measures everything. It writes below dir.
func Run(ctx context.Context, dir string, s Size) (all []Cost, err error) {
	url, stop, err := startEngine(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer stop()
	sim := &sim{ctx: ctx, dir: dir, url: url, size: s}
	for _, measure := range []func() ([]Cost, error){sim.rosters, sim.claims, sim.events} {
		costs, err := measure()
		if err != nil {
			return nil, err
		}
		all = append(all, costs...)
	}
	return all, nil
}

type sim struct {
	ctx      context.Context
	dir, url string
	size     Size
}

// node joins the cluster name as a server that is called node.
func (s *sim) node(name, node string) (*cluster.Cluster, error) {
	return cluster.Connect(s.ctx, cluster.Options{
		URLs: []string{s.url}, Name: name, Node: node, Replicas: 1, Keep: time.Hour, Log: slog.New(slog.DiscardHandler),
		Bound: filepath.Join(s.dir, name+"-"+node+".json"),
	})
}

// timed measures do.
func timed(name string, count int, do func() error) (Cost, error) {
	from, cpu := time.Now(), spent()
	err := do()
	return Cost{Name: name, Count: count, Elapsed: time.Since(from), CPU: spent() - cpu}, err
}

// spent is the user and system time of this process so far.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it can't fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// wait waits until ok.
func (s *sim) wait(what string, ok func() bool) error {
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within a minute", what)
		}
		select {
		case <-time.After(time.Millisecond):
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	return nil
}

// rosters has one server with a real room hear twice who is on all the others.
func (s *sim) rosters() ([]Cost, error) {
	c, err := s.node("rosters", "hears")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	prefs, err := settings.Open(filepath.Join(s.dir, "settings"))
	if err != nil {
		return nil, err
	}
	r, err := room.New(nowhere{}, nowhere{}, nowhere{}, prefs, room.Options{Peers: c, Rooms: room.RoomOptions{Store: noRooms{}}})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	c.Attach(r)
	nc, err := nats.Connect(s.url)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	const times = 10
	heard := s.size.People / s.size.Nodes * times
	bytes, seq := 0, 0
	once := func() error {
		seq++
		n, err := s.say(nc, seq)
		bytes += n
		return errors.Join(err, s.wait("a roster", func() bool { return s.heard(c, seq) }))
	}
	if err := once(); err != nil { // they are new
		return nil, err
	}
	bytes = 0
	wire, err := timed(Heard, heard, func() (err error) {
		for i := 0; i < times && err == nil; i++ {
			err = once()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	wire.Bytes = bytes
	costs := []Cost{wire}
	for _, name := range []string{"people on all servers, known for the first time", "people on all servers, known again"} {
		cost, err := timed(name, s.size.People, func() error {
			for n := range s.size.Nodes {
				r.SetRoster(fmt.Sprint("server", n), s.on(n), false)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		costs = append(costs, cost)
	}
	if got := len(r.Everyone()); got < s.size.People {
		return nil, fmt.Errorf("%d people are known, of %d", got, s.size.People)
	}
	listing, err := timed("people listed at once", s.size.People, func() error { r.Everyone(); return nil })
	return append(costs, listing), err
}

// nickOf is the nick of the person with this number.
func nickOf(n int) string { return fmt.Sprint("somebody", n) }

// on is who is on the server with the number n.
func (s *sim) on(n int) (here []room.Presence) {
	now := time.Now()
	for who := n * s.size.People / s.size.Nodes; who < (n+1)*s.size.People/s.size.Nodes; who++ {
		here = append(here, room.Presence{
			Nick: nickOf(who), Online: true, Since: now.Add(-time.Hour), Active: now.Add(-time.Minute), Sessions: 1,
		})
	}
	return here
}

// speaker is the server whose rosters go through the engine.
const speaker = "speaker"

// heard reports whether c has heard all that the speaker said as of seq.
func (s *sim) heard(c *cluster.Cluster, seq int) bool {
	status, err := c.Status(s.ctx)
	return err == nil && slices.ContainsFunc(status.Nodes, func(n cluster.Node) bool {
		return n.Name == speaker && n.Applied == uint64(seq)
	})
}

// say publishes who is on one server, as that server does.
func (s *sim) say(nc *nats.Conn, seq int) (bytes int, err error) {
	const part = 500
	type person struct {
		Nick     string `json:"nick"`
		Since    int    `json:"since"`
		Active   int    `json:"active"`
		Sessions int    `json:"sessions"`
	}
	var all []person
	for who := range s.size.People / s.size.Nodes {
		all = append(all, person{"x" + nickOf(who), 3_600_000, 60_000, 1})
	}
	parts := (len(all) + part - 1) / part
	i := 0
	for here := range slices.Chunk(all, part) {
		data, err := json.Marshal(map[string]any{"v": 1, "run": "sim", "seq": seq, "part": i, "parts": parts, "applied": seq, "here": here})
		if err == nil {
			err = nc.Publish("rosters.roster."+speaker, data)
		}
		if err != nil {
			return 0, err
		}
		bytes, i = bytes+len(data), i+1
	}
	return bytes, nc.Flush()
}

// claims has two servers claim nicks at the same time, with more and more keys in the file.
func (s *sim) claims() (costs []Cost, err error) {
	for _, held := range []int{s.size.People / 1000, s.size.People / 100, s.size.People / 10} {
		cost, err := s.claimsWith(held)
		if err != nil {
			return nil, fmt.Errorf("claims with %d keys: %w", held, err)
		}
		costs = append(costs, cost)
	}
	return costs, nil
}

// claimsOf is how many nicks each of the two servers claims.
const claimsOf = 5

func (s *sim) claimsWith(held int) (Cost, error) {
	var ends []func()
	defer func() {
		for _, end := range ends {
			end()
		}
	}()
	var registries [2]*keys.Registry
	name := fmt.Sprint("claims", held)
	for i := range registries {
		node := fmt.Sprint("node", i)
		file := filepath.Join(s.dir, name+"-"+node+"-keys")
		if err := os.WriteFile(file, keysOf(held), 0o600); err != nil {
			return Cost{}, err
		}
		registry, err := keys.Open(file, slog.New(slog.DiscardHandler))
		if err != nil {
			return Cost{}, err
		}
		c, err := s.node(name, node)
		if err != nil {
			return Cost{}, err
		}
		ends = append(ends, func() { _ = c.Close() })
		if err := registry.Share(func(change func() ([]byte, error)) error { return c.Change("keys", change) }); err != nil {
			return Cost{}, err
		}
		states := map[string]cluster.Receive{"keys": func(_ string, data []byte) error { return registry.Receive(data) }}
		if err := c.Follow(s.ctx, &copied{}, states); err != nil {
			return Cost{}, err
		}
		registries[i] = registry
	}
	return timed(fmt.Sprintf("claims on 2 servers of %d keys", held), 2*claimsOf, func() error {
		var both sync.WaitGroup
		errs := make([]error, len(registries))
		for i, registry := range registries {
			both.Go(func() {
				for n := range claimsOf {
					key, _ := newKey(10_000_000 + i*1_000_000 + n)
					err := registry.Claim(fmt.Sprintf("new%d-%d", i, n), key)
					if !errors.Is(err, room.ErrUncertain) { // it is made, and takes longer than a person waits
						errs[i] = errors.Join(errs[i], err)
					}
				}
			})
		}
		both.Wait()
		return errors.Join(errs...)
	})
}

// keysOf is an authorized_keys with n keys.
func keysOf(n int) []byte {
	var b strings.Builder
	for i := range n {
		_, line := newKey(i)
		fmt.Fprintf(&b, "environment=\"NICK=held%d\" %s\n", i, line)
	}
	return []byte(b.String())
}

// events has one server send direct messages to a nick each, and another one catch up with all of them.
func (s *sim) events() ([]Cost, error) {
	first, err := s.follower("first")
	if err != nil {
		return nil, err
	}
	defer first.close()
	sending, err := timed("direct messages to a nick each", s.size.Events, func() error {
		var failed atomic.Pointer[error]
		for n := range s.size.Events {
			if n%512 == 0 { // as many as wait for the engine at once; people type much less
				if err := s.wait("messages", func() bool { return first.store.Last() >= uint64(max(0, n-512)) }); err != nil {
					return err
				}
			}
			first.Append(&room.Event{Message: room.Message{
				ID: room.NextID("", time.Now()), Kind: room.KindDirect, Time: time.Now(),
				From: fmt.Sprintf("a%d", n%100), To: []string{fmt.Sprintf("b%d", n%s.recipients())}, Text: "are you coming to lunch, or shall I bring you something?",
			}}, func(err error) { failed.Store(&err) })
		}
		err := s.wait("the last message", func() bool { return first.store.Last() >= uint64(s.size.Events) || failed.Load() != nil })
		if why := failed.Load(); why != nil {
			err = *why
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var second *follower
	catching, err := timed("events that a server catches up", s.size.Events, func() (err error) {
		if second, err = s.follower("second"); err != nil {
			return err
		}
		return s.wait("catching up", func() bool { return second.applied.Load() >= uint64(s.size.Events) })
	})
	if second != nil {
		second.close()
	}
	return []Cost{sending, catching}, err
}

// recipients is how many nicks get messages: each has a file.
func (s *sim) recipients() int { return max(1, s.size.Events/10) }

// follower is a server's log and histories.
type follower struct {
	*cluster.Cluster
	store   *history.Store
	applied atomic.Uint64
}

func (s *sim) follower(node string) (*follower, error) {
	f := &follower{}
	var err error
	if f.store, err = history.Open(filepath.Join(s.dir, node), history.Options{Given: true}); err != nil {
		return nil, err
	}
	if f.Cluster, err = s.node("events", node); err != nil {
		return nil, errors.Join(err, f.store.Close())
	}
	f.store.Follow(func(batch []room.Entry) { f.applied.Store(batch[len(batch)-1].Seq) })
	if err := f.Follow(s.ctx, f.store, nil); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *follower) close() {
	_ = f.Close()
	_ = f.store.Close()
}
