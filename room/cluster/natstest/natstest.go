// Package natstest runs real servers of the engine, NATS with JetStream, in the process of a test, and a
// proxy that breaks connections to them. Only tests import it.
package natstest

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startsWithin is how long the engine may take to be ready.
const startsWithin = 20 * time.Second

// Engine is one server of the engine, or several that are a cluster. Its methods are for one goroutine.
type Engine struct {
	t       testing.TB
	nodes   []*server.Server // nil: killed
	options []*server.Options
}

// NewServer starts an engine of one server with options changed by change, which may be nil. It ends with the test.
func NewServer(t testing.TB, change func(*server.Options)) *Engine {
	t.Helper()
	return start(t, 1, change)
}

// NewCluster starts an engine of n servers that replicate to each other.
func NewCluster(t testing.TB, n int) *Engine {
	t.Helper()
	return start(t, n, nil)
}

func start(t testing.TB, n int, change func(*server.Options)) *Engine {
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
	e.WaitReady()
	return e
}

// freePorts returns ports that nobody listens on. With a port of its own choice a server with routes is never ready.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // only its port is of use, and all of them have to differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
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

// WaitReady waits until all servers that run accept connections and, if most do, one of them leads.
func (e *Engine) WaitReady() {
	e.t.Helper()
	running, leads := 0, false
	deadline := time.Now().Add(startsWithin)
	for _, s := range e.nodes {
		if s != nil {
			running++
			if !s.ReadyForConnections(time.Until(deadline)) {
				e.t.Fatal("a server of the engine does not start")
			}
		}
	}
	for !leads && len(e.nodes) > 1 && running > len(e.nodes)/2 {
		for _, s := range e.nodes {
			leads = leads || s != nil && s.JetStreamIsLeader()
		}
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

// Proxy passes connections on to one server, until it is told otherwise.
type Proxy struct {
	listen net.Listener
	ends   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	to      string
	open    map[net.Conn]bool
	cut     bool
	stalled chan struct{} // is closed when bytes pass; nil: they do
	drop    func(toClient []byte) bool
}

// NewProxy starts a proxy to an address. It ends with the test.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{to: to, listen: l, open: map[net.Conn]bool{}}
	p.ends.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.Resume()
		p.Cut()
		p.ends.Wait()
	})
	return p
}

// URL is where the proxy is reached.
func (p *Proxy) URL() string { return "nats://" + p.listen.Addr().String() }

// Cut breaks all connections, and refuses new ones until Heal.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.open {
		_ = c.Close()
	}
}

// Heal ends a Cut.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

// Aim passes later connections on to another address.
func (p *Proxy) Aim(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

// Stall keeps all bytes, both ways, until Resume: connections stay open.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == nil {
		p.stalled = make(chan struct{})
	}
}

// Resume ends a Stall.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled != nil {
		close(p.stalled)
		p.stalled = nil
	}
}

// Drop has answers lost: what the server sends is not passed on where drop says so, and the connection is cut there. nil ends it.
func (p *Proxy) Drop(drop func(toClient []byte) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop = drop
}

func (p *Proxy) accept() {
	for {
		in, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		to := p.to
		p.mu.Unlock()
		out, err := net.Dial("tcp", to)
		if err != nil || !p.add(in, out) {
			_ = in.Close()
			if out != nil {
				_ = out.Close()
			}
			continue
		}
		p.ends.Go(func() { p.pass(in, out, true) })
		p.ends.Go(func() { p.pass(out, in, false) })
	}
}

func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if !p.cut {
			p.open[c] = true
		}
	}
	return !p.cut
}

// pass copies bytes until one side ends, and ends both.
func (p *Proxy) pass(to io.WriteCloser, from io.ReadCloser, toClient bool) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err == nil {
			err = p.hold(b[:n], toClient)
		}
		if err == nil {
			_, err = to.Write(b[:n])
		}
		if err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close() // both are of no use any more
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, to.(net.Conn))
	delete(p.open, from.(net.Conn))
}

// hold waits while bytes are kept. The error says that they are lost.
func (p *Proxy) hold(b []byte, toClient bool) error {
	for {
		p.mu.Lock()
		stalled, drop := p.stalled, p.drop
		p.mu.Unlock()
		if stalled == nil {
			if toClient && drop != nil && drop(b) {
				return io.ErrClosedPipe
			}
			return nil
		}
		<-stalled
	}
}
