// Package natstest runs real servers of the engine, NATS with JetStream, in the process of a test. Only tests import it.
package natstest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startsWithin is how long the engine may take to be ready.
const startsWithin = time.Minute // on a busy machine

// Engine is one server of the engine, or several that are a cluster. Its methods are for one goroutine.
type Engine struct {
	t       testing.TB
	nodes   []*server.Server // nil: killed
	options []*server.Options
}

// New starts an engine of n servers that replicate to each other, with options changed by change, which may be nil. It ends
// with the test.
func New(t testing.TB, n int, change func(*server.Options)) *Engine {
	t.Helper()
	e := &Engine{t: t, nodes: make([]*server.Server, n)}
	ports := freePorts(t, 2*n)
	var routes []*url.URL
	for i := range n {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[n+i])})
	}
	for i := range n {
		o := &server.Options{
			ServerName: fmt.Sprintf("engine%d", i+1), Host: "127.0.0.1", Port: ports[i],
			JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoLog: true, NoSigs: true,
			JetStreamMaxMemory: 1 << 30, JetStreamMaxStore: 10 << 30,
		}
		if n > 1 {
			o.Cluster = server.ClusterOpts{Name: "engine", Host: "127.0.0.1", Port: ports[n+i]}
			o.Routes = routes
		}
		if change != nil {
			change(o)
		}
		e.options = append(e.options, o)
	}
	t.Cleanup(func() {
		for i := range e.nodes {
			e.Kill(i)
		}
	})
	for i := range e.nodes {
		e.run(i)
	}
	e.waitReady()
	return e
}

// freePorts returns ports that nobody listens on. With a port of its own choice a server with routes is never ready. They
// are below 32768: systems give those above it to outgoing connections, also before the server listens, or while it is killed.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range 1000 {
		port := 10_000 + rand.N(22_000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer l.Close() //nolint:errcheck // only its port is of use, and all of them have to differ
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	t.Fatal("too few ports are free")
	return nil
}

func (e *Engine) run(i int) {
	e.t.Helper()
	s, err := server.NewServer(e.options[i].Clone())
	if err != nil {
		e.t.Fatal(err)
	}
	e.nodes[i] = s
	s.Start()
}

// waitReady waits until all servers accept connections and, of several, one leads.
func (e *Engine) waitReady() {
	e.t.Helper()
	deadline := time.Now().Add(startsWithin)
	for _, s := range e.nodes {
		if !s.ReadyForConnections(time.Until(deadline)) {
			e.t.Fatal("a server of the engine does not start")
		}
	}
	for len(e.nodes) > 1 && !slices.ContainsFunc(e.nodes, (*server.Server).JetStreamIsLeader) {
		if time.Now().After(deadline) {
			e.t.Fatal("the engine has no leader")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Kill ends server i.
func (e *Engine) Kill(i int) {
	if s := e.nodes[i]; s != nil {
		s.Shutdown()
		s.WaitForShutdown()
		e.nodes[i] = nil
	}
}

// Restart starts server i again with what it has stored.
func (e *Engine) Restart(i int) {
	e.t.Helper()
	e.Kill(i)
	e.run(i)
}

// Leader is the server that leads the stream, which gives what is stored its place; -1 if none does.
func (e *Engine) Leader(stream string) int {
	for i, s := range e.nodes {
		if s != nil && s.JetStreamIsStreamLeader("$G", stream) {
			return i
		}
	}
	return -1
}

// Addr is the address of server i.
func (e *Engine) Addr(i int) string { return fmt.Sprintf("127.0.0.1:%d", e.options[i].Port) }

// URLs are where all servers of the engine are reached.
func (e *Engine) URLs() (urls []string) {
	for i := range e.options {
		urls = append(urls, "nats://"+e.Addr(i))
	}
	return urls
}
